"""The cell that holds most of a shape, whatever the grid's edge."""

import numpy as np
import pytest

from slidetile.raster.class_objects import ClassObjects, cells_with, fullest
from slidetile.raster.filling import fill_each, fill_shapes
from slidetile.raster.grid import TileGrid


def objects_of(shapes, size):
    """Shapes of one class."""
    edges = np.array([[*s.min(axis=0), *s.max(axis=0)] for s in shapes])
    return ClassObjects(
        class_of=np.zeros(len(shapes), np.int32),
        areas=fill_shapes([[s] for s in shapes], size).areas,
        bounds=np.ceil(edges - 0.5).clip(0, size * 2).astype(np.int32),
        runs=lambda places: fill_each([[shapes[n]] for n in places], size),
    )


@pytest.mark.parametrize("edge", ["keep", "drop", "shift"])
def test_most_of_a_shape_is_where_its_pixels_are_counted(edge):
    rng = np.random.default_rng(3)
    size = (230, 170)
    centres = rng.uniform(0, size, (80, 1, 2))
    shapes = list(centres + rng.uniform(-12, 12, (80, 5, 2)))
    grid = TileGrid(width=size[0], height=size[1], size=32, stride=32, edge=edge)
    objects = objects_of(shapes, size)
    expected = []
    for shape in shapes:
        mask = np.zeros(size[::-1], bool)
        for left, top, right, bottom in fill_shapes([[shape]], size).rectangles:
            mask[top:bottom, left:right] = True
        counts = {}
        for row in range(grid.rows):
            for column in range(grid.columns):
                x, y = grid.region(column, row).x, grid.region(column, row).y
                counts[row, column] = -int(mask[y : y + 32, x : x + 32].sum())
        best = min(counts, key=lambda cell: (counts[cell], cell))
        if counts[best]:
            expected.append(best)
    chosen = np.flatnonzero(objects.areas > 0)
    found = np.concatenate([fullest(each)[1] for each in objects.in_cells(chosen, grid)])
    assert sorted(map(tuple, found.tolist())) == sorted(expected)


def test_points_lie_in_one_cell():
    grid = TileGrid(width=70, height=64, size=32, stride=32, edge="shift")
    points = np.array([(0, 0), (31, 31), (32, 31), (69, 63), (40, 63)], np.int32)
    assert cells_with(points, grid).tolist() == [[0, 0], [0, 0], [0, 1], [1, 2], [1, 1]]
    dropped = TileGrid(width=70, height=64, size=32, stride=32, edge="drop")
    assert cells_with(points, dropped).tolist() == [[0, 0], [0, 0], [0, 1], [1, 1]]


@pytest.mark.parametrize("most", [1 << 18, 1000, 1])
def test_pixels_in_each_cell_are_the_same_in_batches_and_alone(monkeypatch, most):
    monkeypatch.setattr("slidetile.raster.class_objects._MOST_PARTS", most)
    rng = np.random.default_rng(4)
    size = (230, 170)
    shapes = [rng.uniform(-20, size, (6, 2)) for _ in range(30)]
    shapes += [np.array([[-9.0, -9.0], [-3.0, -9.0], [-3.0, -1.0]])]
    grid = TileGrid(width=size[0], height=size[1], size=32, stride=32, edge="shift")
    objects = objects_of(shapes, size)
    found = {}
    for each in objects.in_cells(np.arange(len(shapes)), grid):
        rows = zip(each.shape.tolist(), each.cells.tolist(), each.pixels.tolist(), strict=True)
        for shape, cell, pixels in rows:
            assert (shape, *cell) not in found
            found[shape, *cell] = pixels
    for number, shape in enumerate(shapes):
        rectangles = fill_shapes([[shape]], size).rectangles
        for row, column in np.ndindex(grid.rows, grid.columns):
            left, top, right, bottom = grid.edges(np.array([column]), np.array([row]))[0]
            wide = np.minimum(rectangles[:, 2], right) - np.maximum(rectangles[:, 0], left)
            high = np.minimum(rectangles[:, 3], bottom) - np.maximum(rectangles[:, 1], top)
            pixels = (wide.clip(0) * high.clip(0)).sum()
            assert found.pop((number, row, column), 0) == pixels
    assert not found

"""Outlines filled to the pixel: compared with the winding number of every pixel's centre."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from shapely import Polygon, box, union_all

from slidetile.raster import filling
from slidetile.raster.filling import TooManyPixelsError, fill_each, fill_shapes
from slidetile.raster.rings import winding_numbers


def brute(shape, size):
    """Which pixels a shape encloses, one by one."""
    x, y = (np.arange(length) + 0.5 for length in size)
    inside = winding_numbers(shape[0], x, y) != 0
    for hole in shape[1:]:
        inside &= winding_numbers(hole, x, y) == 0
    return inside


def painted(rectangles, size):
    """How often rectangles cover each pixel."""
    counts = np.zeros(size[::-1], int)
    for left, top, right, bottom in rectangles:
        counts[top:bottom, left:right] += 1
    return counts


RINGS = st.lists(
    st.tuples(st.integers(-40, 160), st.integers(-40, 160)), min_size=3, max_size=8
).map(lambda corners: np.array(corners) / 4)
SHAPES = st.lists(st.lists(RINGS, min_size=1, max_size=3), min_size=1, max_size=5)


@given(SHAPES, st.tuples(st.integers(1, 35), st.integers(1, 35)), st.sampled_from([1, 40, 1 << 20]))
def test_every_pixel_is_covered_once_whose_centre_lies_in_a_shape(shapes, size, few):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(filling, "_BAND_CROSSINGS", few)
        patch.setattr(filling, "_GROUP_CORNERS", few)
        found = fill_shapes(shapes, size)
        runs, owners = fill_each(shapes, size)
    masks = [brute(shape, size) for shape in shapes]
    assert np.array_equal(painted(found.rectangles, size), np.any(masks, axis=0))
    assert found.areas.tolist() == [mask.sum() for mask in masks]
    for number, mask in enumerate(masks):
        assert np.array_equal(painted(runs[owners == number], size), mask)
    order = [(top, left) for left, top, _, _ in found.rectangles.tolist()]
    assert order == sorted(order)


@given(SHAPES, st.sampled_from([1, 40]))
def test_the_rectangles_do_not_depend_on_the_bands(shapes, few):
    whole = fill_shapes(shapes, (30, 30)).rectangles
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(filling, "_BAND_CROSSINGS", few)
        assert np.array_equal(fill_shapes(shapes, (30, 30)).rectangles, whole)


def test_rectangles_along_pixels_have_their_exact_area():
    boxes = [box(3, 4, 40, 50), box(20, 10, 70, 30), box(60, 60, 61, 61)]
    shapes = [[np.array(each.exterior.coords[:-1])] for each in boxes]
    found = fill_shapes(shapes, (100, 100))
    left, top, right, bottom = found.rectangles.T.astype(int)
    assert ((right - left) * (bottom - top)).sum() == union_all(boxes).area
    assert found.areas.tolist() == [each.area for each in boxes]


def test_a_large_outline_differs_from_its_exact_area_by_less_than_its_edge():
    angles = np.linspace(0, 2 * np.pi, 500, endpoint=False)
    ring = 2000 + 1500 * np.stack([np.cos(angles), np.sin(angles)], axis=1)
    hole = 2000 + 300 * np.stack([np.cos(angles), np.sin(angles)], axis=1)
    exact = Polygon(ring, [hole])
    (area,) = fill_shapes([[ring, hole]], (4000, 4000)).areas.tolist()
    assert abs(area - exact.area) < exact.length / 10


def test_neighbours_share_no_pixel_and_leave_none():
    edge = np.array([(20.3, 0.0), (22.7, 11.0), (18.2, 30.0)])
    left = np.concatenate([edge, [(0, 30), (0, 0)]])
    right = np.concatenate([edge, [(40, 30), (40, 0)]])
    parts = [fill_shapes([[each]], (40, 30)).rectangles for each in (left, right)]
    assert (sum(painted(each, (40, 30)) for each in parts) == 1).all()


def test_more_than_can_be_filled_is_refused(monkeypatch):
    square = np.array([(0.0, 0.0), (10, 0), (10, 10), (0, 10)])
    monkeypatch.setattr(filling, "LARGEST_CROSSING_COUNT", 19)
    with pytest.raises(TooManyPixelsError, match="they cross 20 rows of pixels, more than 19"):
        fill_shapes([[square]], (20, 20))
    monkeypatch.undo()
    monkeypatch.setattr(filling, "LARGEST_RECTANGLE_COUNT", 1)
    with pytest.raises(TooManyPixelsError, match="more than 1 rectangles"):
        fill_shapes([[square], [square + 15]], (30, 30))


def test_nothing_is_filled_with_nothing():
    assert fill_shapes([], (5, 5)).rectangles.shape == (0, 4)
    assert fill_shapes([[np.array([(9.0, 9), (12, 9), (9, 12)])]], (5, 5)).areas.tolist() == [0]

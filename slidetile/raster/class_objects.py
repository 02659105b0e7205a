"""The single shapes that classes are made of, and how much of each lies in the cells of a grid.

Knows rectangles of pixels. Does not know annotations, nor why cells are wanted.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from slidetile.raster.filling import Rectangles
from slidetile.raster.grid import TileGrid
from slidetile.raster.rectangles import RectangleSums

Runs = tuple[Rectangles, NDArray[np.intp]]
"""Disjoint rectangles, and for each the place of its shape among those asked for."""

Cells = NDArray[np.int64]
"""int64 [cell, (row, column)] of a grid."""

_MOST_PARTS = 1 << 18
"""Parts of rectangles, one for each cell that they may meet, at a time: some 30 MB."""


class CellPixels(NamedTuple):
    """What shapes have in the cells of a grid: an element for each cell that one has pixels in."""

    shape: NDArray[np.intp]
    """The place of the shape."""

    cells: Cells
    """The cell."""

    pixels: NDArray[np.int64]
    """The shape's pixels in it."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ClassObjects:
    """The shapes that were drawn, each by itself, one element each."""

    class_of: NDArray[np.int32]
    """The place of its class in `ClassAreas.names`."""

    areas: NDArray[np.int64]
    """Its pixels."""

    bounds: Rectangles
    """A rectangle around its pixels, [shape, (left, top, right, bottom)]."""

    runs: Callable[[NDArray[np.intp]], Runs]
    """Called with places of shapes, it returns their pixels."""

    def in_cells(self, chosen: NDArray[np.intp], grid: TileGrid) -> Iterator[CellPixels]:
        """Yield what chosen shapes have in each cell, those of a shape together.

        A shape that has no pixel in any cell is not among them.
        """
        spans = Spans.of(self.bounds[chosen], grid)
        edges = grid.edges(spans.columns[:, 0], spans.rows[:, 0])
        bounds = self.bounds[chosen]
        is_inside = (bounds[:, :2] >= edges[:, :2]) & (bounds[:, 2:] <= edges[:, 2:])
        is_lone = (spans.counts == 1) & is_inside.all(axis=1) & (self.areas[chosen] > 0)
        lone = chosen[is_lone]
        yield CellPixels(lone, spans.first_cells[is_lone], self.areas[lone])
        is_split = (spans.counts > 0) & ~is_lone
        several, parts = chosen[is_split], spans.counts[is_split]
        heights = (self.bounds[several, 3] - self.bounds[several, 1]).astype(np.int64)
        for batch in _batches(parts * heights):
            yield self._split(several[batch], grid, is_large=_is_large(batch, parts * heights))

    def _split(self, places: NDArray[np.intp], grid: TileGrid, *, is_large: bool) -> CellPixels:
        rectangles, owner = self.runs(places)
        if is_large:
            cells, pixels = _summed(rectangles, grid)
            return CellPixels(np.repeat(places, len(cells)), cells, pixels)
        return _counted(rectangles, places[owner], grid)


def fullest(found: CellPixels) -> tuple[NDArray[np.intp], Cells]:
    """Return shapes, each once, and the cell that holds most of each.

    Of several that hold as much, the first by row and column.
    """
    shape, cells, pixels = found
    order = np.lexsort((cells[:, 1], cells[:, 0], -pixels, shape))
    shapes, first = np.unique(shape[order], return_index=True)
    return shapes, cells[order[first]]


def cells_with(points: NDArray[np.int32], grid: TileGrid) -> Cells:
    """Return the first cell of a grid that holds each point; points in no cell are left out."""
    spans = Spans.of(np.concatenate([points, points + 1], axis=1), grid)
    return spans.first_cells[spans.counts > 0]


class Spans(NamedTuple):
    """The cells that rectangles meet: of each the first row or column, and that behind the last."""

    rows: NDArray[np.int64]
    """[rectangle, (first, behind the last)]."""

    columns: NDArray[np.int64]
    """[rectangle, (first, behind the last)]."""

    @classmethod
    def of(cls, rectangles: Rectangles, grid: TileGrid) -> "Spans":
        """Return the cells that rectangles meet."""
        across = grid.lefts(np.arange(grid.columns))
        down = grid.tops(np.arange(grid.rows))
        left, top, right, bottom = rectangles.T.astype(np.int64)
        rows, columns = (
            np.stack(
                [np.searchsorted(starts + grid.size, low, "right"), np.searchsorted(starts, high)],
                axis=1,
            )
            for starts, low, high in ((down, top, bottom), (across, left, right))
        )
        return cls(rows, columns)

    @property
    def wide(self) -> NDArray[np.int64]:
        """Columns of cells of each rectangle."""
        wide: NDArray[np.int64] = np.maximum(self.columns[:, 1] - self.columns[:, 0], 0)
        return wide

    @property
    def counts(self) -> NDArray[np.int64]:
        """Cells of each rectangle."""
        high: NDArray[np.int64] = np.maximum(self.rows[:, 1] - self.rows[:, 0], 0)
        return high * self.wide

    @property
    def first_cells(self) -> Cells:
        """The first cell of each rectangle."""
        return np.stack([self.rows[:, 0], self.columns[:, 0]], axis=1)


def _batches(weights: NDArray[np.int64]) -> Iterator[slice]:
    """Yield parts of a sequence that weigh `_MOST_PARTS` at most; what weighs more is alone."""
    up_to, first = np.cumsum(weights), 0
    while first < len(weights):
        done = int(up_to[first - 1]) if first else 0
        last = max(first + 1, int(np.searchsorted(up_to, done + _MOST_PARTS, "right")))
        yield slice(first, last)
        first = last


def _is_large(batch: slice, weights: NDArray[np.int64]) -> bool:
    return int(weights[batch].sum()) > _MOST_PARTS


def _counted(rectangles: Rectangles, owner: NDArray[np.intp], grid: TileGrid) -> CellPixels:
    """Return what the shapes of rectangles have in each cell, part by part."""
    spans = Spans.of(rectangles, grid)
    counts, wide = spans.counts, np.maximum(spans.wide, 1)
    run = np.repeat(np.arange(len(rectangles)), counts)
    number = np.arange(len(run)) - np.repeat(np.cumsum(counts) - counts, counts)
    row = spans.rows[run, 0] + number // wide[run]
    column = spans.columns[run, 0] + number % wide[run]
    left, top, right, bottom = rectangles[run].T.astype(np.int64)
    x, y = grid.lefts(column), grid.tops(row)
    shared = (np.minimum(right, x + grid.size) - np.maximum(left, x)) * (
        np.minimum(bottom, y + grid.size) - np.maximum(top, y)
    )
    count = grid.rows * grid.columns
    keys = owner[run] * count + row * grid.columns + column  # one number, which sorts faster
    order = np.argsort(keys, kind="stable")
    keys, first = np.unique(keys[order], return_index=True)
    pixels = np.add.reduceat(shared[order], first) if len(first) else shared
    shape, cell = np.divmod(keys, max(1, count))
    return CellPixels(shape, np.stack(np.divmod(cell, max(1, grid.columns)), axis=1), pixels)


def _summed(rectangles: Rectangles, grid: TileGrid) -> tuple[Cells, NDArray[np.int64]]:
    """Return the cells in which one large shape has pixels, and how many."""
    spans, sums = Spans.of(rectangles, grid), RectangleSums(rectangles)
    columns = np.arange(spans.columns[:, 0].min(initial=0), spans.columns[:, 1].max(initial=0))
    rows = np.arange(spans.rows[:, 0].min(initial=0), spans.rows[:, 1].max(initial=0))
    step = max(1, _MOST_PARTS // max(1, len(columns)))
    found = [(np.empty((0, 2), np.int64), np.empty(0, np.int64))]
    for first in range(0, len(rows), step):
        band = rows[first : first + step]
        cells = np.stack([np.repeat(band, len(columns)), np.tile(columns, len(band))], axis=1)
        pixels = sums.within(grid.edges(cells[:, 1], cells[:, 0]))
        found.append((cells[pixels > 0], pixels[pixels > 0]))
    return np.concatenate([each for each, _ in found]), np.concatenate([each for _, each in found])

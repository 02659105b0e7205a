"""The single shapes that classes are made of, and the cells that hold most of each.

Knows rectangles of pixels. Does not know annotations, nor why cells are wanted.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from slidetile.raster.filling import Rectangles
from slidetile.raster.grid import TileGrid

Runs = tuple[Rectangles, NDArray[np.intp]]
"""Disjoint rectangles, and for each the place of its shape among those asked for."""

Cells = NDArray[np.int64]
"""int64 [cell, (row, column)] of a grid."""

_AT_ONCE = 1 << 12
"""Shapes over several cells that are looked at together."""


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

    def main_cells(self, chosen: NDArray[np.intp], grid: TileGrid) -> Cells:
        """Return for each chosen shape the cell of a grid that holds most of it.

        Of several that hold as much, the first by row and column. Shapes in no cell are left out.
        """
        (first_row, last_row), (first_column, last_column) = _spans(self.bounds[chosen], grid)
        counts = (last_row - first_row) * (last_column - first_column)
        lone = counts == 1
        found = [np.stack([first_row[lone], first_column[lone]], axis=1)]
        several = chosen[counts > 1]
        parts = (several[n : n + _AT_ONCE] for n in range(0, len(several), _AT_ONCE))
        found += [_fullest(self.runs(part), grid) for part in parts]
        return np.concatenate(found)


def cells_with(points: NDArray[np.int32], grid: TileGrid) -> Cells:
    """Return the first cell of a grid that holds each point; points in no cell are left out."""
    (first_row, last_row), (first_column, last_column) = _spans(
        np.concatenate([points, points + 1], axis=1), grid
    )
    is_held = (last_row > first_row) & (last_column > first_column)
    return np.stack([first_row[is_held], first_column[is_held]], axis=1)


Span = tuple[NDArray[np.int64], NDArray[np.int64]]


def _spans(rectangles: Rectangles, grid: TileGrid) -> tuple[Span, Span]:
    """Return the first row and column of cells that rectangles meet, and those behind the last."""
    across = grid.lefts(np.arange(grid.columns))
    down = grid.tops(np.arange(grid.rows))
    left, top, right, bottom = rectangles.T.astype(np.int64)
    rows, columns = (
        (np.searchsorted(starts + grid.size, low, "right"), np.searchsorted(starts, high))
        for starts, low, high in ((down, top, bottom), (across, left, right))
    )
    return rows, columns


def _fullest(runs: Runs, grid: TileGrid) -> Cells:
    """Return for each shape of runs the cell that holds most of it."""
    rectangles, owner = runs
    (first_row, last_row), (first_column, last_column) = _spans(rectangles, grid)
    wide = np.maximum(last_column - first_column, 0)
    counts = np.maximum(last_row - first_row, 0) * wide
    run = np.repeat(np.arange(len(rectangles)), counts)
    number = np.arange(len(run)) - np.repeat(np.cumsum(counts) - counts, counts)
    row = first_row[run] + number // np.maximum(wide[run], 1)
    column = first_column[run] + number % np.maximum(wide[run], 1)
    left, top, right, bottom = rectangles[run].T.astype(np.int64)
    x, y = grid.lefts(column), grid.tops(row)
    shared = (np.minimum(right, x + grid.size) - np.maximum(left, x)) * (
        np.minimum(bottom, y + grid.size) - np.maximum(top, y)
    )
    keys, place = np.unique(np.stack([owner[run], row, column], 1), axis=0, return_inverse=True)
    pixels = np.zeros(len(keys), np.int64)
    np.add.at(pixels, place.reshape(-1), shared)
    order = np.lexsort((keys[:, 2], keys[:, 1], -pixels, keys[:, 0]))
    _, first = np.unique(keys[order, 0], return_index=True)
    return keys[order][first, 1:]

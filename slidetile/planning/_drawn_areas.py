"""Which cells are kept so that no area that somebody drew is lost to a tile's minimum.

Knows shapes, tile grids and which cells hold enough tissue. Does not know which tiles are wanted.
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from slidetile.planning._class_shares import ClassShares
from slidetile.raster.class_objects import Cells, ClassObjects, Spans, fullest
from slidetile.raster.grid import TileGrid
from slidetile.raster.masks import Mask

Shapes = NDArray[np.intp]
"""Places of shapes in `ClassObjects`."""


class KeptAreas(NamedTuple):
    """What becomes of the areas of which no tile with enough tissue holds enough."""

    cells: Cells
    """The cell that holds most of each that keeps one."""

    on_glass: int
    """Those that are as large as a tile or larger, and lie in no tile with enough tissue."""

    beyond: int
    """Those in no tile at all: they lie behind the last whole one."""

    without_pixel: int
    """Those that hold the centre of no pixel of the slide."""

    areas: int
    """All that were looked at, with those of which a tile holds enough."""


def kept_areas(
    objects: ClassObjects,
    grid: TileGrid,
    least: Mapping[int, float],
    with_tissue: Mask,
    shares: ClassShares,
) -> KeptAreas:
    """Return the cells that are kept for single areas.

    An area keeps the cell with most of it where no cell with enough tissue holds enough of it, be
    it small, thin, over the corner of several cells or where no tissue was found; but for one as
    large as a cell, and only where no cell with enough tissue has any of it.

    Parameters
    ----------
    objects
        The areas.
    grid
        The tile grid.
    least
        The classes that are looked at, and which share of a cell is enough of each.
    with_tissue
        The cells with enough tissue.
    shares
        What cells have of each class.
    """
    enough = np.full(int(objects.class_of.max(initial=-1)) + 1, np.inf)
    for place, share in least.items():
        enough[place : place + 1] = share
    is_asked = np.isfinite(enough[objects.class_of])
    count = int(np.count_nonzero(is_asked))
    wanted = np.flatnonzero(is_asked & (objects.areas > 0))
    without_pixel = count - len(wanted)
    for place, share in least.items():
        own = wanted[objects.class_of[wanted] == place]
        held = own[_held_alone(objects, own, grid, with_tissue, (place, share), shares)]
        wanted = np.setdiff1d(wanted, held, assume_unique=True)
    state = np.full(len(objects.areas), _NOWHERE, np.int8)
    kept = [np.empty((0, 2), np.int64)]
    for found in objects.in_cells(wanted, grid):
        rows, columns = found.cells.T
        left, top, right, bottom = grid.edges(columns, rows).T
        is_tissue = with_tissue[rows, columns]
        share = found.pixels / ((right - left) * (bottom - top))
        is_enough = share >= enough[objects.class_of[found.shape]]
        state[found.shape] = np.where(objects.areas[found.shape] < grid.size**2, _KEPT, _ON_GLASS)
        state[found.shape[is_tissue]] = _KEPT
        state[found.shape[is_tissue & is_enough]] = _HELD
        shapes, cells = fullest(found)
        kept.append(cells[state[shapes] == _KEPT])
    told = np.bincount(state[wanted], minlength=_NOWHERE + 1)
    return KeptAreas(
        cells=np.concatenate(kept),
        on_glass=int(told[_ON_GLASS]),
        beyond=int(told[_NOWHERE]),
        without_pixel=without_pixel,
        areas=count,
    )


_HELD, _KEPT, _ON_GLASS, _NOWHERE = range(4)


def _held_alone(
    objects: ClassObjects,
    own: Shapes,
    grid: TileGrid,
    with_tissue: Mask,
    least: tuple[int, float],
    shares: ClassShares,
) -> Mask:
    """Return which shapes of a class have a cell with enough of them that no other comes near.

    What such a cell has of the class is the shape's: so most large shapes need not be counted cell
    by cell.
    """
    place, share = least
    spans = Spans.of(objects.bounds[own], grid)
    is_large = (spans.counts > 1) & (objects.areas[own] >= share * grid.size**2)
    if not is_large.any():
        return is_large
    first, last = spans.first_cells, np.stack([spans.rows[:, 1], spans.columns[:, 1]], axis=1)
    is_there = spans.counts > 0
    near = _painted_over(first[is_there], last[is_there], with_tissue.shape)
    rows, columns = np.nonzero((near == 1) & with_tissue)
    enough = shares.of(columns, rows)[:, place] >= share
    summed = np.zeros(np.add(with_tissue.shape, 1), np.int32)
    summed[rows[enough] + 1, columns[enough] + 1] = 1
    summed = summed.cumsum(axis=0, dtype=np.int32).cumsum(axis=1, dtype=np.int32)
    (top, left), (bottom, right) = first.T, last.T
    inside = summed[bottom, right] - summed[top, right] - summed[bottom, left] + summed[top, left]
    held: Mask = is_large & (inside > 0)
    return held


def _painted_over(first: Cells, last: Cells, shape: tuple[int, ...]) -> NDArray[np.int32]:
    """Return how many of several rectangles of cells each cell lies in."""
    steps = np.zeros(np.add(shape, 1), np.int32)
    (top, left), (bottom, right) = first.T, last.T
    for rows, columns, step in (
        *((top, left, 1), (bottom, left, -1)),
        *((top, right, -1), (bottom, right, 1)),
    ):
        np.add.at(steps, (rows, columns), step)
    counts: NDArray[np.int32] = steps.cumsum(axis=0, dtype=np.int32)
    counts = counts.cumsum(axis=1, dtype=np.int32)
    return counts[:-1, :-1]

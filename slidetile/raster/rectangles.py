"""How much of many rectangles lies within many others, in whole numbers and flat memory.

Knows rectangles of pixels. Does not know what they show.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from slidetile.raster.filling import Rectangles

Edges = NDArray[np.int64]
"""int64 [region, (left, top, right, bottom)], right and bottom exclusive."""

_TALLEST_PX = 256
"""Taller rectangles are cut, so that the few over some rows are found by their top edge."""

_MOST_CELLS = 1 << 15
"""Corners of a mesh at a time: four sums of 8 bytes each stay in the processor's cache."""

_MOST_REGIONS = 1 << 13


class RectangleSums:
    """Sums of pixels of rectangles, for any number of regions at once.

    Parameters
    ----------
    rectangles
        The rectangles; where they overlap, a pixel counts as often as it is in one.
    """

    def __init__(self, rectangles: Rectangles) -> None:
        cut = _cut(rectangles)
        self._rectangles = cut[np.argsort(cut[:, 1], kind="stable")]
        self._tops = self._rectangles[:, 1].copy()  # in one piece, which is searched

    def within(self, regions: Edges) -> NDArray[np.int64]:
        """Return how many pixels of rectangles lie within each region."""
        sums = np.zeros(len(regions), np.int64)
        if not len(self._rectangles):
            return sums
        for places in _batches(regions):
            batch = regions[places]
            sums[places] = _sums(self._near(batch), batch)
        return sums

    def _near(self, regions: Edges) -> Edges:
        """Return the rectangles that may meet regions."""
        left, top = regions[:, :2].min(axis=0)
        right, bottom = regions[:, 2:].max(axis=0)
        rows = np.array((top - _TALLEST_PX + 1, bottom), np.int32)  # of their type: no copy of them
        first, last = np.searchsorted(self._tops, rows)
        near: Edges = self._rectangles[first:last].astype(np.int64)
        meets = (near[:, 3] > top) & (near[:, 2] > left) & (near[:, 0] < right)
        found: Edges = near[meets]
        return found


def _cut(rectangles: Rectangles) -> Rectangles:
    """Cut rectangles into parts that are not too tall."""
    heights = rectangles[:, 3] - rectangles[:, 1]
    counts = -(-heights // _TALLEST_PX)
    if not (counts > 1).any():
        return rectangles
    parts = np.repeat(rectangles, counts, axis=0)
    number = np.arange(len(parts)) - np.repeat(np.cumsum(counts) - counts, counts)
    parts[:, 1] += (number * _TALLEST_PX).astype(np.int32)
    parts[:, 3] = np.minimum(parts[:, 3], parts[:, 1] + _TALLEST_PX)
    return parts


def _batches(regions: Edges) -> Iterator[NDArray[np.intp]]:
    """Yield regions from the top, in batches whose edges make a mesh of some size at most."""
    order = np.argsort(regions[:, 1], kind="stable")
    bottoms = np.maximum.accumulate(regions[order, 3])
    # Where rows of regions lie below each other, each makes a small mesh of its own.
    apart = np.flatnonzero(regions[order[1:], 1] >= bottoms[:-1]) + 1
    first, count = 0, _MOST_REGIONS
    while first < len(order):
        after = int(np.searchsorted(apart, first, "right"))
        last = int(apart[after]) if after < len(apart) else len(order)
        last = min(last, first + 2 * count)
        while _mesh_size(regions[order[first:last]]) > _MOST_CELLS and last - first > 1:
            last = first + (last - first + 1) // 2
        count = last - first
        yield order[first:last]
        first = last


def _mesh_size(regions: Edges) -> int:
    across, down = (len(np.unique(regions[:, side])) for side in ([0, 2], [1, 3]))
    return across * down


def _sums(rectangles: Edges, regions: Edges) -> NDArray[np.int64]:
    """Return how many pixels of rectangles lie within regions.

    The pixels above and left of a corner (X, Y) are, summed over the four corners (x, y) of each
    rectangle that lie so, ±(X − x)(Y − y) = ±(XY − xY − yX + xy): four sums, which are added up
    over the mesh of all edges of the regions.
    """
    columns, rows = (np.unique(regions[:, side]) for side in ([0, 2], [1, 3]))
    sums = np.zeros((4, len(rows) + 1, len(columns) + 1), np.int64)
    for x_side, y_side, sign in ((0, 1, 1), (2, 1, -1), (0, 3, -1), (2, 3, 1)):
        x, y = rectangles[:, x_side], rectangles[:, y_side]
        at = np.searchsorted(rows, y), np.searchsorted(columns, x)
        for total, values in zip(sums, (np.ones_like(x), x, y, x * y), strict=True):
            np.add.at(total, at, sign * values)
    summed: Edges = sums.cumsum(axis=1).cumsum(axis=2)[:, :-1, :-1]
    ones, xs, ys, xys = summed
    down: Edges = rows[:, np.newaxis]
    across: Edges = columns[np.newaxis, :]
    mesh: Edges = down * across * ones - down * xs - across * ys + xys
    left, right = (np.searchsorted(columns, regions[:, side]) for side in (0, 2))
    top, bottom = (np.searchsorted(rows, regions[:, side]) for side in (1, 3))
    found: NDArray[np.int64] = (
        mesh[bottom, right] - mesh[bottom, left] - mesh[top, right] + mesh[top, left]
    )
    return found

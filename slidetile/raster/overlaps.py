"""Whether any of many rectangles meets another one, row by row or by sums.

Knows rectangles of pixels. Does not know what they show.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from slidetile.raster.filling import Rectangles
from slidetile.raster.rectangles import RectangleSums

_MOST_RUNS = 1 << 26
"""Of rectangles that have more rows together, pixels are summed: slower, but whatever they are."""

_BAND_RUNS = 1 << 20


def first_overlap(rectangles: Rectangles) -> int | None:
    """Return the place of a rectangle that meets another one; None where all are disjoint."""
    heights = (rectangles[:, 3] - rectangles[:, 1]).astype(np.int64)
    if heights.sum() > _MOST_RUNS:
        return _summed(rectangles)
    found = (_in_rows(rectangles, top, bottom) for top, bottom in _bands(rectangles))
    return next((place for place in found if place is not None), None)


def _summed(rectangles: Rectangles) -> int | None:
    edges = rectangles.astype(np.int64)
    own = (edges[:, 2] - edges[:, 0]) * (edges[:, 3] - edges[:, 1])
    meets = np.flatnonzero(RectangleSums(rectangles).within(edges) > own)
    return int(meets[0]) if len(meets) else None


def _bands(rectangles: Rectangles) -> Iterator[tuple[int, int]]:
    """Yield bands of rows in which rectangles have about so many, from the top."""
    height = int(rectangles[:, 3].max(initial=0))
    steps: NDArray[np.int64] = np.zeros(height + 1, np.int64)
    np.add.at(steps, rectangles[:, 1], 1)
    np.add.at(steps, rectangles[:, 3], -1)
    up_to = steps.cumsum()[:-1].cumsum()
    top = 0
    while top < height:
        done = int(up_to[top - 1]) if top else 0
        bottom = max(top + 1, int(np.searchsorted(up_to, done + _BAND_RUNS, "right")))
        yield top, bottom
        top = bottom


def _in_rows(rectangles: Rectangles, top: int, bottom: int) -> int | None:
    """Return a rectangle that meets another one in some rows."""
    places = np.flatnonzero((rectangles[:, 1] < bottom) & (rectangles[:, 3] > top))
    left, first, right, last = rectangles[places].T.astype(np.int64)
    first, last = np.maximum(first, top), np.minimum(last, bottom)
    counts = last - first
    run = np.repeat(np.arange(len(places)), counts)
    row = first[run] + np.arange(len(run)) - np.repeat(np.cumsum(counts) - counts, counts)
    order = np.argsort(row << 32 | left[run], kind="stable")
    run, row = run[order], row[order]
    meets = (row[1:] == row[:-1]) & (left[run[1:]] < right[run[:-1]])
    found = places[run[:-1][meets]]
    return int(found.min()) if len(found) else None

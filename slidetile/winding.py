"""Which pixels of a grid lie inside a ring: its winding numbers at the pixels' centres.

Knows rings and rows of numbers. Does not know slides, files or what a ring stands for.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

LARGEST_BATCH = 1 << 20
"""Crossings of rings and rows that are worked out at once."""


def winding_numbers(
    ring: NDArray[np.float64], x: NDArray[np.float64], y: NDArray[np.float64]
) -> NDArray[np.int32]:
    """Return how often a ring goes around each point of a grid.

    A row of the grid is walked from left to right: every edge of the ring that is crossed
    downward adds one, every edge crossed upward takes one away (Sunday 2001, "Inclusion of a
    point in a polygon"). A ring owns the points on its left and upper edges, so two rings that
    share an edge never share a point.

    Parameters
    ----------
    ring
        float64 [corner, (x, y)]; the last corner is joined to the first.
    x, y
        Columns and rows of the grid, ascending.

    Returns
    -------
    int32 array [row, column]
        0 is outside; 1 or -1 inside, by the ring's direction; anything else is where it overlaps
        itself.
    """
    steps = np.zeros((len(y), len(x) + 1), np.int32)
    for row, column, step in _crossings(ring, x, y):
        np.add.at(steps, (row, column), step)
    return np.cumsum(steps, axis=1, dtype=np.int32, out=steps)[:, :-1]


def crossing_count(ring: NDArray[np.float64], y: NDArray[np.float64]) -> int:
    """Return how often a ring crosses the rows of a grid, which is what `winding_numbers` costs."""
    first, last = _rows_crossed(ring, y)
    return int((last - first).sum())


def _crossings(
    ring: NDArray[np.float64], x: NDArray[np.float64], y: NDArray[np.float64]
) -> Iterator[tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.int32]]]:
    """Yield batches of (row, first column to the right, +1 or -1)."""
    first, last = _rows_crossed(ring, y)
    edges = np.flatnonzero(last > first)
    ends = np.cumsum((last - first)[edges])
    begin = 0
    while begin < len(edges):
        done = ends[begin - 1] if begin else 0
        stop = max(begin + 1, int(np.searchsorted(ends, done + LARGEST_BATCH, side="right")))
        batch = edges[begin:stop]
        counts = (last - first)[batch]
        before = np.cumsum(counts) - counts
        edge = np.repeat(batch, counts)
        row = np.arange(counts.sum()) + np.repeat(first[batch] - before, counts)
        (x0, y0), (x1, y1) = ring[edge].T, ring[(edge + 1) % len(ring)].T
        at = x0 + (y[row] - y0) * ((x1 - x0) / (y1 - y0))
        yield row, np.searchsorted(x, at), np.where(y1 > y0, 1, -1).astype(np.int32)
        begin = stop


def _rows_crossed(
    ring: NDArray[np.float64], y: NDArray[np.float64]
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return the first row each edge crosses, and the first it does not any more."""
    here = ring[:, 1]
    there = np.roll(here, -1)
    return np.searchsorted(y, np.minimum(here, there)), np.searchsorted(y, np.maximum(here, there))

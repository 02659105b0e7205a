"""The outlines of a mask's pieces, exactly along its pixels' edges.

Knows masks. Does not know slides, scales or files.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from slidetile.raster.masks import Labels, number_pieces

Ring = NDArray[np.int64]
"""int64 [corner, (x, y)] on the grid of pixel corners, not closed: pixel (0, 0) has its corners
at (0, 0), (1, 0), (1, 1) and (0, 1)."""


def trace_outlines(mask: NDArray[np.bool_]) -> list[list[Ring]]:
    """Return the polygons that a mask's pixels make.

    Pixels that share an edge make one polygon; those that touch by a corner only make two, and
    where a hole touches the outside by a corner it stays a hole. So no ring ever meets itself,
    and polygons are valid in the sense of OGC Simple Features. Outlines go clockwise as seen on
    the screen, holes the other way, as RFC 7946 wants it of a y axis that points down.

    Parameters
    ----------
    mask
        bool [row, column].

    Returns
    -------
    list of polygons
        Each a list of rings, its outline first, then its holes, in the order of their first
        pixels, row by row.
    """
    pieces = number_pieces(mask, corners=False)
    polygons: list[list[Ring]] = [[] for _ in range(int(pieces.max(initial=0)))]
    width = mask.shape[1] + 1
    start, heading, piece = _edges(pieces, width)
    following = _following(start, heading, piece, width).tolist()
    seen = bytearray(len(start))
    for first in range(len(start)):
        if seen[first]:
            continue
        ring = []
        edge = first
        while not seen[edge]:
            seen[edge] = 1
            ring.append(edge)
            edge = following[edge]
        polygons[piece[first] - 1].append(_corners(np.array(ring), start, heading, width))
    return polygons


def _edges(pieces: Labels, width: int) -> tuple[NDArray[np.int64], NDArray[np.int8], Labels]:
    """Return all edges between a piece and its surroundings, with the piece on their right.

    As three arrays: the number of the corner an edge begins at (row by row, so the first edge of
    a piece is one of its outline), its heading, and its piece.
    """
    around = np.pad(pieces, 1)
    inside = around[1:-1, 1:-1]
    sides = [
        (0, (0, 0), around[:-2, 1:-1]),  # along the top, to the right
        (1, (0, 1), around[1:-1, 2:]),  # along the right side, down
        (2, (1, 1), around[2:, 1:-1]),  # along the bottom, to the left
        (3, (1, 0), around[1:-1, :-2]),  # along the left side, up
    ]
    starts, headings, owners = [], [], []
    for heading, (down, across), beside in sides:
        row, column = np.nonzero((inside != 0) & (beside == 0))
        starts.append((row + down) * width + column + across)
        headings.append(np.full(len(row), heading, np.int8))
        owners.append(inside[row, column])
    start, heading_of = np.concatenate(starts), np.concatenate(headings)
    order = np.lexsort((heading_of, start))
    return start[order], heading_of[order], np.concatenate(owners)[order]


def _following(
    start: NDArray[np.int64], heading: NDArray[np.int8], piece: Labels, width: int
) -> NDArray[np.intp]:
    """Return the number of the edge that follows each edge on its ring.

    Where two pixels touch by a corner, two edges begin at it. One belongs to the other piece; or
    both to the same, and then the ring turns left, so that it stays beside the same hole.
    """
    step = np.array([1, width, -1, -width])
    end = start + step[heading]
    following: NDArray[np.intp] = np.searchsorted(start, end)
    second = np.minimum(following + 1, len(start) - 1)
    is_corner = (following < second) & (start[second] == end)
    left = (heading + 3) % 4
    same = piece[following] == piece[second]
    other = np.where(same, heading[second] == left, piece[second] == piece)
    following[is_corner & other] = second[is_corner & other]
    return following


def _corners(
    ring: NDArray[np.int64], start: NDArray[np.int64], heading: NDArray[np.int8], width: int
) -> Ring:
    """Return where a ring turns."""
    headings = heading[ring]
    turning = start[ring[headings != np.roll(headings, 1)]]
    return np.stack([turning % width, turning // width], axis=1)


LARGEST_BATCH = 1 << 20
"""Crossings of rings and rows that are computed at once."""


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
    """Return the first row that each edge crosses, and the row after the last."""
    here = ring[:, 1]
    there = np.roll(here, -1)
    return np.searchsorted(y, np.minimum(here, there)), np.searchsorted(y, np.maximum(here, there))

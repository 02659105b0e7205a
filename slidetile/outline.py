"""The outlines of what a mask holds, exactly along its pixels' edges.

Knows masks. Does not know slides, scales or files.
"""

import numpy as np
from numpy.typing import NDArray

from slidetile.pieces import Labels, number_pieces

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
    """Return all edges between a piece and what is none, the piece at their right hand.

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

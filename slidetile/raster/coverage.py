"""How much of a mask lies within many rectangles, in flat memory.

Knows masks as arrays. Does not know what they show or what the rectangles are.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

BLOCK_SAMPLES = 1 << 19
"""Samples of 8 bytes in memory at once, whatever the size of the mask."""

_STRIP_PX = 256
"""Width of the strips in which the mask is summed."""

_DECIMALS = 9
"""Decimals of a share: the rounding of sums must not show, so a rectangle full of tissue has a
share of 1."""

Edges = NDArray[np.float64]

Span = tuple[NDArray[np.int64] | Edges, NDArray[np.int64] | Edges]
"""Where rectangles begin and end along one axis."""


def covered_share(
    mask: NDArray[np.bool_], scale: tuple[float, float], rows: Span, columns: Span
) -> NDArray[np.float64]:
    """Return the share of every rectangle of a grid that a mask of another scale covers.

    Parameters
    ----------
    mask
        bool [row, column].
    scale
        Pixels per mask pixel, as (x, y).
    rows, columns
        The edges of each row and column of rectangles in those pixels, ascending, all within the
        area that the mask covers.

    Returns
    -------
    float64 array [row of rectangles, column of rectangles]
        From 0 to 1; see `covered_area`.
    """
    lefts, rights = (edges / scale[0] for edges in columns)
    tops, bottoms = (edges / scale[1] for edges in rows)
    areas = (bottoms - tops)[:, np.newaxis] * (rights - lefts)[np.newaxis, :]
    shares = covered_area(mask, tops, bottoms, lefts, rights) / areas
    return np.clip(np.round(shares, _DECIMALS), 0.0, 1.0)


def covered_area(
    mask: NDArray[np.bool_], tops: Edges, bottoms: Edges, lefts: Edges, rights: Edges
) -> NDArray[np.float64]:
    """Return how much of a mask is set within every rectangle of a grid.

    The mask counts as constant within each of its pixels and the edges cut through them: the
    integral image (Crow 1984) is read between its samples, along one axis after the other, so
    that nothing of the mask's size is ever held. Exact where the edges are
    whole numbers.

    Parameters
    ----------
    mask
        bool [row, column].
    tops, bottoms
        The upper and lower edge of each row of rectangles, in mask pixels from its top, ascending
        and within the mask.
    lefts, rights
        The same of each column of rectangles.

    Returns
    -------
    float64 array [row of rectangles, column of rectangles]
        Areas in mask pixels.
    """
    areas = np.empty((len(tops), len(lefts)))
    step = max(1, BLOCK_SAMPLES // (mask.shape[1] + len(lefts)))
    for first in range(0, len(tops), step):
        block = slice(first, first + step)
        top = int(tops[first])
        slab = mask[top : int(np.ceil(bottoms[block][-1]))]
        begins, ends = tops[block] - top, bottoms[block] - top
        by_row = np.empty((len(begins), mask.shape[1]))
        for left in range(0, mask.shape[1], _STRIP_PX):
            strip = slice(left, left + _STRIP_PX)
            by_row[:, strip] = sums_between(slab[:, strip], begins, ends)
        areas[block] = sums_between(by_row.T, lefts, rights).T
    return areas


def sums_between(values: NDArray[Any], starts: Edges, stops: Edges) -> NDArray[np.float64]:
    """Return the sums along the first axis between edges that may cut through values.

    Parameters
    ----------
    values
        [row, column]; each counts as constant along its length of 1.
    starts, stops
        Where each sum begins and ends, from 0 to the number of rows.

    Returns
    -------
    float64 array [sum, column]
    """
    kind = np.int32 if values.dtype == np.bool_ else np.float64
    cumulated = np.zeros((values.shape[0] + 1, values.shape[1]), kind)
    np.cumsum(values, axis=0, dtype=kind, out=cumulated[1:])
    return _at(cumulated, stops) - _at(cumulated, starts)


def _at(cumulated: NDArray[Any], edges: Edges) -> NDArray[np.float64]:
    below = np.clip(edges.astype(np.intp), 0, max(0, len(cumulated) - 2))
    above = np.minimum(below + 1, len(cumulated) - 1)
    share = np.clip(edges - below, 0.0, 1.0)[:, np.newaxis]
    sampled: NDArray[np.float64] = cumulated[below] * (1 - share) + cumulated[above] * share
    return sampled

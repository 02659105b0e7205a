"""The mean, all and any of a square window around every pixel.

Knows arrays. Does not know what they show.

The values are those of scipy.ndimage with its mode "reflect", bit for bit, but loading that takes
longer than all filters of a slide. A window of any side is made of windows of 1, 2, 4, 8 … pixels,
each of which is two of the one before.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

Combine = Callable[[NDArray[Any], NDArray[Any]], NDArray[Any]]
"""Adds, or otherwise combines, two arrays; the order does not matter."""

_CACHED_PX = 1 << 15
"""Pixels averaged at a time: their sums stay in the processor's cache."""


def window_mean(
    values: NDArray[np.generic], side: int, rows: slice = slice(None)
) -> NDArray[np.float32]:
    """Return the mean over a square window around every pixel, down the columns first.

    The image is mirrored at its edges. Sums of integers and of float32 are exact, in float64, so
    mirrored images give mirrored means to the last bit.

    Parameters
    ----------
    values
        Integers or float32 [row, column].
    side
        Side of the window, an odd number of pixels.
    rows
        The rows to return; all are looked at.

    Returns
    -------
    float32 array [row, column]
    """
    half = side // 2
    kind = np.int32 if np.issubdtype(values.dtype, np.integer) else np.float64
    down = _mirrored(len(values), half)
    first, last, _ = rows.indices(len(values))
    mean = np.empty((last - first, values.shape[1]), np.float32)
    step = max(2 * half, _CACHED_PX // values.shape[1])
    for top in range(first, last, step):
        seen = values[down[top : min(top + step, last) + 2 * half]].astype(kind)
        columns = _divided(_over_windows(0, seen, side, np.add), side)
        sums = _over_windows(1, _framed(columns, half), side, np.add)
        mean[top - first : top - first + step] = _divided(sums, side)
    return mean


def all_around(mask: NDArray[np.bool_], side: int) -> NDArray[np.bool_]:
    """Return the pixels around which the whole window is in a mask.

    Beyond the image nothing is looked at.

    Parameters
    ----------
    mask
        bool [row, column].
    side
        Side of the window, an odd number of pixels.
    """
    framed = np.pad(mask, side // 2, constant_values=True)
    down = _over_windows(0, framed, side, np.logical_and)
    return _over_windows(1, down, side, np.logical_and)


def any_around(mask: NDArray[np.bool_], side: int) -> NDArray[np.bool_]:
    """Return the pixels around which any of the window is in a mask; see `all_around`."""
    return ~all_around(~mask, side)


def any_beside(mask: NDArray[np.bool_], reach: int) -> NDArray[np.bool_]:
    """Return the pixels with any of a mask in their row, up to ``reach`` pixels to either side."""
    if reach == 0:
        return mask
    framed = np.pad(mask, ((0, 0), (reach, reach)))
    return _over_windows(1, framed, 2 * reach + 1, np.logical_or)


def _mirrored(length: int, beyond: int) -> NDArray[np.intp]:
    """Return the places along an axis, with those mirrored at its ends before and after them."""
    places = np.arange(-beyond, length + beyond) % (2 * length)
    return np.minimum(places, 2 * length - 1 - places)


def _framed(values: NDArray[np.float32], beyond: int) -> NDArray[np.float64]:
    """Return rows with so many of their pixels mirrored at both ends."""
    width = values.shape[1]
    across, end = _mirrored(width, beyond), beyond + width
    framed = np.empty((len(values), width + 2 * beyond))
    framed[:, beyond:end] = values
    framed[:, :beyond] = values[:, across[:beyond]]
    framed[:, end:] = values[:, across[end:]]
    return framed


def _divided(sums: NDArray[Any], side: int) -> NDArray[np.float32]:
    mean: NDArray[np.float32] = np.empty_like(sums, np.float32)
    np.divide(sums, np.float64(side), out=mean, casting="same_kind")
    return mean


def _over_windows(axis: int, values: NDArray[Any], side: int, combine: Combine) -> NDArray[Any]:
    """Return each ``side`` neighbours along an axis combined; there are as many fewer."""
    count = values.shape[axis] - side + 1
    result, begin, length, spans = None, 0, 1, values
    while True:
        if side & length:
            part = _part(axis, spans, begin, begin + count)
            result = part if result is None else combine(result, part)
            begin += length
        if 2 * length > side:
            return values if result is None else result
        spans = combine(_part(axis, spans, 0, -length), _part(axis, spans, length, None))
        length *= 2


def _part(axis: int, values: NDArray[Any], first: int, stop: int | None) -> NDArray[Any]:
    return values[first:stop] if axis == 0 else values[:, first:stop]

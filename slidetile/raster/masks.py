"""The connected pieces of a mask, numbered and filtered in little memory.

Knows masks. Does not know overviews, nor what a piece shows.
"""

import math

import numpy as np
from numpy.typing import NDArray

from slidetile.raster._runs import Runs, run_count
from slidetile.raster.bands import bands
from slidetile.raster.neighbourhood import any_beside
from slidetile.raster.region import Region

Mask = NDArray[np.bool_]
"""Tissue or not, as [row, column]."""

Labels = NDArray[np.unsignedinteger]
"""The number of the piece a pixel belongs to, 0 for none, as [row, column]."""

_MOST_RUNS = 1 << 18
"""Beyond so many runs, as noise has them, scipy finds pieces in less memory and time. To load it
takes a third of a second, many times as long as to join the few runs that tissue has."""


def number_pieces(mask: Mask, *, corners: bool = True) -> Labels:
    """Number the connected pieces of a mask from 1, in the order of their first pixels.

    Parameters
    ----------
    mask
        bool [row, column].
    corners
        Whether pixels that touch by a corner only are one piece.

    Returns
    -------
    uint8, uint16 or uint32 array [row, column]
        The smallest of these types that holds the number of pieces.
    """
    runs = _runs(mask, corners=corners)
    if runs is None:
        return _numbered_by_scan(mask, corners=corners)
    count = len(runs.sizes)
    return runs.painted(np.arange(1, count + 1, dtype=np.min_scalar_type(count)))


def count_pieces(mask: Mask, *, corners: bool = True) -> int:
    """Return how many connected pieces a mask has; `number_pieces` explains ``corners``."""
    if not mask.any():
        return 0
    runs = _runs(mask, corners=corners)
    if runs is None:
        return int(_numbered_by_scan(mask, corners=corners).max())
    return len(runs.sizes)


def measure_pieces(mask: Mask) -> tuple[Labels, NDArray[np.int64], list[Region]]:
    """Number the pieces of a mask as `number_pieces` does, and measure each.

    Returns
    -------
    labels, pixels, boxes
        The numbers; then, of each piece, how many pixels it has and the smallest rectangle around
        it.
    """
    runs = _runs(mask, corners=True)
    if runs is None:
        labels = _numbered_by_scan(mask, corners=True)
        return labels, count_pixels(labels)[1:], _boxes(labels)
    count = len(runs.sizes)
    numbers = np.arange(1, count + 1, dtype=np.min_scalar_type(count))
    return runs.painted(numbers), runs.sizes, runs.boxes


def _runs(mask: Mask, *, corners: bool) -> Runs | None:
    """Return the connected runs of a mask; None where it has too many."""
    return None if run_count(mask) > _MOST_RUNS else Runs.of(mask, corners=corners)


def _numbered_by_scan(mask: Mask, *, corners: bool) -> Labels:
    """Do what `number_pieces` does, in memory that does not grow with the number of runs."""
    from scipy.ndimage import label

    structure = np.ones((3, 3)) if corners else None
    labels: Labels = np.empty(mask.shape, np.uint16)
    try:
        count = label(mask, structure, output=labels)
    except RuntimeError:  # more pieces than the type holds
        labels = np.empty(mask.shape, np.uint32)
        count = label(mask, structure, output=labels)
    return labels.astype(np.min_scalar_type(count), copy=False)


def _boxes(labels: Labels) -> list[Region]:
    from scipy.ndimage import find_objects

    return [
        Region.from_edges(columns.start, rows.start, columns.stop, rows.stop)
        for rows, columns in find_objects(labels)
    ]


def count_pixels(labels: Labels, where: Mask | None = None) -> NDArray[np.int64]:
    """Return how many pixels, of all or of those in a mask, have the number 0, 1, 2 and so on."""
    counts = np.zeros(int(labels.max(initial=0)) + 1, np.int64)
    for band in bands(labels.shape):
        numbers = labels[band.rows]
        chosen = numbers.ravel() if where is None else numbers[where[band.rows]]
        counts += np.bincount(chosen, minlength=len(counts))
    return counts


def sum_pixels(labels: Labels, values: NDArray[np.int16], *, most: int) -> NDArray[np.int64]:
    """Return the sums of the pixels numbered 1, 2 and so on, each clipped to 0 and ``most``.

    The first, of what has no number, is 0.
    """
    sums = np.zeros(int(labels.max(initial=0)) + 1, np.float64)
    for band in bands(labels.shape):
        numbers = labels[band.rows].ravel()
        places = np.flatnonzero(numbers)  # few: most of a slide is in no piece
        clipped = np.clip(values[band.rows].ravel().take(places), 0, most)
        # Sums of integers below 2⁵³ are exact.
        sums += np.bincount(numbers.take(places), clipped, minlength=len(sums))
    return sums.astype(np.int64)


def painted(labels: Labels, chosen: NDArray[np.bool_]) -> Mask:
    """Return the pixels of the chosen pieces; ``chosen`` begins with piece 1."""
    table = np.concatenate([[False], chosen])
    result = np.empty(labels.shape, np.bool_)
    for band in bands(labels.shape):
        result[band.rows] = table[labels[band.rows]]
    return result


def without_small_pieces(mask: Mask, smallest_px: float, *, corners: bool) -> Mask:
    """Drop connected pieces of fewer pixels; `number_pieces` explains ``corners``."""
    if smallest_px <= 1:
        return mask
    runs = _runs(mask, corners=corners)
    if runs is not None:
        return runs.painted(runs.sizes >= smallest_px)
    labels = _numbered_by_scan(mask, corners=corners)
    return painted(labels, count_pixels(labels)[1:] >= smallest_px)


def with_margin(mask: Mask, margin: float, pixel: tuple[float, float]) -> Mask:
    """Widen a mask by every pixel whose centre is within a distance of one of its pixels'.

    Parameters
    ----------
    mask
        bool [row, column].
    margin
        The distance: the radius of a disk.
    pixel
        Width and height of a pixel, in the same unit.
    """
    rows = min(math.floor(margin / pixel[1]), mask.shape[0])
    if rows < 1 and margin < pixel[0]:
        return mask
    result = np.empty_like(mask)
    for band in bands(mask.shape, rows):
        result[band.rows] = _widened(mask[band.seen], margin, pixel, rows)[band.within]
    return result


def _widened(mask: Mask, margin: float, pixel: tuple[float, float], rows: int) -> Mask:
    """Widen a mask by a disk, of which each row reaches as far to both sides as it is wide."""
    result = np.zeros_like(mask)
    if not mask.any():
        return result
    columns = np.arange(mask.shape[1]) * pixel[0]
    wide, reach = mask, 0
    for down in range(min(rows, len(mask) - 1), -1, -1):  # each row is at least as wide as the last
        distances = np.sqrt((down * pixel[1]) ** 2 + columns**2)
        within = int(np.count_nonzero(distances <= margin)) - 1
        if within < 0:  # rounding: this row is beyond the disk
            continue
        wide, reach = any_beside(wide, within - reach), within
        result[down:] |= wide[: len(mask) - down]
        result[: len(mask) - down] |= wide[down:]
    return result

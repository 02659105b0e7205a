"""The connected pieces of a mask, numbered and filtered in little memory.

Knows masks. Does not know overviews, nor what a piece shows.
"""

import math

import numpy as np
from numpy.typing import NDArray

from slidetile.raster.bands import bands

Mask = NDArray[np.bool_]
"""Tissue or not, as [row, column]."""

Labels = NDArray[np.unsignedinteger]
"""The number of the piece a pixel belongs to, 0 for none, as [row, column]."""


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
    from scipy.ndimage import label

    structure = np.ones((3, 3)) if corners else None
    labels: Labels = np.empty(mask.shape, np.uint16)
    try:
        count = label(mask, structure, output=labels)
    except RuntimeError:  # more pieces than the type holds
        labels = np.empty(mask.shape, np.uint32)
        count = label(mask, structure, output=labels)
    return labels.astype(np.min_scalar_type(count), copy=False)


def count_pixels(labels: Labels, where: Mask | None = None) -> NDArray[np.int64]:
    """Return how many pixels, of all or of those in a mask, have the number 0, 1, 2 and so on."""
    counts = np.zeros(int(labels.max(initial=0)) + 1, np.int64)
    for band in bands(labels.shape):
        numbers = labels[band.rows]
        chosen = numbers.ravel() if where is None else numbers[where[band.rows]]
        counts += np.bincount(chosen, minlength=len(counts))
    return counts


def without_small_pieces(mask: Mask, smallest_px: float, *, corners: bool) -> Mask:
    """Drop connected pieces of fewer pixels; `number_pieces` explains ``corners``."""
    if smallest_px <= 1:
        return mask
    labels = number_pieces(mask, corners=corners)
    large = count_pixels(labels) >= smallest_px
    large[0] = False
    result = np.empty(mask.shape, np.bool_)
    for band in bands(mask.shape):
        result[band.rows] = large[labels[band.rows]]
    return result


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
    from scipy.ndimage import distance_transform_edt

    rows = min(math.floor(margin / pixel[1]), mask.shape[0])
    if rows < 1 and margin < pixel[0]:
        return mask
    result = np.empty_like(mask)
    for band in bands(mask.shape, rows):
        seen = mask[band.seen]
        if seen.any():
            distance = distance_transform_edt(~seen, sampling=pixel[::-1])
            result[band.rows] = distance[band.within] <= margin
        else:
            result[band.rows] = False
    return result

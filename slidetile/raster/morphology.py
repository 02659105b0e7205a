"""Masks narrowed, opened and widened by square windows, in little memory.

Knows masks. Does not know what they show.
"""

import numpy as np

from slidetile.raster.bands import bands
from slidetile.raster.masks import Mask
from slidetile.raster.neighbourhood import all_around, any_around


def narrowed(mask: Mask, side: int) -> Mask:
    """Return the pixels around which a mask fills a window; beyond the image nothing is asked."""
    result = np.empty_like(mask)
    for band in bands(mask.shape, side // 2):
        result[band.rows] = all_around(mask[band.seen], side)[band.within]
    return result


def opened(mask: Mask, side: int, further: int = 0) -> Mask:
    """Return the windows that a mask fills, widened by some pixels, an even number."""
    result = np.zeros_like(mask)
    for band in bands(mask.shape, side + further):
        if mask[band.seen].any():  # a window may widen into a band that it does not touch
            inner = all_around(mask[band.seen], side)
            result[band.rows] = any_around(inner, side + further)[band.within]
    return result


def widened(mask: Mask, side: int) -> Mask:
    """Return a mask, widened by half a window on all sides."""
    result = np.zeros_like(mask)
    for band in bands(mask.shape, side // 2):
        if mask[band.seen].any():
            result[band.rows] = any_around(mask[band.seen], side)[band.within]
    return result

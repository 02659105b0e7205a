"""Which pixels vary more than bare glass does, and how many of them lie around each.

Knows images. Does not know stains, nor what is tissue.

Tissue is made of cells and fibres, and glass is smooth (Bug, Feuerhake & Merhof, "Foreground
extraction for histopathological whole slide imaging", Bildverarbeitung für die Medizin, 2015,
recognise tissue by its texture).
"""

import functools

import numpy as np
from numpy.typing import NDArray

from slidetile.raster.bands import bands
from slidetile.raster.masks import Mask
from slidetile.raster.neighbourhood import window_mean
from slidetile.raster.pixels import Pixels
from slidetile.tissue.absorption import UNIT
from slidetile.tissue.density import Densities
from slidetile.tissue.glass import Shade, near_shade

# Glass varies by noise alone: rarely by over 2.5 times its median. 0.002 is half a grey value.
_NOISE_FACTOR, _LEAST_CHANGE = 2.5, 0.002
_MOST_TEXTURED_GLASS = 25
_LEAST_GLASS = 0.002
"""Of fewer pixels, as a share of all, the noise of glass cannot be told."""


def textured(image: Pixels, shades: list[Shade]) -> Mask:
    """Return the pixels that differ from the mean around them by more than bare glass does."""
    change = np.empty(image.shape[:2], np.int16)
    of_all, of_glass = np.zeros((2, 1 << 15), np.int64)
    for band in bands(image.shape, 1):
        red, green, blue = Densities.of(image[band.seen], shades[0])
        light = (red + 2 * green + blue) / 4
        change[band.rows] = np.rint(np.abs(light - window_mean(light, 3)) * UNIT)[band.within]
        glass = functools.reduce(np.logical_or, [near_shade(image[band.rows], s) for s in shades])
        of_all += np.bincount(change[band.rows].ravel(), minlength=len(of_all))
        of_glass += np.bincount(change[band.rows][glass], minlength=len(of_glass))
    noise = _quantile(of_glass, 0.5)
    if of_glass.sum() < _LEAST_GLASS * of_all.sum():  # a field of tissue: its calmest tenth
        noise = _quantile(of_all, 0.1)
    return change > _NOISE_FACTOR * noise + _LEAST_CHANGE * UNIT


def _quantile(counts: NDArray[np.int64], share: float) -> int:
    """Return the value that a share of those counted do not exceed."""
    return int(np.argmax(counts.cumsum() >= share * counts.sum()))


def percent_around(mask: Mask, side: int) -> NDArray[np.uint8]:
    """Return the percentage of a window around every pixel that is in a mask."""
    percent = np.empty(mask.shape, np.uint8)
    for band in bands(mask.shape, side // 2):
        share = window_mean(mask[band.seen].view(np.uint8), side, band.within)
        percent[band.rows] = np.rint(100 * share)
    return percent


def of_glass(percent: NDArray[np.uint8]) -> int:
    """Return the percentage of glass that looks textured: the lowest tenth, at most 25.

    Compression leaves some texture on glass, but never much.
    """
    counts = np.zeros(101, np.int64)
    for band in bands(percent.shape):
        counts += np.bincount(percent[band.rows].ravel(), minlength=101)
    return min(_quantile(counts, 0.1), _MOST_TEXTURED_GLASS)

"""What the detectors share: planes, windows, the working resolution.

Knows images. Does not know slides, stains or pen.
"""

import numpy as np
from numpy.typing import NDArray

from slidetile.raster.masks import Mask
from slidetile.raster.pixels import Pixels, brightest_channel, darkest_channel

Plane = NDArray[np.float32]
"""One number per pixel, float32 [row, column]."""

Signal = NDArray[np.int16]
"""Evidence for tissue, int16 [row, column], in units of the module that computes it."""

ASSUMED_MPP = 8.0
"""Micrometres per overview pixel, assumed where the slide's mpp is unknown."""

WORKING_MPP = 16.0
SMALLEST_WORKING_SIDE_PX = 512
BRIGHT = 150


def is_dark(image: Pixels) -> bool:
    """Return whether an image has the dark background of fluorescence.

    A brightfield slide has some bright glass, even where most of it is tissue or black padding.
    """
    bright = np.count_nonzero(darkest_channel(image) >= BRIGHT)
    dim = np.count_nonzero(brightest_channel(image) < 100)
    pixels = image.shape[0] * image.shape[1]
    return bool(bright < 0.01 * pixels and dim > 0.5 * pixels)


def working_resolution(image: Pixels, mpp: float | None) -> tuple[int, float]:
    """Return the factor to average an image by before detection, and the µm per averaged pixel.

    16 µm, about two cells, is enough to tell tissue from glass. Small images keep their
    resolution: they have few pixels to lose, and often belong to slides whose mpp is ten times
    too large or too small.
    """
    # Rounded: a value read back from a store's metadata may differ in the last bit.
    mpp = round(mpp, 6) if mpp else ASSUMED_MPP
    factor = max(1, min(round(WORKING_MPP / mpp), max(image.shape[:2]) // SMALLEST_WORKING_SIDE_PX))
    return factor, mpp * factor


def window_px(
    length_um: float, pixel_um: float, shape: tuple[int, ...], *, per_side: int = 32
) -> int:
    """Return a length in pixels, as the side of a window: odd, at least 3.

    The length is at most the image's longest side divided by ``per_side``, so that a wrong mpp
    does not smear the whole image.
    """
    length = min(length_um / pixel_um, max(shape[:2]) / per_side)
    return max(3, int(length / 2) * 2 + 1)


def enlarge(mask: Mask, factor: int, shape: tuple[int, ...]) -> Mask:
    """Repeat every pixel of a mask ``factor`` times along both axes and cut to ``shape``."""
    if factor == 1:
        return mask
    return mask.repeat(factor, axis=0).repeat(factor, axis=1)[: shape[0], : shape[1]]


def require_positive(**values: float) -> None:
    """Raise ValueError if a value is not greater than 0."""
    for name, value in values.items():
        if not value > 0:
            raise ValueError(f"{name} must be greater than 0, but it is {value}.")

"""What detectors share: planes, windows, the working resolution."""

import numpy as np
from numpy.typing import NDArray

from slidetile.raster.masks import Mask
from slidetile.raster.pixels import Pixels, brightest_channel, darkest_channel

Plane = NDArray[np.float32]
"""One number for every pixel, as [row, column]."""

Signal = NDArray[np.int16]
"""How much speaks for tissue, in whole parts of a unit its maker knows, as [row, column]."""

ASSUMED_MPP = 8.0
"""Taken where a slide does not say its resolution."""

WORKING_MPP = 16.0
SMALLEST_WORKING_SIDE_PX = 512
BRIGHT = 150


def is_dark(image: Pixels) -> bool:
    """Return whether an image has the dark background of fluorescence.

    A brightfield slide has bright glass, be most of it tissue or black padding.
    """
    bright = np.count_nonzero(darkest_channel(image) >= BRIGHT)
    dim = np.count_nonzero(brightest_channel(image) < 100)
    pixels = image.shape[0] * image.shape[1]
    return bool(bright < 0.01 * pixels and dim > 0.5 * pixels)


def working_resolution(image: Pixels, mpp: float | None) -> tuple[int, float]:
    """Return the factor to shrink an image by before looking for tissue, and its pixels' µm.

    16 µm, about two cells, is enough to tell tissue from glass. Small images are left alone:
    they have few pixels to lose, and are often slides whose mpp is wrong by a factor of ten.
    """
    mpp = mpp or ASSUMED_MPP
    factor = max(1, min(round(WORKING_MPP / mpp), max(image.shape[:2]) // SMALLEST_WORKING_SIDE_PX))
    return factor, mpp * factor


def window_px(
    length_um: float, pixel_um: float, shape: tuple[int, ...], *, per_side: int = 32
) -> int:
    """Return a length in pixels, as the side of a window: odd, at least 3.

    At most one part in ``per_side`` of the image's longest side, lest a wrong mpp smears it all
    over.
    """
    length = min(length_um / pixel_um, max(shape[:2]) / per_side)
    return max(3, int(length / 2) * 2 + 1)


def window_mean(values: NDArray[np.generic], side: int) -> Plane:
    """Return the mean over a square window around every pixel.

    Sums of float32 and uint8 are exact in the filter's float64, so mirrored images give
    mirrored means to the last bit.
    """
    from scipy.ndimage import uniform_filter

    mean: Plane = uniform_filter(values, side, output=np.float32)
    return mean


def enlarge(mask: Mask, factor: int, shape: tuple[int, ...]) -> Mask:
    """Repeat every pixel of a mask ``factor`` times along both axes and cut to ``shape``."""
    if factor == 1:
        return mask
    return mask.repeat(factor, axis=0).repeat(factor, axis=1)[: shape[0], : shape[1]]


def require_positive(**values: float) -> None:
    """Raise ValueError where a value is not above 0."""
    for name, value in values.items():
        if not value > 0:
            raise ValueError(f"{name} is greater than 0, but this one is {value}.")

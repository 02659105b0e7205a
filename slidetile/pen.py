"""Marker pen on a slide.

Knows optical densities. Does not know slides, files or how tissue is found.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from slidetile.bands import bands
from slidetile.detectors import Plane, window_mean, window_px
from slidetile.glass import Shade
from slidetile.pieces import Mask
from slidetile.pixels import Pixels

STROKE_UM = 100.0
ROUGHNESS_WINDOW_UM = 48.0

# Where the logarithm has no value, that of the darkest grey stands in.
_DENSITY = -np.log(np.maximum(np.arange(256), 1) / 255).astype(np.float32)


class Densities(NamedTuple):
    """Optical densities of an image's three channels, relative to bare glass."""

    red: Plane
    green: Plane
    blue: Plane

    @classmethod
    def of(cls, image: Pixels, glass: Shade) -> "Densities":
        """Apply Beer and Lambert's law to an image, uint8 [row, column, 3]."""
        offsets = np.log(glass / np.float32(255))
        return cls(*(_DENSITY[image[..., i]] + offsets[i] for i in range(3)))


def pen_strokes(image: Pixels, glass: Shade, pixel_um: float) -> Mask:
    """Return marker strokes: wide, dense, smooth, and of a colour no mixture of stains has.

    Haematoxylin's red-to-green ratio is 0.93 and rarely exceeds 1.3; blue and green inks' does.
    Eosin and DAB together let some red be absorbed; red ink absorbs none, and as much blue as
    green. Black ink is dark and grey. A marker wets the glass evenly and lies out of focus,
    while tissue varies from cell to cell, so only a colour beyond doubt suffices without
    smoothness.

    Parameters
    ----------
    image
        uint8 [row, column, 3].
    glass
        The colour of bare glass.
    pixel_um
        Micrometres per pixel.
    """
    strokes = np.zeros(image.shape[:2], np.bool_)
    side = window_px(STROKE_UM, pixel_um, image.shape)
    rough_side = window_px(ROUGHNESS_WINDOW_UM, pixel_um, image.shape)
    for band in bands(image.shape, rough_side // 2 + 1 + side // 2 + side + side // 2):
        densities = Densities.of(image[band.seen], glass)
        if (found := _strokes(densities, side, rough_side)) is not None:
            strokes[band.rows] = found[band.within]
    return strokes


def _strokes(densities: Densities, side: int, rough_side: int) -> Mask | None:
    from scipy.ndimage import maximum_filter

    red, green, blue = densities
    grey = (red + green + blue) / 3
    over = green - np.minimum(red, blue)
    blue_ink = (red > 1.3 * green) & (red > 0.3)
    red_ink = (red < 0.3 * green) & (blue > 0.65 * green) & (green > 0.5)
    black_ink = (grey > 1) & (over < 0.15 * grey)
    if not (blue_ink | red_ink | black_ink).any():
        return None
    rough = _roughness(green, rough_side)
    certain = (red > 1.6 * green) & (red > 0.3)
    core = certain | (blue_ink & (rough < 0.05)) | ((red_ink | black_ink) & (rough < 0.035))
    core = window_mean(core.view(np.uint8), side) > 0.8
    rim = (red > 1.15 * green) & (red > 0.04)
    rim |= (red < 0.35 * green) & (blue > 0.6 * green) & (green > 0.04)
    rim |= (grey > 0.3) & (over < 0.2 * grey)
    stroke = core | (maximum_filter(core, 2 * side + 1) & rim)
    # Chroma subsampling spreads a stroke's colour a little further than its darkness.
    return np.asarray(maximum_filter(stroke, side), np.bool_)


def _roughness(density: Plane, side: int) -> NDArray[np.float32]:
    """Return how much a density varies between neighbours, as a share of itself."""
    mean = window_mean(density, 3)
    change = window_mean(np.abs(density - mean), side)
    return np.asarray(change / np.maximum(mean, np.float32(0.05)), np.float32)

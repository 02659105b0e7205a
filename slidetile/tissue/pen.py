"""Marker pen on a slide.

Knows optical densities. Does not know files or how tissue is found.
"""

from typing import NamedTuple

import numpy as np

from slidetile.raster.bands import bands
from slidetile.raster.masks import Mask, count_pixels, number_pieces, without_small_pieces
from slidetile.raster.neighbourhood import all_around, any_around, window_mean
from slidetile.raster.pixels import Pixels, planes
from slidetile.tissue.glass import Shade
from slidetile.tissue.imaging import Plane, window_px

STROKE_UM = 100.0
RIM_UM = 240.0
SMOOTH_DENSITY = 0.015
SMOOTH_GREY_VALUES = 0.4
DARK = 30
SMALLEST_UM2 = 250_000.0

_LEAST_OF_PEN = 0.35, 0.5, 0.7
"""A pen's colour is denser than this in red, in green or in blue; see `_pen_coloured`."""

# 0 has no logarithm: the darkest grey, 1, stands in.
_DENSITY = -np.log(np.maximum(np.arange(256), 1) / 255).astype(np.float32)


class Densities(NamedTuple):
    """Optical densities of an image's three channels, relative to bare glass."""

    red: Plane
    green: Plane
    blue: Plane

    @classmethod
    def of(cls, image: Pixels, glass: Shade) -> "Densities":
        """Apply the Beer–Lambert law to an image, uint8 [row, column, 3]."""
        return cls(
            *(
                # Not checked: no value is beyond a table of 256.
                table.take(plane, mode="clip")
                for table, plane in zip(_densities(glass), planes(image), strict=True)
            )
        )


def _densities(glass: Shade) -> Plane:
    """Return the density of each value of each channel, float32 [channel, value]."""
    offsets = np.log(glass / np.float32(255))
    return np.asarray(_DENSITY + offsets[:, np.newaxis])


def pen_strokes(image: Pixels, glass: Shade, pixel_um: float) -> Mask:
    """Return pen strokes: wide, smooth areas of a colour that stains rarely have.

    A pen wets the glass evenly, while tissue varies from cell to cell. So a connected area of a
    pen's colour is a stroke where more than 35 % of its inside is smooth. Rough pixels within a
    stroke are tissue under it and do not count as pen; nor do pixels beside it that have the
    colour of stains.

    Parameters
    ----------
    image
        uint8 [row, column, 3].
    glass
        The colour of bare glass.
    pixel_um
        Micrometres per pixel.

    Returns
    -------
    bool array [row, column]
        As high and as wide as the image.
    """
    coloured = np.empty(image.shape[:2], np.bool_)
    for band in bands(image.shape):
        coloured[band.rows] = _densely_pen_coloured(image[band.rows], glass)
    side = window_px(STROKE_UM, pixel_um, image.shape, per_side=128)
    smallest_px = min(SMALLEST_UM2 / pixel_um**2, coloured.size / 1000)
    wide = _wide_areas(coloured, side, smallest_px)
    if not wide.any():  # as on most slides
        return wide
    smooth = np.zeros_like(wide)
    for band in bands(image.shape, 2):
        if wide[band.rows].any():
            densities = Densities.of(image[band.seen], glass)
            smooth[band.rows] = _smooth(densities, image[band.seen])[band.within]
    core = _smooth_areas(wide, smooth)
    if not core.any():
        return core
    return _whole_strokes(
        image, glass, core, smooth, side, window_px(RIM_UM, pixel_um, image.shape, per_side=64)
    )


def _pen_coloured(densities: Densities, *, least: float) -> Mask:
    """Return the pixels of a pen's colour, with at least a share ``least`` of its density.

    Haematoxylin's ratio of red to green is 0.93 and rarely reaches that in a section; that of
    blue and green pens does. Eosin and DAB together absorb some red; a red pen absorbs almost
    none, and half as much blue as green. A black pen absorbs all three about equally.
    """
    red, green, blue = densities
    blue_or_green = (red > 0.9 * green) & (red > 0.35 * least) & (red > blue)
    red_pen = (red < 0.25 * green) & (blue > 0.5 * green) & (green > 0.5 * least)
    grey = (red + green + blue) / 3
    spread = np.maximum(np.maximum(red, green), blue) - np.minimum(np.minimum(red, green), blue)
    black = (grey > 0.7 * least) & (spread < 0.55 * grey)
    return np.asarray(blue_or_green | red_pen | black)


def _densely_pen_coloured(image: Pixels, glass: Shade) -> Mask:
    """Return the pixels of a pen's colour and density; only those dense enough are looked at."""
    channels = planes(image)
    dense = np.zeros(channels.shape[1:], np.bool_)
    for plane, table, least in zip(channels, _densities(glass), _LEAST_OF_PEN, strict=True):
        dense |= plane < np.count_nonzero(table > least)  # the darker, the denser
    places = np.flatnonzero(dense)
    colours = channels.reshape(3, -1).take(places, axis=1).T[np.newaxis]
    coloured = np.zeros(dense.shape, np.bool_)
    coloured.ravel()[places] = _pen_coloured(Densities.of(colours, glass), least=1.0)[0]
    return coloured


def _smooth(densities: Densities, image: Pixels) -> Mask:
    """Return the pixels around which the density varies by noise at most.

    The edge of a stroke varies across but not along it, so the smallest of the second differences
    in four directions counts.
    """
    grey = (densities.red + densities.green + densities.blue) / 3
    framed = np.pad(grey, 1, mode="symmetric")
    height, width = grey.shape
    least = np.full(grey.shape, np.float32(np.inf))
    for down, right in ((0, 1), (1, 0), (1, 1), (1, -1)):
        one = framed[1 + down : 1 + down + height, 1 + right : 1 + right + width]
        other = framed[1 - down : 1 - down + height, 1 - right : 1 - right + width]
        np.minimum(least, np.abs(grey - (one + other) / 2), out=least)
    light = planes(image).sum(axis=0, dtype=np.uint16)  # `mean` takes ten times as long
    brightness = np.maximum(light.astype(np.float32) / 3, 1)
    is_even = window_mean(least, 3) < SMOOTH_DENSITY + SMOOTH_GREY_VALUES / brightness
    return np.asarray(is_even | (brightness < DARK))


def _wide_areas(coloured: Mask, side: int, smallest_px: float) -> Mask:
    """Return the insides of pen-coloured areas as large and wide as a stroke."""
    inside = np.zeros_like(coloured)
    for band in bands(coloured.shape, side // 2):
        inside[band.rows] = all_around(coloured[band.seen], side)[band.within]
    return without_small_pieces(inside, smallest_px, corners=True)


def _smooth_areas(wide: Mask, smooth: Mask) -> Mask:
    """Return the areas that are as smooth as a stroke."""
    labels = number_pieces(wide)
    is_pen = count_pixels(labels, smooth) > 0.35 * count_pixels(labels)
    is_pen[0] = False
    return is_pen[labels]


def _whole_strokes(
    image: Pixels, glass: Shade, core: Mask, smooth: Mask, side: int, rim: int
) -> Mask:
    """Return strokes out to their rims, without the tissue under and beside them."""
    strokes = np.empty_like(core)
    for band in bands(core.shape, side // 2 + rim):
        densities = Densities.of(image[band.seen], glass)
        near = any_around(core[band.seen], 2 * (side // 2 + rim // 2) + 1)
        stained = (densities.green > 0.3) & ~_pen_coloured(densities, least=0.2)
        rough = ~smooth[band.seen] & core[band.seen]
        tissue = _mostly(stained, rim) | _mostly(rough, rim)
        strokes[band.rows] = (near & ~tissue)[band.within]
    return strokes


def _mostly(mask: Mask, side: int) -> Mask:
    """Return the windows that a mask fills by more than 70 %, which leaves out edges and specks."""
    filled = window_mean(mask.view(np.uint8), side) > 0.7
    return any_around(filled, side)

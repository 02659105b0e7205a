"""Marker pen on a slide.

Knows optical densities. Does not know files or how tissue is found.

An ink has one colour, which few stains have, and lies on the glass as a stroke of even density; or
in streaks, where the pen was nearly dry. Tissue of such a colour varies from cell to cell, and is
paler.
"""

from typing import NamedTuple

import numpy as np

from slidetile.raster.bands import bands
from slidetile.raster.masks import (
    Mask,
    count_pixels,
    measure_pieces,
    number_pieces,
    without_small_pieces,
)
from slidetile.raster.morphology import narrowed
from slidetile.raster.neighbourhood import any_around, window_mean
from slidetile.raster.pixels import Pixels, planes
from slidetile.tissue.density import Densities, density_tables
from slidetile.tissue.glass import Shade
from slidetile.tissue.imaging import Plane, window_px

STROKE_UM = 100.0
RIM_UM = 240.0
SMOOTH_DENSITY = 0.015
SMOOTH_GREY_VALUES = 0.4
DARK = 30
SMALLEST_UM2 = 250_000.0

_LEAST_OF_PEN = 0.35, 0.5, 0.7
"""A pen's colour is denser than this in red, in green or in blue; see `_Inks`."""

_LEAST_SMOOTH, _VERY_SMOOTH = 0.35, 0.85
"""So much of a wet stroke is smooth; of one that may be pale, so much."""

_LEAST_LENGTH = 6
"""A pale stroke is longer than so many times its width; pale tissue of such a colour is not."""

_DENSE, _DENSE_BLACK = 1.0, 1.2
"""In the colour it absorbs most, half of a stroke is denser than this; tissue rarely is."""

_MOST_OF_GLASS, _LEAST_BARE = 0.1, 0.25
"""Bare glass is less dense than this, and so much lies around strokes, which may cross."""

_PURE = 0.8
"""So much of a dry stroke has the pure colour of one ink."""


class _Inks(NamedTuple):
    """Which pixels have the colour of which inks."""

    blue_or_green: Mask
    red: Mask
    black: Mask

    @classmethod
    def of(cls, densities: Densities, *, least: float) -> "_Inks":
        """Compare colours, with at least a share ``least`` of a pen's density.

        Haematoxylin's ratio of red to green is 0.93, and up to 1.1 with a brown stain; that of
        green pens is above 1.35, and blue pens absorb hardly any blue. A red pen absorbs almost no
        red, and at least 0.7 times as much blue as green; blood and eosin do 0.6 times at most. A
        black pen absorbs all three about equally.
        """
        red, green, blue = densities
        green_pen = red > 1.35 * green
        blue_pen = (red > 0.9 * green) & (blue < 0.35 * red)
        grey = densities.grey
        return cls(
            (green_pen | blue_pen) & (red > 0.35 * least) & (red > blue),
            (red < 0.25 * green) & (blue > 0.68 * green) & (green > 0.5 * least),
            (grey > 0.7 * least) & (densities.most - densities.least < 0.55 * grey),
        )

    @property
    def any(self) -> Mask:
        """Which have the colour of any."""
        return self.blue_or_green | self.red | self.black


class _Facts(NamedTuple):
    """What is looked at of pixels that have a pen's colour, each bool [row, column]."""

    smooth: Mask
    """Whether the ink is even, in grey or in the colour it absorbs least."""

    even: Mask
    """Whether nothing shows through the ink: of red ink in red, of others in grey."""

    dense: Mask
    very_dense: Mask
    blue_or_green: Mask
    pure_red: Mask
    pure_black: Mask
    black_only: Mask


def pen_strokes(image: Pixels, glass: Shade, pixel_um: float) -> Mask:
    """Return pen strokes: wide areas of a colour that stains rarely have, smooth or dense.

    A pen wets the glass evenly, while tissue varies from cell to cell. So a connected area of a
    pen's colour is a stroke where more than 35 % of its inside is smooth and half of it is dense;
    or where it is paler, if 85 % is smooth and it is long. A nearly dry pen leaves streaks: these
    are dense, of one pure colour, and lie on glass. Rough pixels within a wet stroke are tissue
    under it and do not count as pen; nor do pixels beside it that have the colour of stains.

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
    facts = _facts(image, glass, wide)
    wet, dry = _strokes(wide, facts)
    rim = window_px(RIM_UM, pixel_um, image.shape, per_side=64)
    dry = _on_glass(dry, image, glass, 2 * (side // 2 + rim // 2) + 1)
    core = wet | dry
    if not core.any():
        return core
    return _whole_strokes(image, glass, core, wet & ~facts.even, side, rim)


def _densely_pen_coloured(image: Pixels, glass: Shade) -> Mask:
    """Return the pixels of a pen's colour and density; only those dense enough are looked at."""
    channels = planes(image)
    dense = np.zeros(channels.shape[1:], np.bool_)
    for plane, table, least in zip(channels, density_tables(glass), _LEAST_OF_PEN, strict=True):
        dense |= plane < np.count_nonzero(table > least)  # the darker, the denser
    places = np.flatnonzero(dense)
    colours = channels.reshape(3, -1).take(places, axis=1).T[np.newaxis]
    coloured = np.zeros(dense.shape, np.bool_)
    coloured.ravel()[places] = _Inks.of(Densities.of(colours, glass), least=1.0).any[0]
    return coloured


def _facts(image: Pixels, glass: Shade, wide: Mask) -> _Facts:
    """Return what is looked at, where there may be pen."""
    facts = _Facts(*(np.zeros_like(wide) for _ in _Facts._fields))
    for band in bands(image.shape, 2):
        if wide[band.rows].any():
            there = _facts_there(image[band.seen], Densities.of(image[band.seen], glass))
            for fact, found in zip(facts, there, strict=True):
                fact[band.rows] = found[band.within]
    return facts


def _facts_there(image: Pixels, densities: Densities) -> _Facts:
    inks = _Inks.of(densities, least=1.0)
    most, least, grey = densities.most, densities.least, densities.grey
    channels = planes(image)
    # `mean` and `max` of interleaved pixels take ten times as long
    in_grey = _smooth(grey, channels.sum(axis=0, dtype=np.uint16).astype(np.float32) / 3)
    in_clear = _smooth(least, np.maximum.reduce(channels).astype(np.float32))
    black_only = inks.black & ~inks.blue_or_green & ~inks.red
    return _Facts(
        smooth=in_grey | (in_clear & ~black_only),
        even=np.where(inks.red, in_clear, in_grey),
        dense=most > _DENSE,
        very_dense=most > _DENSE_BLACK,
        blue_or_green=inks.blue_or_green,
        pure_red=inks.red & (densities.blue > 0.75 * densities.green),
        pure_black=most - least < 0.3 * grey,
        black_only=black_only,
    )


def _smooth(density: Plane, brightness: Plane) -> Mask:
    """Return the pixels around which the density varies by noise at most.

    The edge of a stroke varies across but not along it, so the smallest of the second differences
    in four directions counts.
    """
    framed = np.pad(density, 1, mode="symmetric")
    height, width = density.shape
    least = np.full(density.shape, np.float32(np.inf))
    for down, right in ((0, 1), (1, 0), (1, 1), (1, -1)):
        one = framed[1 + down : 1 + down + height, 1 + right : 1 + right + width]
        other = framed[1 - down : 1 - down + height, 1 - right : 1 - right + width]
        np.minimum(least, np.abs(density - (one + other) / 2), out=least)
    brightness = np.maximum(brightness, 1)
    is_even = window_mean(least, 3) < SMOOTH_DENSITY + SMOOTH_GREY_VALUES / brightness
    return np.asarray(is_even | (brightness < DARK))


def _wide_areas(coloured: Mask, side: int, smallest_px: float) -> Mask:
    """Return the insides of pen-coloured areas as large and wide as a stroke."""
    return without_small_pieces(narrowed(coloured, side), smallest_px, corners=True)


def _strokes(wide: Mask, facts: _Facts) -> tuple[Mask, Mask]:
    """Return which areas are strokes of a wet pen, and which of a nearly dry one."""
    labels, pixels, boxes = measure_pieces(wide)
    count = np.concatenate([[max(1, wide.size - pixels.sum())], pixels])
    share = {name: count_pixels(labels, fact) / count for name, fact in facts._asdict().items()}
    is_dense = share["dense"] >= 0.5
    wet = (share["smooth"] > _LEAST_SMOOTH) & is_dense
    pale = (share["smooth"] > _VERY_SMOOTH) & (share["black_only"] < 0.5) & ~wet
    for number in np.flatnonzero(pale[1:]) + 1:
        pale[number] = _is_long(labels[boxes[number - 1].slices] == number)
    wet |= pale
    dry = is_dense & ((share["blue_or_green"] > _PURE) | (share["pure_red"] > _PURE))
    dry |= (share["very_dense"] >= 0.5) & (share["pure_black"] > _PURE)
    dry &= ~wet
    wet[0] = dry[0] = False
    return wet[labels], dry[labels]


def _is_long(stroke: Mask) -> bool:
    """Return whether an area is many times as long as it is wide, as strokes and rings are."""
    side = 2 * int(np.sqrt(np.count_nonzero(stroke) / _LEAST_LENGTH) / 2) + 1
    return not (window_mean(stroke.view(np.uint8), side) > 0.75).any()


def _on_glass(strokes: Mask, image: Pixels, glass: Shade, around: int) -> Mask:
    """Return the strokes with bare glass around them; tissue of such a colour lies in tissue."""
    if not strokes.any():
        return strokes
    near, bare = np.zeros_like(strokes), np.zeros_like(strokes)
    for band in bands(strokes.shape, around // 2):
        near[band.rows] = any_around(strokes[band.seen], around)[band.within]
        bare[band.rows] = Densities.of(image[band.rows], glass).most < _MOST_OF_GLASS
    labels = number_pieces(near)
    beside = count_pixels(labels, ~strokes)
    is_bare = count_pixels(labels, bare & ~strokes) > _LEAST_BARE * beside
    return strokes & is_bare[labels]


def _whole_strokes(
    image: Pixels, glass: Shade, core: Mask, rough: Mask, side: int, rim: int
) -> Mask:
    """Return strokes out to their rims, without the tissue under and beside them."""
    strokes = np.empty_like(core)
    for band in bands(core.shape, side // 2 + rim):
        densities = Densities.of(image[band.seen], glass)
        near = any_around(core[band.seen], 2 * (side // 2 + rim // 2) + 1)
        stained = (densities.green > 0.3) & ~_Inks.of(densities, least=0.2).any
        tissue = _mostly(stained, rim) | _mostly(rough[band.seen], rim)
        strokes[band.rows] = (near & ~tissue)[band.within]
    return strokes


def _mostly(mask: Mask, side: int) -> Mask:
    """Return the windows that a mask fills by more than 70 %, which leaves out edges and specks."""
    filled = window_mean(mask.view(np.uint8), side) > 0.7
    return any_around(filled, side)

"""Tissue that is dense enough to be seen by itself, of whatever hue, and what is only dirt.

Knows what pixels absorb and where they are textured. Does not know images or slides.

Tissue absorbs like a stain, or it absorbs in any colour and is textured all over: weak or balanced
immunohistochemistry, silver and methyl green have no hue of their own. Dust, threads, cover-slip
edges and the rims of bubbles are textured, too, but grey, and thin.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from slidetile.raster.bands import bands
from slidetile.raster.masks import (
    Labels,
    Mask,
    count_pixels,
    measure_pieces,
    number_pieces,
    painted,
    sum_pixels,
)
from slidetile.raster.morphology import narrowed, opened
from slidetile.raster.neighbourhood import window_mean
from slidetile.raster.region import Region
from slidetile.tissue.absorption import UNIT, Absorption
from slidetile.tissue.imaging import Signal, window_px
from slidetile.tissue.texture import percent_around

_CERTAIN_STAIN = 0.25
"""Density above which what is stained is tissue even if it is smooth; what a bubble or dried
liquid leaves on glass is paler."""

_TINTED_UM, _LEAST_TEXTURE_OF_STAIN = 250.0, 35
"""The window in which a pale stain must be textured, and by how many percent more than glass."""

_SOLID_UM, _LEAST_TEXTURE, _MOST_GREY = 100.0, 0.7, 0.3
"""In such a window tissue of any hue is textured and dense; one pixel adds so much at most."""

_THICK_UM, _HUGE_UM = 250.0, 500.0
"""Tissue without hue is so wide somewhere; what is without any colour, so wide."""

_LEAST_STAINED = 0.1
"""A piece of which so much is stained is tissue, however thin."""

_LEAST_COLOUR, _MOST_COLOUR_OF_DIRT = 0.12, 0.15
"""The difference between red, green and blue, as a share of their mean."""

_CLIPPED_COLOUR, _CLIPPED_GREY = 0.3, 0.6

_SPANNING, _NARROW, _MOST_STAINED_EDGE = 0.6, 0.3, 0.3
"""A line across so much of the image, not wider than this, hardly stained, is an edge of glass."""


class Bodies(NamedTuple):
    """What is dense: tissue, and dirt."""

    tissue: Mask
    """bool [row, column]."""

    dropped: Mask
    """bool [row, column]: dense, but too thin, too long or too grey for tissue."""

    dirt: Mask
    """bool [row, column]: what of that is no tissue however thin it is spread, either."""


def find_bodies(
    seen: Absorption,
    texture: Mask,
    *,
    glass_percent: int,
    has_glass: bool,
    pixel_um: float,
    min_density: float,
    min_grey_density: float,
) -> Bodies:
    """Return what is dense by itself, sorted into tissue and dirt.

    Parameters
    ----------
    seen, texture
        What pixels absorb, and which of them are textured; none where there is pen.
    glass_percent
        How much of bare glass looks textured, in percent.
    has_glass
        Whether there is glass that may have a tint; and whose noise tells what is smooth.
    pixel_um
        Micrometres per pixel.
    min_density, min_grey_density
        As `OpticalDensityDetector` has them.
    """
    around = percent_around(texture, window_px(_TINTED_UM, pixel_um, texture.shape))
    is_textured = around > glass_percent + _LEAST_TEXTURE_OF_STAIN
    dense = seen.stain > min_density * UNIT
    if has_glass:
        dense &= is_textured | (seen.stain > _CERTAIN_STAIN * UNIT)
    found = dense | _of_any_hue(seen.grey, texture, pixel_um, min_grey_density)
    dropped, dirt = _dropped(found, dense, seen, pixel_um)
    tissue = found & ~dropped
    thin = _thin_and_grey(tissue, dense, seen, pixel_um)
    return Bodies(tissue & ~thin, dropped | thin, dirt | thin)


def _of_any_hue(grey: Signal, texture: Mask, pixel_um: float, least: float) -> Mask:
    """Return the windows that are textured all over and absorb enough in the mean."""
    side = window_px(_SOLID_UM, pixel_um, grey.shape)
    found = np.empty(grey.shape, np.bool_)
    for band in bands(grey.shape, side // 2):
        share = window_mean(texture[band.seen].view(np.uint8), side, band.within)
        clipped = np.clip(grey[band.seen], 0, round(_MOST_GREY * UNIT))
        density = window_mean(clipped, side, band.within)
        found[band.rows] = (share > _LEAST_TEXTURE) & (density > least * UNIT)
    return found


def _dropped(bodies: Mask, dense: Mask, seen: Absorption, pixel_um: float) -> tuple[Mask, Mask]:
    """Return the pieces that are no bodies of tissue, and those of them that are dirt."""
    labels, pixels, boxes = measure_pieces(bodies)
    if not boxes:
        return bodies, bodies
    stained = count_pixels(labels, dense)[1:] / pixels
    colour = _colour(labels, seen)
    is_edge = _are_edges(pixels, boxes, bodies.shape) & (stained < _MOST_STAINED_EDGE)
    thick = _hold(labels, bodies, window_px(_THICK_UM, pixel_um, bodies.shape))
    huge = _hold(labels, bodies, window_px(_HUGE_UM, pixel_um, bodies.shape, per_side=24))
    kept = (stained > _LEAST_STAINED) | (thick & (colour > _LEAST_COLOUR)) | huge
    kept &= ~is_edge
    dirt = ~kept & ((colour < _MOST_COLOUR_OF_DIRT) | is_edge)
    return painted(labels, ~kept), painted(labels, dirt)


def _thin_and_grey(tissue: Mask, dense: Mask, seen: Absorption, pixel_um: float) -> Mask:
    """Return what juts out of tissue as lines without colour: rims of bubbles, edges of glass."""
    thin = tissue & ~dense & ~opened(tissue, window_px(_THICK_UM, pixel_um, tissue.shape))
    labels = number_pieces(thin)
    return painted(labels, _colour(labels, seen) < _MOST_COLOUR_OF_DIRT)


def _colour(labels: Labels, seen: Absorption) -> NDArray[np.float64]:
    """Return of each piece the difference between its colours as a share of its grey."""
    colour = sum_pixels(labels, seen.colour, most=round(_CLIPPED_COLOUR * UNIT))
    grey = sum_pixels(labels, seen.grey, most=round(_CLIPPED_GREY * UNIT))
    return np.asarray(colour[1:] / np.maximum(grey[1:], 1))


def _hold(labels: Labels, bodies: Mask, side: int) -> Mask:
    """Return which pieces hold a whole window of this side."""
    return np.asarray(count_pixels(labels, narrowed(bodies, side))[1:] > 0)


def _are_edges(
    pixels: NDArray[np.int64], boxes: list[Region], shape: tuple[int, ...]
) -> NDArray[np.bool_]:
    """Return which pieces are lines across the image, as edges of cover slips are."""
    height, width = shape
    edges = np.zeros(len(boxes), np.bool_)
    for number in np.flatnonzero(pixels > _SPANNING * min(height, width)).tolist():
        down, across = boxes[number].height / height, boxes[number].width / width
        edges[number] = (across > _SPANNING and down < _NARROW) or (
            down > _SPANNING and across < _NARROW
        )
    return edges

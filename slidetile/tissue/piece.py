"""The connected pieces of tissue: their area, box and stain.

Knows overviews and labels. Does not know how tissue was found.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from slidetile.raster.bands import bands
from slidetile.raster.channels import are_plain
from slidetile.raster.masks import Labels
from slidetile.raster.pixels import planes
from slidetile.raster.region import Region
from slidetile.slides.overview import Overview
from slidetile.tissue.channels import detection_image
from slidetile.tissue.glass import Shade
from slidetile.tissue.imaging import is_dark
from slidetile.tissue.working import working_image

Stain = tuple[float, float, float]
"""Mean optical density in red, green and blue."""

_PER_DENSITY = 1 << 20
"""Optical densities are added up as whole numbers of this fraction, so that their order, and with
it the size of a band, does not matter."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TissuePiece:
    """One connected piece of tissue."""

    label: int
    """Its number in `TissueMask.labels`, from 1."""

    bounds: Region
    """The smallest rectangle around it, in level-0 pixels, within the slide."""

    area_px: int
    """Its area in level-0 pixels; overview pixels that reach beyond the slide count as whole."""

    area_um2: float | None
    """Its area in µm², or None where the slide's mpp is unknown."""

    mean_stain: Stain | None = None
    """Mean optical density of its pixels on the overview, in red, green and blue: how many powers
    of ten darker they are than the slide's glass. None where the slide is not in colours on bright
    glass. The density is that of Beer and Lambert, as in Ruifrok & Johnston, "Quantification of
    histochemical staining by color deconvolution", Anal. Quant. Cytol. Histol. 23 (2001)."""


def measured(
    labels: Labels, pixels: NDArray[np.int64], boxes: list[Region], overview: Overview
) -> tuple[TissuePiece, ...]:
    """Return the pieces of tissue on an overview.

    Parameters
    ----------
    labels
        The number of the piece that each pixel of the overview belongs to, 0 for none.
    pixels, boxes
        Of each piece, how many pixels of the overview it has, and the smallest rectangle around
        them.
    overview
        The image that the labels belong to.
    """
    pixel_px = math.prod(overview.downsample)
    pixel_um2 = None if overview.mpp is None else math.prod(overview.mpp)
    stains = _mean_stains(labels, pixels, overview)
    return tuple(
        TissuePiece(
            label=number,
            bounds=overview.to_slide(box),
            area_px=round(count * pixel_px),
            area_um2=None if pixel_um2 is None else count * pixel_um2,
            mean_stain=stain,
        )
        for number, (count, box, stain) in enumerate(
            zip(pixels.tolist(), boxes, stains, strict=True), start=1
        )
    )


def _mean_stains(
    labels: Labels, pixels: NDArray[np.int64], overview: Overview
) -> list[Stain] | list[None]:
    """Return the mean optical density of each piece; None where the slide has no stains."""
    is_colour = are_plain(overview.channel_info) and overview.image.shape[2] == 3
    if not len(pixels) or not is_colour:
        return [None] * len(pixels)
    image = detection_image(overview.image, overview.channels)
    if is_dark(image):
        return [None] * len(pixels)
    mpp = None if overview.mpp is None else math.sqrt(math.prod(overview.mpp))
    densities = _densities(working_image(image, mpp).shades[0])
    sums = np.zeros((3, len(pixels) + 1), np.float64)  # of whole numbers, below 2 ** 53
    for band in bands(labels.shape):
        numbers = labels[band.rows].ravel()
        for channel, plane in enumerate(planes(image[band.rows])):
            of_pixels = densities[channel].take(plane.ravel())
            sums[channel] += np.bincount(numbers, of_pixels, sums.shape[1])
    means = (sums[:, 1:] / pixels / _PER_DENSITY).T
    return [(red, green, blue) for red, green, blue in means.tolist()]


def _densities(glass: Shade) -> NDArray[np.float64]:
    """Return the optical density of each value, in whole fractions: [channel, value].

    0 has no logarithm: the darkest grey, 1, stands in.
    """
    values = np.maximum(np.arange(256), 1)
    densities = np.log10(glass.astype(np.float64)[:, np.newaxis] / values)
    return np.asarray(np.rint(densities * _PER_DENSITY), np.float64)

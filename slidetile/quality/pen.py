"""How much of each tile pen covers, measured on the overview.

Knows the overview and where tiles are. Does not know how pen is told apart from tissue.
"""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from slidetile.raster.channels import Channel, are_plain
from slidetile.raster.coverage import covered_share
from slidetile.raster.masks import Mask
from slidetile.raster.pixels import Pixels
from slidetile.raster.region import Region
from slidetile.tissue.channels import detection_image
from slidetile.tissue.imaging import is_dark
from slidetile.tissue.working import working_image

PEN_METHOD = 1
"""Version of the method, recorded in the store; raise it when other pixels count as pen."""


def pen_fractions(
    image: Pixels,
    regions: Sequence[Region],
    *,
    scale: tuple[float, float],
    mpp: tuple[float, float] | None,
    channels: Sequence[Channel] | None = None,
) -> NDArray[np.float32]:
    """Return the share of each region that pen covers.

    Pen is recognised by colour, so all shares are 0 on images of other channels than colours and on
    a dark background.

    Parameters
    ----------
    image
        The overview, uint8 or uint16 [row, column, channel].
    regions
        In level-0 pixels, inside the slide.
    scale
        Level-0 pixels per pixel of the overview, as (x, y).
    mpp
        Micrometres per pixel of the overview, as (x, y), or None where unknown.
    channels
        What the overview's channels show; None where they are grey or colours.

    Returns
    -------
    float32 array
        One value per region, 0–1.
    """
    if channels is not None and not are_plain(channels):
        return np.zeros(len(regions), np.float32)
    seen = detection_image(image)
    if seen.shape[2] != 3 or is_dark(seen):
        return np.zeros(len(regions), np.float32)
    working = working_image(seen, None if mpp is None else math.sqrt(mpp[0] * mpp[1]))
    strokes_scale = scale[0] * working.factor, scale[1] * working.factor
    return area_fractions(working.strokes, strokes_scale, regions).astype(np.float32)


def area_fractions(
    mask: Mask, scale: tuple[float, float], regions: Sequence[Region]
) -> NDArray[np.float64]:
    """Return the exact share of each region that a mask covers.

    One row of regions is measured at a time, so that memory stays flat; see `covered_share`.

    Parameters
    ----------
    mask
        bool [row, column], over the whole slide.
    scale
        Level-0 pixels per pixel of the mask, as (x, y).
    regions
        In level-0 pixels, inside the slide, row by row.
    """
    fractions = np.zeros(len(regions))
    if not mask.any():
        return fractions
    by_row: dict[tuple[int, int], list[int]] = {}
    for number, region in enumerate(regions):
        by_row.setdefault((region.y, region.bottom), []).append(number)
    for (top, bottom), numbers in by_row.items():
        lefts, rights = np.array([(regions[n].x, regions[n].right) for n in numbers]).T
        row = np.array([top]), np.array([bottom])
        fractions[numbers] = covered_share(mask, scale, row, (lefts, rights))[0]
    return fractions

"""What detectors are given of images that are not 8-bit grey or colour: 8 bits of their light.

Knows images and their channels. Does not know slides, nor how tissue is found.

Cameras rarely fill 16 bits, so each channel is stretched from its darkest to its brightest
thousandth: but never so far that noise would look like light. Noise is measured by the differences
of neighbouring pixels, most of which are background (their lowest quarter).
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from slidetile.raster.bands import bands
from slidetile.raster.channels import (
    Channel,
    are_plain,
    histograms,
    percentile,
    plain_channels,
    scale_table,
)
from slidetile.raster.pixels import Pixels
from slidetile.slides.plane_choice import PlaneChoice

_NARROWEST = 64
"""Values that a channel of 16 bits is stretched from at least."""

_NOISE_STEPS = 284
"""Of noise, a quarter of all differences are below 0.45 of its deviation: so many of them are 128
deviations, and noise becomes two grey values."""

_DARKEST, _BRIGHTEST, _QUIET = 0.1, 99.9, 25.0
"""Percentiles."""


def detection_image(
    image: Pixels, channels: Sequence[Channel] | None = None, chosen: str | None = None
) -> NDArray[np.uint8]:
    """Return what detectors are given of an overview.

    Parameters
    ----------
    image
        uint8 or uint16 [row, column, channel].
    channels
        What its channels show; None where they are grey or colours.
    chosen
        The name or number of the only channel to look at; None for all.

    Returns
    -------
    uint8 array [row, column, 1 or 3]
        Grey and colour of 8 bits as they are, those of more bits on a scale common to all colours.
        Of other channels, the brightest at each pixel.

    Raises
    ------
    UnfitChoiceError
        There is no such channel.
    """
    known = tuple(channels or plain_channels(image.shape[2]))
    is_plain = are_plain(known)
    if chosen is not None:
        (number,) = PlaneChoice(channels=(chosen,)).numbers(known)
        image, is_plain = image[..., number : number + 1], False
    if is_plain and (image.dtype == np.uint8 or image.shape[2] == 3):
        return _in_8_bits(image)
    return _brightest(image)


def tissue_channel_name(channels: Sequence[Channel], chosen: str) -> str:
    """Return the name of the channel that a name or number means.

    Raises
    ------
    UnfitChoiceError
        There is no such channel.
    """
    (number,) = PlaneChoice(channels=(chosen,)).numbers(channels)
    return channels[number].name


def _in_8_bits(image: Pixels) -> NDArray[np.uint8]:
    """Return colours in 8 bits, the same for all of them; such that have 8 as they are."""
    if image.dtype == np.uint8:
        return image
    shift = max(0, int(image.max()).bit_length() - 8)
    return (image >> shift).astype(np.uint8)


def _brightest(image: Pixels) -> NDArray[np.uint8]:
    """Return the brightest channel of every pixel, in 8 bits: [row, column, 1]."""
    brightest = np.zeros(image.shape[:2], np.uint8)
    counts = None if image.dtype == np.uint8 else histograms(image)
    for number in range(image.shape[2]):
        plane = image[..., number]
        if counts is not None:
            plane = _stretched(plane, counts[number])
        np.maximum(brightest, plane, out=brightest)
    return brightest[..., np.newaxis]


def _stretched(plane: Pixels, counts: NDArray[np.int64]) -> NDArray[np.uint8]:
    low, high = percentile(counts, _DARKEST), percentile(counts, _BRIGHTEST)
    widest = low + max(_NARROWEST, _NOISE_STEPS * _noise(plane))
    return scale_table((low, max(high, widest)), plane.dtype)[plane]


def _noise(plane: Pixels) -> int:
    """Return the lowest quarter of the differences between neighbours along rows."""
    counts = np.zeros(1 << 16, np.int64)
    for band in bands(plane.shape):
        rows = plane[band.rows].astype(np.int32)
        apart = np.abs(rows[:, 1:] - rows[:, :-1])
        counts += np.bincount(apart.ravel(), minlength=len(counts))
    return percentile(counts, _QUIET) if counts.any() else 0

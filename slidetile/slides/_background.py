"""The colour where nothing was scanned: white in brightfield, black in fluorescence."""

from collections.abc import Callable, Iterator

import numpy as np

from slidetile.errors import DamagedPixelsError
from slidetile.raster.pixels import BLACK, WHITE, Colour, Pixels
from slidetile.raster.region import Region

_DARK = 48
"""Threshold: brightfield glass is far brighter, the background of fluorescence far darker."""

_WHOLE_PX = 16_000_000
_SAMPLE_SIDE_PX = 512
_LEAST_SIDE_PX = 256
"""Side of what is given up where it is damaged: a usual native tile."""


def find_background(size: tuple[int, int], read: Callable[[Region], Pixels]) -> Colour:
    """Return black if the median pixel of a level is dark, otherwise white.

    Parameters
    ----------
    size
        (width, height) of the slide's coarsest level; a large level is sampled.
    read
        Reads a region that is given in pixels of that level. Damaged parts do not count; where
        all is damaged, it is white.

    Raises
    ------
    SlideReadError
        The file could not be read.
    """
    brightest = [each for region in _samples(*size) for each in _brightest(region, read)]
    if not brightest:
        return WHITE
    return BLACK if np.median(np.concatenate(brightest)) < _DARK else WHITE


def _brightest(region: Region, read: Callable[[Region], Pixels]) -> Iterator[Pixels]:
    """Yield the brightest channel of each pixel of what is not damaged."""
    try:
        pixels = read(region)
    except DamagedPixelsError:
        if max(region.width, region.height) <= _LEAST_SIDE_PX:
            return
        for part in _quarters(region):
            yield from _brightest(part, read)
    else:
        yield pixels.max(axis=2).ravel()


def _quarters(region: Region) -> Iterator[Region]:
    across, down = -(-region.width // 2), -(-region.height // 2)
    for y in range(region.y, region.bottom, down):
        for x in range(region.x, region.right, across):
            right, bottom = min(x + across, region.right), min(y + down, region.bottom)
            yield Region.from_edges(x, y, right, bottom)


def _samples(width: int, height: int) -> Iterator[Region]:
    if width * height <= _WHOLE_PX:
        yield Region(x=0, y=0, width=width, height=height)
        return
    for row in range(4):
        for column in range(4):
            part = Region.from_edges(
                width * column // 4,
                height * row // 4,
                width * (column + 1) // 4,
                height * (row + 1) // 4,
            )
            yield Region(
                x=part.x,
                y=part.y,
                width=min(part.width, _SAMPLE_SIDE_PX),
                height=min(part.height, _SAMPLE_SIDE_PX),
            )


def composite(straight: Pixels, alpha: Pixels, colour: Colour, *, premultiplied: bool) -> Pixels:
    """Return colours laid over the background.

    ``straight`` is [row, column, channel], ``alpha`` [row, column, 1]. 16 bits hold every sum,
    for 255 × 255 + 127 is the largest.
    """
    opaque = alpha.astype(np.uint16)
    under = np.array(colour[: straight.shape[2]], np.uint16) * (255 - opaque)
    over = straight.astype(np.uint16) * (255 if premultiplied else opaque)
    total = np.minimum(over, 255 * 255 - under) + under
    laid: Pixels = ((total + 127) // 255).astype(np.uint8)
    return laid

"""The colour where nothing was scanned: white in brightfield, black in fluorescence."""

from collections.abc import Callable, Iterator

import numpy as np

from slidetile.raster.pixels import BLACK, WHITE, Colour, Pixels, brightest_channel
from slidetile.raster.region import Region

_DARK = 48
"""Threshold: brightfield glass is far brighter, the background of fluorescence far darker."""

_WHOLE_PX = 16_000_000
_SAMPLE_SIDE_PX = 512


def find_background(
    size: tuple[int, int], read: Callable[[Region], Pixels], bits: int = 8
) -> Colour:
    """Return black if most pixels of a level are dark, otherwise white.

    Parameters
    ----------
    size
        (width, height) of the slide's coarsest level; a large level is sampled.
    read
        Reads a region that is given in pixels of that level; what is damaged counts as white.
    bits
        Bits of a sample.

    Raises
    ------
    SlideReadError
        The file could not be read.
    """
    found = [brightest_channel(read(region)).ravel() for region in _samples(*size)]
    brightest = np.concatenate(found)
    if bits == 8:
        dark = np.count_nonzero(brightest < _DARK)
        return BLACK if 2 * dark > brightest.size else WHITE
    return WHITE if _is_bright(brightest, bits) else BLACK


def _is_bright(values: Pixels, bits: int) -> bool:
    """Return whether most of an image of more than 8 bits is bright.

    A camera rarely fills the bits, so bright is what is near the brightest there is, too; but
    where dark and bright hardly differ, nothing was there to be seen.
    """
    darkest, median, brightest = np.percentile(values, (0.1, 50, 99.9))
    is_varied = brightest >= 2 * darkest
    return bool(median >= (1 << bits) / 2 or (is_varied and 4 * median >= 3 * brightest))


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

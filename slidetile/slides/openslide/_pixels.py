"""A region that OpenSlide has read, and its conversion to RGB on the background."""

from dataclasses import dataclass, replace

import numpy as np

from slidetile.raster.pixels import WHITE, Colour, Pixels, blank, fill_colour
from slidetile.raster.region import Region
from slidetile.slides._background import composite
from slidetile.slides.fetched import DecodedPixels

_OPAQUE = 0xFF000000
"""The lowest opaque pixel: black with full alpha, as one little-endian number of four bytes."""

_STRIP_ROWS = 64
"""Rows that are converted at a time, to stay in a core's own cache."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class VendorPixels:
    """The pixels of a region as OpenSlide gives them, not premultiplied."""

    width: int
    """Columns of the region."""

    height: int
    """Rows of the region."""

    rgba: Pixels
    """The part inside the level, with red, green, blue and alpha."""

    at: Region
    """The position of that part in the region."""

    background: Colour | None
    """The colour beside that part and behind transparent pixels; None where neither exists."""

    @property
    def nbytes(self) -> int:
        """The bytes held until `pixels` is called."""
        return self.rgba.nbytes

    def crop(self, part: Region) -> "VendorPixels | DecodedPixels":
        """Return a view of a part; see `slidetile.slides.fetched.FetchedPixels`."""
        inside = self.at.intersection(part)
        if inside is None:
            return DecodedPixels(blank(part.width, part.height, 3, self.background or WHITE))
        return replace(
            self,
            width=part.width,
            height=part.height,
            rgba=self.rgba[inside.relative_to(self.at).slices],
            at=inside.relative_to(part),
        )

    def pixels(self, out: Pixels | None = None) -> Pixels:
        """Return the region; see `slidetile.slides.fetched.FetchedPixels`."""
        canvas = np.empty((self.height, self.width, 3), np.uint8) if out is None else out
        if self.background is not None and canvas.shape[:2] != self.rgba.shape[:2]:
            fill_colour(canvas, self.background)
        inside = canvas[self.at.slices]
        _split(self.rgba, inside)
        if self.background is not None:
            _lay_on(self.background, self.rgba, inside)
        return canvas


def is_opaque(rgba: Pixels) -> bool:
    """Return whether all pixels of a [row, column, channel] array are opaque.

    A transparent pixel is a lower number than opaque black, since alpha is its highest byte.
    """
    return bool(rgba.view("<u4").min() >= _OPAQUE)


def _split(rgba: Pixels, out: Pixels) -> None:
    """Copy the colours without alpha.

    For planes, each pixel, one number of four bytes, is cast to its lowest byte: numpy does that in
    vectors, twice as fast as copying every fourth byte.
    """
    if out.strides[1] != 1:  # not planes: channel after channel, for loops of 3 are short
        for channel in range(3):
            out[..., channel] = rgba[..., channel]
        return
    numbers = rgba.view("<u4")[..., 0]
    shifted = np.empty((_STRIP_ROWS, numbers.shape[1]), np.uint32)
    for top in range(0, len(numbers), _STRIP_ROWS):
        rows = slice(top, top + _STRIP_ROWS)
        strip = numbers[rows]
        np.copyto(out[rows, :, 0], strip, casting="unsafe")
        for channel in (1, 2):
            least = np.right_shift(strip, 8 * channel, out=shifted[: len(strip)])
            np.copyto(out[rows, :, channel], least, casting="unsafe")


def _lay_on(background: Colour, rgba: Pixels, out: Pixels) -> None:
    """Blend transparent pixels with the background; nearly all of them are fully transparent."""
    alpha = rgba[..., 3]
    clear = alpha == 0
    for channel in range(3):
        np.copyto(out[..., channel], background[channel], where=clear)
    rows, columns = np.nonzero((alpha != 255) & ~clear)
    if len(rows):
        some = rgba[rows, columns][:, np.newaxis]
        laid = composite(some[..., :3], some[..., 3:], background, premultiplied=False)
        out[rows, columns] = laid[:, 0]

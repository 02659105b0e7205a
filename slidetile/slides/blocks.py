"""What decoding a block of any file has in common, be it called a tile, a strip or a frame."""

from collections.abc import Callable
from typing import Any

import numpy as np

from slidetile.raster.jpeg import decode_jpeg
from slidetile.raster.jpeg2000 import decode_jpeg2000
from slidetile.raster.jpeg2000_header import has_transform
from slidetile.raster.pixels import Pixels
from slidetile.raster.stream import StreamError
from slidetile.slides.jpeg.tiles import JpegTiles
from slidetile.slides.native import Damaged
from slidetile.slides.slide_file import Extent
from slidetile.slides.ycbcr import ycbcr_to_rgb

Decode = Callable[[Extent, Pixels], None]
"""Decodes a block into an array of exactly its shape; raises its library's errors."""


class DamagedBlockError(ValueError):
    """A block is not what its file says of it; the message is a few words, to be counted."""


def reason_of(error: Exception) -> str:
    """Return what is wrong with a block, in the same words for all blocks so damaged."""
    if isinstance(error, StreamError):
        return error.reason
    return str(error) if isinstance(error, DamagedBlockError) else "does not decode"


def stored_bytes(extent: Extent) -> bytes:
    """Return a block's own bytes of those that were read."""
    data, start, stop = extent
    return data[start:stop]


def raw_samples(stored: bytes, count: int, dtype: "np.dtype[Any]") -> Pixels:
    """Return uncompressed samples, as many as a block has; what follows them is padding.

    Raises
    ------
    DamagedBlockError
        There are fewer.
    """
    needed = count * dtype.itemsize
    if len(stored) < needed:
        raise DamagedBlockError(f"{len(stored)} bytes instead of {needed}")
    return np.frombuffer(stored, dtype, count)


def jpeg_decoder(tiles: JpegTiles) -> Decode:
    """Return what decodes the same stream that `native` copies, so that both give its pixels."""

    def decode(extent: Extent, out: Pixels) -> None:
        stream = tiles.standalone(*extent)
        if isinstance(stream, Damaged):
            raise DamagedBlockError(stream.reason)
        decode_jpeg(stream, out)

    return decode


def jpeg2000_decoder(*, states_ycbcr: bool) -> Decode:
    """Return what decodes JPEG 2000, which may hold what its file calls YCbCr.

    Each block says by itself whether its decoder converts it.
    """

    def decode(extent: Extent, out: Pixels) -> None:
        decode_jpeg2000(stored_bytes(extent), out)
        if states_ycbcr and not has_transform(extent):
            ycbcr_to_rgb(out)

    return decode

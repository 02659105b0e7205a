"""The bytes of a CZI's tile as pixels."""

import imagecodecs
import numpy as np

from slidetile.raster.pixels import Pixels
from slidetile.slides.blocks import DamagedBlockError
from slidetile.slides.czi._directory import Subblock
from slidetile.slides.czi._jpegxr import is_jpegxr, read_jpegxr_header
from slidetile.slides.reader import FinalRefusalError

GREY, COLOUR = 0, 3
CHANNELS = {GREY: 1, COLOUR: 3}
"""Channels of the types of pixels that are read."""

_RAW, _JPEG_XR, _ZSTD, _ZSTD_WITH_HEADER = 0, 4, 5, 6
_NAMES = {1: "JPEG", 2: "LZW", 3: "lossless JPEG", 7: "chunks", 8: "JPEG XL"}
_DECODED = frozenset({_RAW, _JPEG_XR, _ZSTD, _ZSTD_WITH_HEADER})
_BITS = {1: "16-bit", 2: "32-bit floating-point", 4: "16-bit", 8: "32-bit floating-point"}
_BITS |= {10: "complex", 11: "complex", 12: "32-bit", 13: "64-bit floating-point"}
_SHUFFLED = 1


def check_encoding(subblock: Subblock) -> None:
    """Check that a tile can be decoded without a loss.

    Raises
    ------
    FinalRefusalError
        It cannot.
    """
    if subblock.pixel_type in _BITS:
        raise FinalRefusalError(
            f"its samples are {_BITS[subblock.pixel_type]} numbers, not 8-bit unsigned, and their "
            "finest steps would be lost: convert it to 8 bits, on a scale that you choose"
        )
    if subblock.pixel_type not in CHANNELS:
        raise FinalRefusalError(
            f"its pixels are of Zeiss's type {subblock.pixel_type}, not 8-bit grey or colour: "
            "export it in one of these"
        )
    if subblock.compression not in _DECODED:
        name = _NAMES.get(subblock.compression, f"Zeiss's compression {subblock.compression}")
        raise FinalRefusalError(
            f"its tiles are stored as {name}, not uncompressed or as JPEG XR or Zstandard: export "
            "it in one of these"
        )


def decode(subblock: Subblock, stored: bytes) -> Pixels:
    """Return a tile's pixels as uint8 [row, column, channel], red first.

    At the edges of a coarser level some writers store a row or a column less than they say: the
    last one is repeated.

    Raises
    ------
    DamagedBlockError
        It is not what the directory says.
    """
    height, width = subblock.stored_height, subblock.stored_width
    shape = height, width, CHANNELS[subblock.pixel_type]
    if subblock.compression == _JPEG_XR and is_jpegxr(stored):  # some writers leave it out
        return _completed(_jpegxr(subblock, stored, shape), shape)
    if subblock.compression in (_ZSTD, _ZSTD_WITH_HEADER):
        stored = _inflated(stored, shape, has_header=subblock.compression == _ZSTD_WITH_HEADER)
    return _completed(_raw(subblock, stored, shape), shape)


def _completed(pixels: Pixels, shape: tuple[int, int, int]) -> Pixels:
    missing = shape[0] - pixels.shape[0], shape[1] - pixels.shape[1]
    if not any(missing):
        return pixels
    return np.pad(pixels, ((0, missing[0]), (0, missing[1]), (0, 0)), mode="edge")


def _jpegxr(subblock: Subblock, stored: bytes, shape: tuple[int, int, int]) -> Pixels:
    header = read_jpegxr_header(stored)
    if header is None or header.stop > len(stored):
        raise DamagedBlockError("its JPEG XR is cut short, or has no header")
    own = header.height, header.width, header.channels
    if own not in _shapes(subblock, shape):
        raise DamagedBlockError(f"its JPEG XR is of another shape {own} than {shape}")
    pixels = np.empty(own, np.uint8)
    imagecodecs.jpegxr_decode(stored, out=pixels if own[2] > 1 else pixels[..., 0])
    return pixels


def _inflated(stored: bytes, shape: tuple[int, int, int], *, has_header: bool) -> bytes:
    """Return the bytes of a Zstandard frame; nothing inflates beyond the tile's size."""
    if has_header:
        size = stored[0] if stored else 0
        if size not in (1, 3) or (size == 3 and stored[1:2] != b"\1"):
            raise DamagedBlockError("its Zstandard has an unknown header")
        if size == 3 and stored[2] & _SHUFFLED:
            raise DamagedBlockError("its 8-bit samples are shuffled as if they had 16")
        stored = stored[size:]
    room = bytearray(int(np.prod(shape)))
    count = len(imagecodecs.zstd_decode(stored, out=memoryview(room)))
    return bytes(memoryview(room)[:count])


def _raw(subblock: Subblock, stored: bytes, shape: tuple[int, int, int]) -> Pixels:
    flat = np.frombuffer(stored, np.uint8)
    found = [own for own in _shapes(subblock, shape) if flat.size == own[0] * own[1] * own[2]]
    if len(found) != 1:  # of two that have as many pixels, one is sheared
        raise DamagedBlockError(f"{flat.size} bytes instead of {int(np.prod(shape))}")
    return flat.reshape(found[0])[..., ::-1]


def _shapes(subblock: Subblock, shape: tuple[int, int, int]) -> list[tuple[int, int, int]]:
    """Return the shapes that a tile's pixels may have."""
    height, width, channels = shape
    if (subblock.width, subblock.height) == (width, height):
        return [shape]
    found = [(height - down, width - across) for down in (0, 1) for across in (0, 1)]
    return [(rows, columns, channels) for rows, columns in found if min(rows, columns) > 0]

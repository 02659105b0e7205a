"""Pixels as JPEG XL codestreams, without loss.

Knows codestreams and pixel arrays. Does not know where a stream comes from.
"""

import struct
from typing import Any

import numpy as np
from numpy.typing import NDArray

from slidetile.raster.jpegxl_header import JpegxlError, JpegxlHeader

_CONTAINER = b"\x00\x00\x00\x0cJXL \r\n\x87\n"
_BOX = struct.Struct(">I4s")
_SAFE_EFFORT = 2
"""An effort that makes plain streams of all pixels."""

_GROUP_PX = 256
"""Side up to which an image is a single group."""


def encode_jpegxl(pixels: NDArray[Any], effort: int) -> bytes:
    """Return pixels as a plain codestream; see `slidetile.raster.jpegxl_header`.

    The same pixels give the same bytes: libjxl works in this thread alone.

    Parameters
    ----------
    pixels
        uint8 or uint16 [row, column, channel] with 1 or 3 channels, of any strides.
    effort
        1–9, of libjxl. From 5 on it cuts out what repeats, such as letters, as a frame of its own:
        such an image is encoded with effort 2 instead, since its stream would not be plain.
    """
    is_unsafe = pixels.itemsize > 1 and max(pixels.shape) <= _GROUP_PX
    if is_unsafe:  # libjxl 0.11 with effort 1 overruns its memory where 16-bit noise is one group
        effort = max(effort, _SAFE_EFFORT)
    stream = _encode(pixels, effort)
    try:
        JpegxlHeader.read(stream)
    except JpegxlError:
        stream = _encode(pixels, _SAFE_EFFORT)
    return stream


def decode_jpegxl(stream: bytes, out: NDArray[Any]) -> NDArray[Any]:
    """Decode a stream into an array, and return that.

    Parameters
    ----------
    stream
        A codestream.
    out
        uint8 or uint16 [row, column, channel] with 1 or 3 channels, contiguous, of exactly the
        stream's shape and type, which are compared before any memory is taken.

    Raises
    ------
    JpegxlError
        It is of another shape or type, is not plain, or does not decode.
    """
    import imagecodecs

    header = JpegxlHeader.read(stream)
    found, wanted = (*header[:3], f"uint{header.bits}"), (*out.shape, str(out.dtype))
    if found != wanted:
        raise JpegxlError(f"It has the shape and type {found} instead of {wanted}")
    image = out[..., 0] if header.channels == 1 else out
    try:
        imagecodecs.jpegxl_decode(stream, index=0, numthreads=1, out=image)
    except (imagecodecs.JpegxlError, RuntimeError, ValueError) as error:
        raise JpegxlError(str(error)) from error
    return out


def _encode(pixels: NDArray[Any], effort: int) -> bytes:
    import imagecodecs

    image = np.ascontiguousarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels)
    encoded = imagecodecs.jpegxl_encode(image, effort=effort, lossless=True, numthreads=1)
    return _codestream(bytes(encoded))


def _codestream(encoded: bytes) -> bytes:
    """Return what is in the container that libjxl puts around more than 12 bits."""
    if not encoded.startswith(_CONTAINER):
        return encoded
    at = 0
    while True:
        length, kind = _BOX.unpack_from(encoded, at)
        if kind == b"jxlc":
            return encoded[at + _BOX.size : at + length if length else None]
        at += length

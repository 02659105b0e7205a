"""WebP pictures: taken out of what holds them, checked by their lengths, decoded.

Knows RIFF containers and the headers of VP8 (RFC 6386, 9.1) and VP8L (RFC 9649, 3.4), and pixel
arrays. Does not know where a stream comes from. Nothing inside the data tells of damage: a decoder
makes other pixels of it, without a word.
"""

import struct
from typing import NamedTuple

import numpy as np

from slidetile.raster.pixels import Pixels
from slidetile.raster.stream import StreamError

_RIFF = struct.Struct("<4sI4s")
_CHUNK = struct.Struct("<4sI")
_EXTENDED = b"VP8X"
_KEY_FRAME = b"\x9d\x01\x2a"
_LOSSLESS = 0x2F
_ANIMATION, _ALPHA = 0x02, 0x10
_FIRST_CHUNK = _RIFF.size + _CHUNK.size


class WebpError(StreamError):
    """A stream is not a WebP picture, or not of the expected pixels."""


class _Picture(NamedTuple):
    """The one chunk of a file that holds pixels."""

    chunk: bytes
    """With its head and its padding."""

    width: int
    height: int
    has_alpha: bool
    """Whether it has transparency, or is one of several pictures."""


def decode_webp(stream: bytes, out: Pixels) -> Pixels:
    """Decode a stream into an array, and return that.

    Parameters
    ----------
    stream
        A WebP file.
    out
        uint8 [row, column, channel] with 3 channels, contiguous, of exactly the stream's shape,
        which is compared before any memory is taken.

    Raises
    ------
    WebpError
        It is of another shape, has transparency, or does not decode.
    """
    import imagecodecs

    if (unlike := unlike_rgb(stream, out.shape)) is not None:
        raise WebpError(f"its WebP {unlike}")
    try:
        imagecodecs.webp_decode(stream, hasalpha=False, out=out)
    except (imagecodecs.WebpError, RuntimeError, ValueError) as error:
        raise WebpError(str(error)) from error
    return out


def check_webp(stream: bytes) -> None:
    """Decode a stream whose shape has been compared with what is expected.

    Raises
    ------
    WebpError
        As in `decode_webp`.
    """
    found = _find(stream)
    decode_webp(stream, np.empty((found.height, found.width, 3), np.uint8))


def encode_averaged_webp(pixels: Pixels) -> bytes:
    """Return pixels as an extended WebP file, without loss, which `is_averaged_webp` knows."""
    import imagecodecs

    stream = bytes(imagecodecs.webp_encode(pixels, lossless=True, numthreads=1))
    height, width, _ = pixels.shape
    canvas = bytes(4) + (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    return _file(_CHUNK.pack(_EXTENDED, len(canvas)) + canvas + _find(stream).chunk)


def is_averaged_webp(stream: bytes) -> bool:
    """Return whether a file is extended, as no copied one is."""
    return stream.startswith(_EXTENDED, _RIFF.size)


def unlike_rgb(stream: bytes, shape: tuple[int, ...]) -> str | None:
    """Return how a picture differs from RGB pixels of a shape.

    Raises
    ------
    WebpError
        It is no WebP picture, or is cut short.
    """
    found = _find(stream)
    if (found.height, found.width, 3) != shape:
        return f"has the shape {(found.height, found.width, 3)} instead of {shape}"
    return "has transparency or several pictures" if found.has_alpha else None


def plain_webp(stream: bytes) -> bytes:
    """Return the picture of a file as one of its own, without what else the file holds.

    A simple file is returned as it is, but for what follows its end.

    Raises
    ------
    WebpError
        It is no WebP picture, or is cut short.
    """
    return _file(_find(stream).chunk)


def _file(chunks: bytes) -> bytes:
    return _RIFF.pack(b"RIFF", 4 + len(chunks), b"WEBP") + chunks


def _find(stream: bytes) -> _Picture:
    if len(stream) < _FIRST_CHUNK:
        raise WebpError("the stored bytes are not WebP")
    riff, size, form = _RIFF.unpack_from(stream)
    if (riff, form) != (b"RIFF", b"WEBP"):
        raise WebpError("the stored bytes are not WebP")
    end = 8 + size
    if end > len(stream):
        raise WebpError("it is cut short")
    at, flags = _RIFF.size, 0
    while at + _CHUNK.size <= end:
        name, length = _CHUNK.unpack_from(stream, at)
        after = at + _CHUNK.size + length
        if after > end:
            break
        if name in (b"VP8 ", b"VP8L"):
            whole = stream[at:after] + b"\0" * (length & 1)
            return _read(whole, is_lossless=name == b"VP8L", flags=flags)
        if name == _EXTENDED and length:
            flags = stream[at + _CHUNK.size]
        at = after + (length & 1)
    raise WebpError("it is cut short")


def _read(chunk: bytes, *, is_lossless: bool, flags: int) -> _Picture:
    body = chunk[_CHUNK.size : _CHUNK.size + 10]
    is_odd = bool(flags & (_ANIMATION | _ALPHA))
    if is_lossless and len(body) >= 5 and body[0] == _LOSSLESS:
        bits = int.from_bytes(body[1:5], "little")
        width, height = 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
        return _Picture(chunk, width, height, is_odd or bool(bits >> 28 & 1))
    if not is_lossless and len(body) == 10 and body[3:6] == _KEY_FRAME and not body[0] & 1:
        width, height = (int.from_bytes(body[i : i + 2], "little") & 0x3FFF for i in (6, 8))
        first_part = int.from_bytes(body[:3], "little") >> 5
        if first_part > len(chunk) - _CHUNK.size:
            raise WebpError("it is cut short")
        return _Picture(chunk, width, height, is_odd)
    raise WebpError("the stored bytes are not WebP")

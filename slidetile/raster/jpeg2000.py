"""JPEG 2000 codestreams: taken out of what holds them, checked by their markers, decoded.

Knows codestreams (ISO 15444-1, annex A) and pixel arrays. Does not know where a stream comes from.
"""

import re

import numpy as np

from slidetile.raster.jpeg2000_header import (
    Extent,
    Jpeg2000Error,
    check_codestream,
    find_codestream,
    read_size,
)
from slidetile.raster.pixels import Pixels

_SIZ, _COM, _SOT, _SOD, _EOC = 0xFF51, 0xFF64, 0xFF90, 0xFF93, b"\xff\xd9"
_PART_HEAD_BYTES = 12
_LONG_ZEROS = bytes(64)
"""More zeros than encoders write in a row; a hole in a file has thousands."""

_NO_DATA = re.compile(rb"\xff[\x90\x93-\xff]")
"""What no packet holds (annex A.1.4): two bytes above FF8F, but for the markers SOP and EPH."""

_PLAIN_COLOURS = b"colr\x01\x00\x00\x00\x00\x00\x10"
"""The box of a JP2 file that calls its colours sRGB, but for two bytes that decoders pass over."""

_ODD_BOXES = (b"pclr", b"cmap", b"cdef")
"""Boxes by which a decoder makes other pixels than the codestream alone gives."""

_MARK = b"\xff\x64\x00\x16\x00\x01slidetile averaged"
"""A comment just behind the size, which no copied stream has: theirs are left out."""


def decode_jpeg2000(stream: bytes, out: Pixels) -> Pixels:
    """Decode a stream into an array, and return that.

    Parameters
    ----------
    stream
        A codestream, or a JP2 file.
    out
        uint8 [row, column, channel], contiguous, of exactly the stream's shape, which is compared
        before any memory is taken.

    Raises
    ------
    Jpeg2000Error
        It is of another shape, is cut into far more parts than any encoder makes, or does not
        decode.
    """
    import imagecodecs

    check_codestream((stream, 0, len(stream)), out.shape)
    image = out[..., 0] if out.shape[2] == 1 else out
    try:
        imagecodecs.jpeg2k_decode(stream, out=image)
    except (imagecodecs.Jpeg2kError, RuntimeError, ValueError) as error:
        raise Jpeg2000Error(str(error)) from error
    return out


def check_jpeg2000(stream: bytes) -> None:
    """Decode a stream whose shape has been compared with what is expected.

    Raises
    ------
    Jpeg2000Error
        As in `decode_jpeg2000`.
    """
    decode_jpeg2000(stream, np.empty(_shape(stream), np.uint8))


def encode_averaged_jpeg2000(pixels: Pixels) -> bytes:
    """Return pixels as a codestream without loss, which `is_averaged_jpeg2000` knows."""
    import imagecodecs

    made = imagecodecs.jpeg2k_encode(
        pixels, level=0, codecformat="j2k", reversible=True, mct=True, numthreads=1
    )
    stream = plain_codestream((bytes(made), 0, len(made)))
    after = _after_size(stream)
    return stream[:after] + _MARK + stream[after:]


def is_averaged_jpeg2000(stream: bytes) -> bool:
    """Return whether a codestream is one of `encode_averaged_jpeg2000`."""
    return stream.startswith(_MARK, _after_size(stream))


def unlike_pixels(extent: Extent, shape: tuple[int, int, int]) -> str | None:
    """Return how a block differs from 8-bit pixels of a shape, decoded by its codestream alone.

    Raises
    ------
    Jpeg2000Error
        It is no JPEG 2000.
    """
    at = find_codestream(extent)
    size = None if at is None else read_size(extent, at)
    if at is None or size is None:
        raise Jpeg2000Error("the stored bytes are no codestream")
    if size.shape != shape:
        return f"has the shape {size.shape} instead of {shape}"
    if size.is_subsampled or not size.is_8_bit:
        return "does not have 8 bits for every sample of every pixel"
    boxes = extent[0][extent[1] : at]
    is_plain = not boxes or _is_srgb(boxes)
    return None if is_plain else "lies in a JP2 file that changes its colours"


def plain_codestream(extent: Extent) -> bytes:
    """Return a block's codestream, with neither the boxes around it nor comments.

    Raises
    ------
    Jpeg2000Error
        Its markers tell that it is damaged: a part is cut short, or it has no end. Where its data
        look odd it is decoded, and its decoder tells.
    """
    at = find_codestream(extent)
    if at is None:
        raise Jpeg2000Error("the stored bytes are no codestream")
    check_codestream(extent, _shape(extent[0][at : extent[2]]))
    data, _, stop = extent
    kept, first_part = _main_header(data, at, stop)
    parts, is_odd = _parts(data, first_part, stop)
    stream = b"".join((*kept, *parts, _EOC))
    if is_odd:
        check_jpeg2000(stream)
    return stream


def _is_srgb(boxes: bytes) -> bool:
    plain = re.escape(_PLAIN_COLOURS[:5]) + b".." + re.escape(_PLAIN_COLOURS[7:])
    is_srgb = boxes.count(b"colr") == 1 and re.search(plain, boxes, re.DOTALL) is not None
    return is_srgb and not any(box in boxes for box in _ODD_BOXES)


def _shape(stream: bytes) -> tuple[int, int, int]:
    extent = stream, 0, len(stream)
    at = find_codestream(extent)
    size = None if at is None else read_size(extent, at)
    if size is None:
        raise Jpeg2000Error("the stored bytes are no codestream")
    return size.shape


def _after_size(stream: bytes) -> int:
    return 4 + int.from_bytes(stream[4:6])


def _main_header(data: bytes, at: int, stop: int) -> tuple[list[bytes], int]:
    """Return the header's segments without comments, and where the first part of a tile begins."""
    kept = [data[at : at + 2]]
    at += 2
    while at + 4 <= stop:
        marker, length = int.from_bytes(data[at : at + 2]), int.from_bytes(data[at + 2 : at + 4])
        if marker == _SOT:
            return kept, at
        if marker < _SIZ or length < 2 or at + 2 + length > stop:
            break
        if marker != _COM:
            kept.append(data[at : at + 2 + length])
        at += 2 + length
    raise Jpeg2000Error("its header is cut short")


def _parts(data: bytes, at: int, stop: int) -> tuple[list[bytes | memoryview], bool]:
    """Return the parts of tiles without comments, and whether the data give cause to decode."""
    parts: list[bytes | memoryview] = []
    is_odd = False
    while not data.startswith(_EOC, at, stop):
        if at + _PART_HEAD_BYTES > stop or int.from_bytes(data[at : at + 2]) != _SOT:
            raise Jpeg2000Error("no end marker")
        length = int.from_bytes(data[at + 6 : at + 10])
        end = at + length if length else data.rfind(_EOC, at, stop)
        if end > stop or end < at + _PART_HEAD_BYTES:
            raise Jpeg2000Error("a part of it is cut short")
        begin, comments = _part_header(data, at, end)
        is_odd = is_odd or data.find(_LONG_ZEROS, begin, end) >= 0
        if _NO_DATA.search(data, begin, end) is not None:
            raise Jpeg2000Error("a marker amid its data")
        whole = memoryview(data)[at:end]
        parts.append(_without(data, at, end, comments) if comments else whole)
        at = end
    return parts, is_odd


def _part_header(data: bytes, at: int, end: int) -> tuple[int, list[tuple[int, int]]]:
    """Return where the data of a part begin, after its header, and the comments in that."""
    at += _PART_HEAD_BYTES
    comments: list[tuple[int, int]] = []
    while at + 2 <= end:
        marker, length = int.from_bytes(data[at : at + 2]), int.from_bytes(data[at + 2 : at + 4])
        if marker == _SOD:
            return at + 2, comments
        if marker < _SIZ or length < 2:
            break
        if marker == _COM:
            comments.append((at, at + 2 + length))
        at += 2 + length
    raise Jpeg2000Error("a part of it is cut short")


def _without(data: bytes, at: int, end: int, comments: list[tuple[int, int]]) -> bytes:
    """Return a part without the comments in its header, which could hold text."""
    dropped = sum(after - before for before, after in comments)
    stated = int.from_bytes(data[at + 6 : at + 10])
    length = stated and stated - dropped  # 0 is up to the end
    kept = [data[at : at + 6], length.to_bytes(4)]
    place = at + 10
    for before, after in comments:
        kept.append(data[place:before])
        place = after
    return b"".join((*kept, data[place:end]))

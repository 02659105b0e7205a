"""Headers of JPEG 2000 blocks: what a decoder will take memory for (ISO 15444-1, annexes A and I).

A block is a bare codestream, or a JP2 file, whose codestream lies in a box of its own: what looks
like one in another box is not what a decoder reads.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from slidetile.raster.stream import StreamError

Extent = tuple[bytes, int, int]
"""The bytes that hold a block, its start and its stop within them."""

_CODESTREAM = b"\xff\x4f\xff\x51"
_JP2 = b"\x00\x00\x00\x0cjP  \r\n\x87\n"
_SYCC = re.compile(rb"colr\x01..\x00\x00\x00\x12", re.DOTALL)
"""The box of a JP2 file that calls its colours sYCC."""

_SIZE_END = 45
"""Least bytes of a codestream up to the end of the size segment of one component."""

_UNSIGNED_8_BIT = 7

_COD, _COC, _SOT, _SOD = 0xFF52, 0xFF53, 0xFF90, 0xFF93
_LEAST_TILE_PX = 4096
"""A decoder takes 6 kB for each of a block's own tiles: they may not be smaller on the average."""

_LEAST_CODE_BLOCK_BITS = 8
"""Code blocks of at least 256 samples; encoders use 1024 or 4096."""

_PACKET_LIMIT = 1 << 18
"""Packets of a block; a usual one has some dozens."""

_LARGEST_PRECINCT_BITS = 15


class Jpeg2000Error(StreamError):
    """A block is not JPEG 2000, or not of the expected pixels."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """What a codestream's size segment says."""

    shape: tuple[int, int, int]
    """(rows, columns, components)."""

    tiles: int
    """The tiles that the block itself is cut into."""

    is_subsampled: bool
    """Whether a component has fewer samples than pixels."""

    is_8_bit: bool
    """Whether all samples are unsigned, of 8 bits."""


def check_codestream(extent: Extent, shape: tuple[int, ...]) -> None:
    """Compare a codestream with its block, before memory is allocated for it.

    Raises
    ------
    Jpeg2000Error
        It is none, has another shape, or is cut into far more parts than any encoder makes.
    """
    at = find_codestream(extent)
    size = None if at is None else read_size(extent, at)
    if at is None or size is None:
        raise Jpeg2000Error("the stored bytes are no codestream")
    if size.shape != shape:
        raise Jpeg2000Error(f"its codestream has the shape {size.shape} instead of {shape}")
    if size.is_subsampled:
        raise Jpeg2000Error("its codestream has subsampled components")
    height, width, _ = size.shape
    if size.tiles > max(16, height * width // _LEAST_TILE_PX):
        raise Jpeg2000Error(f"its codestream is cut into {size.tiles} tiles")
    for marker, body in _segments(extent, at):
        if marker in (_COD, _COC):
            _check_coding(marker, body, size.shape)


def is_subsampled(extent: Extent) -> bool:
    """Return whether components of a JPEG 2000 block are stored smaller than the block."""
    at = find_codestream(extent)
    size = None if at is None else read_size(extent, at)
    return size is not None and size.is_subsampled


def stated_samples(extent: Extent) -> tuple[tuple[int, int, int], int] | None:
    """Return the (height, width, components) and the bits of a sample; None if it is damaged.

    Subsampled components count as the others, and signed ones as larger than any.
    """
    at = find_codestream(extent)
    size = None if at is None else read_size(extent, at)
    if at is None or size is None:
        return None
    data, _, stop = extent
    count = size.shape[2]
    kinds = data[at + 42 : min(at + 42 + 3 * count, stop) : 3]
    bits = max(((kind & 0x7F) + 1) if kind < 0x80 else 64 for kind in kinds) if kinds else 64
    return size.shape, bits


def has_transform(extent: Extent) -> bool:
    """Return whether decoding turns three components into RGB by itself.

    A codestream says so (SGcod, its third part); and decoders convert what a JP2 file calls sYCC.
    """
    at = find_codestream(extent)
    if at is None:
        return False
    data, start, _ = extent
    if _SYCC.search(data, start, at) is not None:
        return True
    segments = _segments(extent, at)
    return any(marker == _COD and body[4:5] == b"\1" for marker, body in segments)


def find_codestream(extent: Extent) -> int | None:
    """Return where the codestream begins that a decoder would read."""
    data, start, stop = extent
    if data.startswith(_CODESTREAM, start, stop):
        return start
    if not data.startswith(_JP2, start, stop):
        return None
    at = start
    while at + 8 <= stop:
        length, body = int.from_bytes(data[at : at + 4]), at + 8
        if length == 1:
            length, body = int.from_bytes(data[at + 8 : at + 16]), at + 16
        if data[at + 4 : at + 8] == b"jp2c":
            return body if data.startswith(_CODESTREAM, body, stop) else None
        if length < body - at:
            return None
        at += length
    return None


def read_size(extent: Extent, at: int) -> Size | None:
    """Return what the codestream that begins at a byte says of its size; None if it is cut."""
    data, _, stop = extent
    if at + _SIZE_END > stop:
        return None
    places = range(at + 8, at + 40, 4)
    right, bottom, left, top, across, down, first_x, first_y = (
        int.from_bytes(data[place : place + 4]) for place in places
    )
    count = int.from_bytes(data[at + 40 : at + 42])
    if not across or not down:
        return None
    components = data[at + 42 : min(at + 42 + 3 * count, stop)]
    columns, rows = -(-(right - first_x) // across), -(-(bottom - first_y) // down)
    return Size(
        shape=(bottom - top, right - left, count),
        tiles=max(1, columns) * max(1, rows),
        is_subsampled=any(components[i] != 1 for i in range(len(components)) if i % 3),
        is_8_bit=set(components[::3]) == {_UNSIGNED_8_BIT},
    )


def _segments(extent: Extent, at: int) -> Iterator[tuple[int, bytes]]:
    """Yield the marker and the body of each segment in the headers, those of tile parts too."""
    data, _, stop = extent
    at += 2
    part_end = stop
    while at + 4 <= stop:
        marker, length = int.from_bytes(data[at : at + 2]), int.from_bytes(data[at + 2 : at + 4])
        if marker == _SOD:
            at = max(part_end, at + 2)
            continue
        if marker < 0xFF00 or length < 2:
            return
        if marker == _SOT:
            part = int.from_bytes(data[at + 6 : at + 10])
            part_end = at + part if part >= 14 else stop
        yield marker, data[at + 4 : min(at + 2 + length, stop)]
        at += 2 + length


def _check_coding(marker: int, body: bytes, shape: tuple[int, int, int]) -> None:
    """Check the size of code blocks, and how many packets there are."""
    height, width, count = shape
    skipped = 0 if marker == _COD else 1 if count < 257 else 2
    layers = int.from_bytes(body[2:4]) if marker == _COD else 1
    # Then, in both: decomposition levels, code block width and height, style, transform, precincts.
    coding = body[5:] if marker == _COD else body[skipped + 1 :]
    has_precincts = bool(body[: skipped + 1]) and bool(body[skipped] & 1)
    if len(coding) < 5:
        raise Jpeg2000Error("its codestream has a header that is cut short")
    if coding[1] + coding[2] + 4 < _LEAST_CODE_BLOCK_BITS:
        raise Jpeg2000Error("its codestream has code blocks of under 256 samples")
    sizes = coding[5 : 6 + coding[0]] if has_precincts else b""
    across = min((each & 15 for each in sizes), default=_LARGEST_PRECINCT_BITS)
    down = min((each >> 4 for each in sizes), default=_LARGEST_PRECINCT_BITS)
    precincts = -(-width >> across) * -(-height >> down)
    packets = layers * (coding[0] + 1) * count * max(1, precincts)
    if packets > _PACKET_LIMIT:
        raise Jpeg2000Error(f"its codestream has {packets} packets, more than {_PACKET_LIMIT}")

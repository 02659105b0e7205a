"""The directories of a BigTIFF as bytes (TIFF 6.0; the BigTIFF design of libtiff).

Knows tags and offsets. Does not know what the tags say.
"""

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

MARK = b"slidetile OME-TIFF"
"""What follows the header, so that a file of slidetile's is known."""

_FIRST = 64

HEADER = struct.pack("<2sHHHQ", b"II", 43, 8, 0, _FIRST) + MARK.ljust(_FIRST - 16, b"\0")
"""How each file begins: the header of a BigTIFF whose first directory is at 64, and the mark."""

TILE_OFFSETS, TILE_BYTE_COUNTS, SUB_IFDS = 324, 325, 330

Value = tuple[int, int, bytes]
"""(type, count, bytes) of a tag's value."""


def shorts(*values: int) -> Value:
    """Return a value of 16-bit numbers."""
    return 3, len(values), struct.pack(f"<{len(values)}H", *values)


def longs(*values: int) -> Value:
    """Return a value of 32-bit numbers."""
    return 4, len(values), struct.pack(f"<{len(values)}I", *values)


def rational(value: Fraction) -> Value:
    """Return a value of a fraction, as near to it as two numbers of 32 bits come."""
    most = (1 << 32) - 1
    near = value.limit_denominator(most // max(1, -(-value.numerator // value.denominator)))
    return 5, 1, struct.pack("<II", min(near.numerator, most), near.denominator)


def text(value: str) -> Value:
    """Return a value of text, in UTF-8."""
    data = value.encode() + b"\0"
    return 2, len(data), data


def blob(value: bytes) -> Value:
    """Return a value of bytes that mean something elsewhere."""
    return 7, len(value), value


@dataclass(slots=True, kw_only=True)
class Directory:
    """One image of the file."""

    tags: Mapping[int, Value]
    """Its tags, but for those of the tiles and of the smaller images."""

    tiles: int
    """Number of its tiles, absent ones included."""

    is_chained: bool
    """Whether it follows in the chain of images."""

    smaller: "Sequence[Directory]" = ()
    """The coarser levels that it names."""

    extents: NDArray[np.uint64] = field(init=False)
    """(offset, length) of each tile, as [tile, 2]; zeros where it is absent."""

    def __post_init__(self) -> None:
        self.extents = np.zeros((self.tiles, 2), np.uint64)

    def values(self, places: Mapping[int, int]) -> dict[int, Value]:
        """Return all tags; ``places`` are those of the directories, by their identity."""
        offsets, counts = (self.extents[:, i].astype("<u8").tobytes() for i in (0, 1))
        values = dict(self.tags)
        values[TILE_OFFSETS] = 16, self.tiles, offsets
        values[TILE_BYTE_COUNTS] = 16, self.tiles, counts
        if self.smaller:
            at = [places.get(id(each), 0) for each in self.smaller]
            values[SUB_IFDS] = 18, len(at), struct.pack(f"<{len(at)}Q", *at)
        return dict(sorted(values.items()))

    def size(self) -> int:
        """Return the bytes that it takes."""
        values = self.values({})
        beside = sum(_padded(len(data)) for _, _, data in values.values() if len(data) > 8)
        return 8 + 20 * len(values) + 8 + _padded_gap(len(values)) + beside


def render(directories: Sequence[Directory]) -> bytes:
    """Return the head of a file: the header, and all its directories.

    Its length depends on the tags and the numbers of tiles, not on where these lie.
    """
    places, at = {}, _FIRST
    for each in directories:
        places[id(each)] = at
        at += each.size()
    chained = [places[id(each)] for each in directories if each.is_chained]
    following = dict(zip(chained, [*chained[1:], 0], strict=True))
    return HEADER + b"".join(
        _rendered(each.values(places), places[id(each)], following.get(places[id(each)], 0))
        for each in directories
    )


def end_of_tiles(directories: Sequence[Directory], head: bytes) -> int:
    """Return where the last tile ends, as the head of a file of such directories says; 0 of none.

    Raises
    ------
    ValueError
        It is no such head.
    """
    at, end = _FIRST, 0
    for each in directories:
        offsets, counts = (_numbers(head, at, tag) for tag in (TILE_OFFSETS, TILE_BYTE_COUNTS))
        if len(offsets) != len(counts):
            raise ValueError(f"It has {len(offsets)} offsets of tiles, but {len(counts)} lengths.")
        end = max(end, int((offsets + counts).max(initial=0)))
        at += each.size()
    return end


def _numbers(head: bytes, at: int, tag: int) -> NDArray[np.uint64]:
    """Return the 64-bit numbers of a tag in the directory at a place."""
    try:
        (tags,) = struct.unpack_from("<Q", head, at)
        for entry in range(at + 8, at + 8 + 20 * tags, 20):
            found, _, count, place = struct.unpack_from("<HHQQ", head, entry)
            if found == tag:
                return np.frombuffer(head, "<u8", count, entry + 12 if count == 1 else place)
    except struct.error as error:
        raise ValueError(f"It ends within a directory: {error}.") from error
    raise ValueError(f"It has no tag {tag}.")


def _rendered(values: Mapping[int, Value], at: int, following: int) -> bytes:
    begin = at + 8 + 20 * len(values) + 8 + _padded_gap(len(values))
    entries, beside = [], []
    for tag, (kind, count, data) in values.items():
        entries.append(struct.pack("<HHQ", tag, kind, count))
        if len(data) <= 8:
            entries.append(data.ljust(8, b"\0"))
        else:
            entries.append(struct.pack("<Q", begin))
            beside.append(data.ljust(_padded(len(data)), b"\0"))
            begin += len(beside[-1])
    head = struct.pack("<Q", len(values)) + b"".join(entries) + struct.pack("<Q", following)
    return head + bytes(_padded_gap(len(values))) + b"".join(beside)


def _padded(length: int) -> int:
    return -(-length // 8) * 8


def _padded_gap(count: int) -> int:
    return -(20 * count) % 8

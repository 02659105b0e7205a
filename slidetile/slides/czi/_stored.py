"""The stored bytes of a CZI's tiles."""

import struct
from collections.abc import Sequence

from slidetile.slides.czi._decoding import CHANNELS
from slidetile.slides.czi._directory import DIMENSION, ENTRY, MOST_DIMENSIONS, Subblock
from slidetile.slides.czi._segments import HEAD_BYTES
from slidetile.slides.native import Damaged
from slidetile.slides.slide_file import Extent, SlideFile

_NAME = b"ZISRAWSUBBLOCK"
_SIZES = struct.Struct("<iiq")
"""Bytes of a tile's own metadata, of its attachment, and of its pixels."""

_LEAST_CONTENT_BYTES = 256
_READ_BYTES = HEAD_BYTES + _SIZES.size + ENTRY.size

_BEYOND = Damaged("beyond the end of the file")
_TOO_LONG = Damaged("too many bytes")
_NO_HEAD = Damaged("its head is not that of a tile")
_OTHER = Damaged("its head is of another tile than the directory says")


def read_tiles(file: SlideFile, tiles: Sequence[Subblock]) -> list[Extent | Damaged]:
    """Read the stored bytes of tiles.

    Raises
    ------
    SlideReadError
        The file could not be read.
    """
    places = _places(file, tiles)
    sound = {number: place for number, place in enumerate(places) if isinstance(place, tuple)}
    read = file.read_extents(
        [start for start, _ in sound.values()], [count for _, count in sound.values()]
    )
    extents = dict(zip(sound, read, strict=True))
    return [
        place if isinstance(place, Damaged) else extents[number]
        for number, place in enumerate(places)
    ]


def _places(file: SlideFile, tiles: Sequence[Subblock]) -> list[tuple[int, int] | Damaged]:
    """Return where the bytes of each tile begin, and how many there are."""
    last = file.size - _READ_BYTES
    inside = [number for number, tile in enumerate(tiles) if 0 < tile.position <= last]
    starts = [tiles[number].position for number in inside]
    heads = file.read_extents(starts, [_READ_BYTES] * len(starts))
    found: list[tuple[int, int] | Damaged] = [_BEYOND] * len(tiles)
    for number, (data, begin, end) in zip(inside, heads, strict=True):
        found[number] = _place(data[begin:end], tiles[number], file.size)
    return found


def _place(head: bytes, tile: Subblock, file_bytes: int) -> tuple[int, int] | Damaged:
    """Return where a tile's bytes lie, by its head: they follow its own entry and metadata."""
    metadata, _, count = _SIZES.unpack_from(head, HEAD_BYTES)
    schema, pixel_type, _, _, compression, _, dimensions = ENTRY.unpack_from(
        head, HEAD_BYTES + _SIZES.size
    )
    is_tile = head.startswith(_NAME) and schema == b"DV"
    if not is_tile or min(metadata, count) < 0 or not 0 <= dimensions <= MOST_DIMENSIONS:
        return _NO_HEAD
    if (pixel_type, compression) != (tile.pixel_type, tile.compression):
        return _OTHER
    content = max(_LEAST_CONTENT_BYTES, _SIZES.size + ENTRY.size + DIMENSION.size * dimensions)
    start = tile.position + HEAD_BYTES + content + metadata
    if count > 4 * tile.stored_width * tile.stored_height * CHANNELS[tile.pixel_type] + (1 << 16):
        return _TOO_LONG
    return _BEYOND if start + count > file_bytes else (start, count)

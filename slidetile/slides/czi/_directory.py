"""The list of a CZI's tiles: where each lies on the slide and in the file, and how it is stored.

Zeiss calls them subblocks. Knows the entries of a directory. Does not know levels.
"""

import struct
from dataclasses import dataclass

from slidetile.errors import SlideReadError
from slidetile.slides.czi._segments import Contents
from slidetile.slides.reader import FinalRefusalError

ENTRY = struct.Struct("<2siqiiB5xi")
"""Schema, pixel type, place in the file, part, compression, pyramid, number of dimensions."""

DIMENSION = struct.Struct("<4siifi")
"""Name, start, size, coordinate, stored size."""

MOST_TILES = 1 << 17
"""Tiles of a slide: 400,000 × 400,000 pixels in tiles of a megapixel, with their pyramid."""

MOST_DIMENSIONS = 40
_NOWHERE = (0, 0, 0)

_PLANES = {
    "C": "channels",
    "Z": "depths",
    "T": "times",
    "R": "rotations",
    "I": "illuminations",
    "H": "phases",
    "V": "views",
    "B": "blocks",
}
"""Dimensions that are no place on the slide."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Subblock:
    """One tile, of any level."""

    position: int
    """Where its segment begins in the file."""

    pixel_type: int
    """Zeiss's number of its samples."""

    compression: int
    """Zeiss's number of its compression."""

    x: int
    """Left edge, in level-0 pixels of the slide's own frame, which may begin below 0."""

    y: int
    """Top edge, likewise."""

    width: int
    """Level-0 pixels that it covers."""

    height: int
    """Level-0 pixels that it covers."""

    stored_width: int
    """Columns of its own pixels."""

    stored_height: int
    """Rows of its own pixels."""

    layer: tuple[int, int]
    """Its scene, and its place in the stack of the scene's tiles: the highest is on top."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Directory:
    """The tiles of a file."""

    subblocks: tuple[Subblock, ...]
    """All of them, of all levels."""

    planes: dict[str, int]
    """How many places there are along each dimension that is no place on the slide, by its name
    in words; those of one place are left out."""


def parse_directory(contents: Contents) -> Directory:
    """Return the tiles that a file lists.

    Raises
    ------
    SlideReadError
        The list is damaged, or empty.
    FinalRefusalError
        It is longer than any slide's.
    """
    data, count = contents.directory, contents.count
    if count > MOST_TILES:
        raise FinalRefusalError(f"it lists {count} tiles, more than the {MOST_TILES} of any slide")
    if not 0 < count <= len(data) // ENTRY.size:
        raise SlideReadError(
            f"it lists {count} tiles in {len(data)} bytes: it has none, or is damaged"
        )
    planes = {name: _Places() for name in _PLANES}
    subblocks, at = [], 0
    for _ in range(count):
        fields, sizes = _entry(data, at)
        at += ENTRY.size + DIMENSION.size * len(sizes)
        subblocks.append(_subblock(fields, sizes))
        for name in planes.keys() & sizes.keys():
            planes[name].add(*sizes[name][:2])
    counts = {_PLANES[name]: places.count for name, places in planes.items() if places.count > 1}
    return Directory(subblocks=tuple(subblocks), planes=counts)


class _Places:
    """The places along one dimension."""

    def __init__(self) -> None:
        self._starts: set[int] = set()
        self._longest = 0

    def add(self, start: int, size: int) -> None:
        self._starts.add(start)
        self._longest = max(self._longest, size)

    @property
    def count(self) -> int:
        return max(len(self._starts), self._longest)


def _entry(data: bytes, at: int) -> tuple[tuple[int, ...], dict[str, tuple[int, int, int]]]:
    """Return the fields of an entry, and start, size and stored size by dimension."""
    if at + ENTRY.size > len(data):
        raise SlideReadError("the list of its tiles ends too early: it is damaged, copy it again")
    schema, *fields, count = ENTRY.unpack_from(data, at)
    if schema != b"DV":
        raise SlideReadError(f"the list of its tiles has an entry of an unknown kind ({schema!r})")
    begin, end = at + ENTRY.size, at + ENTRY.size + DIMENSION.size * count
    if not 0 <= count <= MOST_DIMENSIONS or end > len(data):
        raise SlideReadError(
            f"the list of its tiles has an entry of {count} dimensions: it is damaged, copy "
            "it again"
        )
    sizes = {
        name.rstrip(b"\0").decode("latin-1"): (start, size, stored)
        for name, start, size, _, stored in DIMENSION.iter_unpack(data[begin:end])
    }
    if len(sizes) < count or not {"X", "Y"} <= sizes.keys():
        raise SlideReadError("the list of its tiles has an entry without x and y: it is damaged")
    return tuple(fields), sizes


def _subblock(fields: tuple[int, ...], sizes: dict[str, tuple[int, int, int]]) -> Subblock:
    pixel_type, position, part, compression, _ = fields
    if part:
        raise FinalRefusalError(
            "its pixels are spread over several files: save the image as one file"
        )
    (x, width, stored_width), (y, height, stored_height) = sizes["X"], sizes["Y"]
    stored = stored_width or width, stored_height or height  # 0 stands for the same
    if min(width, height, *stored) < 1:
        raise SlideReadError(
            f"the list of its tiles has one of {width}×{height} pixels, stored as {stored[0]}×"
            f"{stored[1]}: it is damaged"
        )
    return Subblock(
        position=position,
        pixel_type=pixel_type,
        compression=compression,
        x=x,
        y=y,
        width=width,
        height=height,
        stored_width=stored[0],
        stored_height=stored[1],
        layer=(sizes.get("S", _NOWHERE)[0], sizes.get("M", _NOWHERE)[0]),
    )

"""What lies behind a DICOM header: where the frames are, in the slide and in the file.

There may be a million frames, each with some ten elements. pydicom would make objects of them all;
here three are looked for, and the others passed over.
"""

from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field
from struct import unpack_from

import numpy as np
from numpy.typing import NDArray

from slidetile.errors import SlideReadError
from slidetile.slides.dicom._header import PER_FRAME
from slidetile.slides.dicom._stream import HeaderStream
from slidetile.slides.dicom.file import LONG_TYPES

MOST_FRAMES = 1 << 24
"""Most frames of a level: more than any slide has."""

LEAST_FRAME_BYTES = 8
"""Of a frame that is an item without a content."""

ITEM, ITEM_END, SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
UNDEFINED = 0xFFFFFFFF

_OFFSETS, _LENGTHS, _PIXELS = 0x7FE00001, 0x7FE00002, 0x7FE00010
_X, _Y, _PATH = 0x0048021E, 0x0048021F, 0x00480106
_SEQUENCES = frozenset({0x0048021A, 0x00480207, 0x00209111})
"""Sequences of each frame, where elements do not state their types."""

_VALUE_BYTES, _MOST_NAMES = 64, 1000


@dataclass(frozen=True, slots=True)
class PixelData:
    """Where the frames lie in the file."""

    start: int
    """The first byte of the value."""

    length: int | None
    """Its bytes; None where it consists of items, up to a delimiter."""


@dataclass(slots=True)
class FramePlaces:
    """What the file says of each frame's place in the slide."""

    corners: "array[int]" = field(default_factory=lambda: array("q"))
    """The column and the row of each frame's first pixel, counted from 0; -1 where unknown."""

    paths: set[bytes] = field(default_factory=set)
    """The names of the different optical paths."""

    def add(self, found: dict[int, bytes]) -> None:
        """Add a frame."""
        for tag in (_X, _Y):
            raw = found.get(tag, b"")
            self.corners.append(unpack_from("<i", raw)[0] - 1 if len(raw) == 4 else -1)
        if len(self.paths) < _MOST_NAMES and _PATH in found:
            self.paths.add(found[_PATH].strip(b" \0"))

    @property
    def pairs(self) -> NDArray[np.int64]:
        """The corners, int64 [frame, 2]."""
        return np.array(self.corners, np.int64).reshape(-1, 2)


@dataclass(slots=True)
class Rest:
    """The elements behind the header."""

    places: FramePlaces = field(default_factory=FramePlaces)
    """Each frame's place in the slide, where it is stated."""

    offsets: bytes = b""
    """The extended offset table."""

    lengths: bytes = b""
    """The lengths that belong to it."""

    pixels: PixelData | None = None
    """Where the frames lie; None where the file has none."""


def read_rest(stream: HeaderStream, *, is_implicit: bool) -> Rest:
    """Read the elements from `PER_FRAME` to the pixel data.

    Raises
    ------
    SlideReadError
        The file could not be read, or is damaged.
    """
    rest = Rest()
    while (element := _element(stream, is_implicit=is_implicit)) is not None:
        tag, _, length = element
        begin = stream.tell()
        if tag == _PIXELS:
            rest.pixels = PixelData(begin, None if length == UNDEFINED else length)
            break
        if tag == PER_FRAME:
            _read_places(stream, length, rest.places, is_implicit=is_implicit)
        elif tag == _OFFSETS:
            rest.offsets = _table(stream, length)
        elif tag == _LENGTHS:
            rest.lengths = _table(stream, length)
        elif length == UNDEFINED:
            for _ in _leaves(stream, None, is_implicit=is_implicit):
                pass
        else:
            stream.seek(begin + length)
    return rest


def _table(stream: HeaderStream, length: int) -> bytes:
    begin = stream.tell()
    if length == UNDEFINED:
        raise SlideReadError("its table of frames has no length: it is damaged, copy it again")
    data = stream.read(min(length, 8 * MOST_FRAMES))
    stream.seek(begin + length)
    return data


def _read_places(
    stream: HeaderStream, length: int, places: FramePlaces, *, is_implicit: bool
) -> None:
    end = None if length == UNDEFINED else stream.tell() + length
    while end is None or stream.tell() < end:
        element = _element(stream, is_implicit=is_implicit)
        if element is None or element[0] != ITEM:
            break
        own = element[2]
        stop = None if own == UNDEFINED else stream.tell() + own
        found = {}
        for tag, size in _leaves(stream, stop, is_implicit=is_implicit):
            if tag in (_X, _Y, _PATH):
                found[tag] = stream.read(min(size, _VALUE_BYTES))
        places.add(found)
        if len(places.corners) > 2 * MOST_FRAMES:
            raise SlideReadError(f"it has more than {MOST_FRAMES} frames: it is damaged")
    if end is not None:
        stream.seek(end)


def _leaves(
    stream: HeaderStream, stop: int | None, *, is_implicit: bool
) -> Iterator[tuple[int, int]]:
    """Yield the tag and the length of each element that is no sequence, those in sequences too.

    Parameters
    ----------
    stream
        It stands at the first element, and behind the last in the end.
    stop
        Where they end; None where a delimiter ends them.
    is_implicit
        Whether elements do not state their types.
    """
    depth = 0
    while stop is None or stream.tell() < stop:
        element = _element(stream, is_implicit=is_implicit)
        if element is None:
            return
        tag, kind, length = element
        if tag in (ITEM_END, SEQUENCE_END):
            if not depth:
                return
            depth -= 1
        elif tag == ITEM or kind == b"SQ" or length == UNDEFINED or tag in _SEQUENCES:
            depth += length == UNDEFINED
        else:
            end = stream.tell() + length
            yield tag, length
            stream.seek(end)


def _element(stream: HeaderStream, *, is_implicit: bool) -> tuple[int, bytes, int] | None:
    """Read the tag, the type and the length of an element; None at the file's end."""
    head = stream.read(8)
    if len(head) < 8:
        return None
    group, element, length = unpack_from("<HHI", head)
    tag = group << 16 | element
    if is_implicit or tag in (ITEM, ITEM_END, SEQUENCE_END):
        return tag, b"", length
    kind = head[4:6]
    if kind not in LONG_TYPES:
        return tag, kind, int.from_bytes(head[6:8], "little")
    longer = stream.read(4)
    return (tag, kind, int.from_bytes(longer, "little")) if len(longer) == 4 else None

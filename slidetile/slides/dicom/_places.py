"""Where each frame of a DICOM image lies in the slide, as the file states it frame by frame.

There may be millions of frames, each with some ten elements, and pydicom would make objects of them
all. Nearly all of them are written in one way: the same elements of the same lengths, one behind
another. So an item is walked once, and its layout kept: those that follow are compared with it many
at a time, in every byte that is a tag, a type or a length, and their values are taken from where
they lay in the first. What differs is walked, and its layout kept as well.
"""

from array import array
from dataclasses import dataclass, field
from struct import unpack_from

import numpy as np
from numpy.typing import NDArray

from slidetile.errors import SlideReadError
from slidetile.slides.dicom._elements import (
    ITEM,
    MOST_FRAMES,
    UNDEFINED,
    leaves,
    read_element,
)
from slidetile.slides.dicom._stream import HeaderStream

_X, _Y, _PATH = 0x0048021E, 0x0048021F, 0x00480106

_VALUE_BYTES, _MOST_NAMES = 64, 1000

_ITEM_ALLOWANCE_BYTES = 1 << 12
"""What an item may add to the most that is read of a header; usual ones have some hundreds."""

_MOST_LAYOUTS = 8
_MOST_WALKED, _LEAST_ALIKE = 256, 3
"""Where of so many items that were walked not twice as many others were like them, all are."""

_LARGEST_LAYOUT_BYTES = 1 << 14
_FEWEST_AT_ONCE = 8
_MOST_AT_ONCE_BYTES = 1 << 21

Values = dict[int, tuple[int, int]]
"""Where the values of an item's elements are: their first bytes and their lengths, by the tags."""


@dataclass(slots=True)
class FramePlaces:
    """What the file says of each frame's place in the slide."""

    corners: "array[int]" = field(default_factory=lambda: array("q"))
    """The column and the row of each frame's first pixel, counted from 0; -1 where unknown."""

    paths: set[bytes] = field(default_factory=set)
    """The names of the different optical paths."""

    def add(self, found: dict[int, bytes]) -> None:
        """Add a frame by its values."""
        for tag in (_X, _Y):
            raw = found.get(tag, b"")
            self.corners.append(unpack_from("<i", raw)[0] - 1 if len(raw) == 4 else -1)
        if _PATH in found and len(self.paths) < _MOST_NAMES:
            self.paths.add(found[_PATH].strip(b" \0"))

    def add_alike(self, rows: NDArray[np.uint8], values: Values) -> None:
        """Add frames whose items are written in one way.

        Parameters
        ----------
        rows
            Their items, uint8 [frame, byte].
        values
            Where the values of each are, counted from the item's beginning.
        """
        corners = np.full((len(rows), 2), -1, np.int64)
        for axis, tag in enumerate((_X, _Y)):
            at, size = values.get(tag, (0, 0))
            if size == 4:
                corners[:, axis] = rows[:, at : at + 4].copy().view("<i4")[:, 0]
                corners[:, axis] -= 1
        self.corners.frombytes(corners.tobytes())
        at, size = values.get(_PATH, (0, 0))
        if size and len(self.paths) < _MOST_NAMES:
            names = np.unique(rows[:, at : at + size], axis=0)[:_MOST_NAMES]
            self.paths.update(name.tobytes().strip(b" \0") for name in names)

    @property
    def pairs(self) -> NDArray[np.int64]:
        """The corners, int64 [frame, 2]."""
        return np.array(self.corners, np.int64).reshape(-1, 2)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Layout:
    """How an item is written."""

    size: int
    """Its bytes, from its tag to the next item's."""

    where: NDArray[np.intp]
    """Which bytes are tags, types and lengths."""

    what: NDArray[np.uint8]
    """Those bytes."""

    values: Values
    """Where the values are."""

    def matching(self, data: bytes) -> NDArray[np.uint8]:
        """Return the items with which data begin that are written so, uint8 [item, byte]."""
        count = len(data) // self.size
        if not count:
            return np.empty((0, self.size), np.uint8)
        rows = np.frombuffer(data, np.uint8, count * self.size).reshape(count, self.size)
        is_other = (rows[:, self.where] != self.what).any(axis=1)
        return rows[: int(is_other.argmax()) if is_other.any() else count]


def read_places(
    stream: HeaderStream, length: int, places: FramePlaces, *, is_implicit: bool
) -> None:
    """Read the sequence that has an item for each frame; the stream stands behind it then.

    Parameters
    ----------
    stream
        It stands at the first item.
    length
        The sequence's; `UNDEFINED` where a delimiter ends it.
    places
        What is found is added to it.
    is_implicit
        Whether elements do not state their types.

    Raises
    ------
    SlideReadError
        The file could not be read, or there are more frames than any slide has.
    """
    end = None if length == UNDEFINED else stream.tell() + length
    layouts: list[_Layout] = []
    walked = 0
    while end is None or stream.tell() < end:
        if not _read_alike(stream, end, places, layouts):
            layout, is_there = _read_item(stream, places, is_implicit=is_implicit)
            if not is_there:
                break
            walked += 1
            layouts = [each for each in (layout, *layouts) if each][:_MOST_LAYOUTS]
            if walked > _MOST_WALKED and _LEAST_ALIKE * walked > len(places.corners) // 2:
                layouts = []  # to compare them takes longer than it saves
        if len(places.corners) > 2 * MOST_FRAMES:
            raise SlideReadError(f"it has more frames than the limit of {MOST_FRAMES}")
    if end is not None:
        stream.seek(end)


def _read_alike(
    stream: HeaderStream, end: int | None, places: FramePlaces, layouts: list[_Layout]
) -> bool:
    """Read items as long as they are written as those before; return whether any was."""
    for layout in layouts:
        count, has_any = _FEWEST_AT_ONCE, False
        while len(rows := _alike(stream, end, layout, count)):
            places.add_alike(rows, layout.values)
            has_any = True
            if len(rows) < count or len(places.corners) > 2 * MOST_FRAMES:
                break
            count = min(4 * count, max(_FEWEST_AT_ONCE, _MOST_AT_ONCE_BYTES // layout.size))
        if has_any:
            layouts.remove(layout)
            layouts.insert(0, layout)
            return True
    return False


def _alike(stream: HeaderStream, end: int | None, layout: _Layout, count: int) -> NDArray[np.uint8]:
    """Read the next items that are written in one way, at most so many, uint8 [item, byte]."""
    begin = stream.tell()
    if end is not None:
        count = min(count, (end - begin) // layout.size)
    stream.allow(count * layout.size)
    rows = layout.matching(stream.read(count * layout.size))
    stream.seek(begin + rows.size)
    return rows


class _Traced:
    """A stream that notes what is read of it."""

    def __init__(self, stream: HeaderStream) -> None:
        self._stream = stream
        self.ranges: list[tuple[int, int]] = []
        """The first byte, and the one behind the last, of each reading."""

    def read(self, count: int) -> bytes:
        """Return the next bytes."""
        at = self.tell()
        self.ranges.append((at, at + count))
        return self._stream.read(count)

    def seek(self, offset: int) -> int:
        """Go to a place, and return it."""
        return self._stream.seek(offset)

    def tell(self) -> int:
        """Return the place of the next byte."""
        return self._stream.tell()


def _read_item(
    stream: HeaderStream, places: FramePlaces, *, is_implicit: bool
) -> tuple[_Layout | None, bool]:
    """Walk an item and add its place; return how it is written, and whether there was one."""
    begin, traced = stream.tell(), _Traced(stream)
    stream.allow(_ITEM_ALLOWANCE_BYTES)
    element = read_element(traced, is_implicit=is_implicit)
    if element is None or element[0] != ITEM:
        return None, False
    stop = None if element[2] == UNDEFINED else stream.tell() + element[2]
    found, values = {}, {}
    for tag, length in leaves(traced, stop, is_implicit=is_implicit):
        if tag in (_X, _Y, _PATH):
            values[tag] = stream.tell() - begin, min(length, _VALUE_BYTES)
            found[tag] = stream.read(values[tag][1])
    places.add(found)
    return _layout(stream, begin, traced.ranges, values), True


def _layout(
    stream: HeaderStream, begin: int, ranges: list[tuple[int, int]], values: Values
) -> _Layout | None:
    """Return how an item is written that ends where the stream stands; None if it is too long."""
    size = stream.tell() - begin
    if size > _LARGEST_LAYOUT_BYTES or ranges[-1][1] > begin + size:
        return None
    stream.seek(begin)
    stream.allow(size)
    data = np.frombuffer(stream.read(size), np.uint8)
    if len(data) < size:  # the file ends within it
        stream.seek(begin + size)
        return None
    where = np.concatenate([np.arange(*each) for each in ranges]) - begin
    return _Layout(size=size, where=where, what=data[where], values=values)

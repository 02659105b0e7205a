"""A TIFF's directories, walked within bounds before any library parses them.

Libraries read the tables of each directory in turn, even where hundreds of directories share one,
and believe every size. So what the directories claim is added up first. Does not know pixels.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from slidetile.errors import SlideReadError
from slidetile.slides.reader import FinalRefusalError
from slidetile.slides.tiff.file import SlideFile

SUB_DIRECTORIES, DESCRIPTION = 330, 270
_TABLES = (273, 279, 324, 325)
"""Where strips and tiles begin, and how long they are."""

_NDPI_MARK = 65420
_ENTRY_LIMIT = 4096
_DIRECTORY_LIMIT = 1000
_SUB_DIRECTORY_LIMIT = 5000
_TABLE_LIMIT = 8_000_000
"""Numbers in all tables: 4 million tiles, or 260 gigapixels in tiles of 256."""

_DESCRIPTION_LIMIT_BYTES = 4 << 20
"""Bytes of a description; real OME-XML of one slide has some thousands."""

_SHARED_BYTES = 1 << 20
"""What directories may claim beyond the file's size, since small values may be shared."""

_BYTES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4}
_BYTES |= {10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
_NUMBERS = {1: "B", 3: "H", 4: "I", 6: "b", 8: "h", 9: "i", 13: "I", 16: "Q", 17: "q", 18: "Q"}
_OFFSETS = frozenset({3, 4, 13, 16, 18})
"""Types that say where a directory lies."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Form:
    """How the numbers of a directory are laid out."""

    order: str
    offset: str
    count: str
    entry: str
    sub_bytes: int = 0

    @property
    def offset_bytes(self) -> int:
        return struct.calcsize(self.order + self.offset)


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One tag of a directory."""

    kind: int
    """The type of its values."""

    count: int
    """How many there are."""

    field: bytes
    """The values themselves where they fit, or where they lie in the file."""

    @property
    def nbytes(self) -> int:
        """Bytes of all values; 0 for an unknown type."""
        return _BYTES.get(self.kind, 0) * self.count


@dataclass(frozen=True, slots=True, kw_only=True)
class Directory:
    """The tags of one image, whose values are not read yet."""

    order: str
    """ "<" or ">", as `struct` has it."""

    entries: tuple[tuple[int, Entry], ...]
    """With the tag's number; the first of a number counts."""

    end: int | None = None
    """Before which byte all values lie, where 32 bits say where: NDPI, which may be longer than
    4 GiB. None where they are said in full."""

    def find(self, tag: int) -> Entry | None:
        """Return a tag, or None."""
        return next((entry for number, entry in self.entries if number == tag), None)

    def numbers(self, file: SlideFile, tag: int, most: int = 16) -> tuple[int, ...]:
        """Return the first whole numbers of a tag; none where it is absent or holds others."""
        entry = self.find(tag)
        return () if entry is None else self._numbers(file, entry, most)

    def greatest(self, file: SlideFile, tag: int, default: int = 0) -> int:
        """Return the greatest first number of a tag, which libraries may take where it is twice."""
        entries = [entry for number, entry in self.entries if number == tag]
        found = (number for entry in entries for number in self._numbers(file, entry, 1))
        return max(found, default=default)

    def greatest_of_all(self, file: SlideFile, tag: int) -> int:
        """Return the greatest of all numbers of a table, 0 where it holds none."""
        entry = self.find(tag)
        if entry is None or entry.kind not in _NUMBERS or not entry.count:
            return 0
        data = self._data(file, entry, entry.nbytes)
        return int(np.frombuffer(data, self.order + _NUMBERS[entry.kind]).max())

    def _numbers(self, file: SlideFile, entry: Entry, most: int) -> tuple[int, ...]:
        if entry.kind not in _NUMBERS:
            return ()
        count = min(entry.count, most)
        data = self._data(file, entry, count * _BYTES[entry.kind])
        return struct.unpack(f"{self.order}{count}{_NUMBERS[entry.kind]}", data)

    def number(self, file: SlideFile, tag: int, default: int = 0) -> int:
        """Return the first whole number of a tag."""
        return next(iter(self.numbers(file, tag, 1)), default)

    def text(self, file: SlideFile, tag: int, most: int = 4096) -> str:
        """Return the first bytes of a tag as text."""
        entry = self.find(tag)
        if entry is None or entry.kind not in (1, 2, 7):
            return ""
        data = self._data(file, entry, min(entry.count, most))
        return data.split(b"\0")[0].decode("utf-8", "replace")

    def _data(self, file: SlideFile, entry: Entry, nbytes: int) -> bytes:
        if entry.nbytes <= len(entry.field):
            return entry.field[:nbytes]
        form = f"{self.order}{'Q' if len(entry.field) == 8 else 'I'}"
        (offset,) = struct.unpack(form, entry.field)
        if self.end is not None:  # as OpenSlide does: the last such byte before the directory
            offset += max(0, self.end - 1 - offset) >> 32 << 32
        if offset + entry.nbytes > file.size:
            raise SlideReadError(
                f"it is cut short: {entry.nbytes} bytes of a TIFF directory lie at byte {offset}, "
                f"behind the end of the file ({file.size} bytes)"
            )
        return file.read(offset, nbytes)


@dataclass(frozen=True, slots=True, kw_only=True)
class Chain:
    """All directories of a TIFF, in the file's order."""

    directories: tuple[Directory, ...]
    """Those of the chain itself."""

    is_ndpi: bool
    """Whether its offsets are those of Hamamatsu's NDPI."""


def read_chain(file: SlideFile) -> Chain:
    """Walk the directories of a TIFF, those below others too.

    Raises
    ------
    SlideReadError
        They form a loop, lie behind the end of the file, or there are none.
    FinalRefusalError
        They claim more than their file could hold, or than a slide needs.
    """
    form = _form(file)
    claimed = _Claimed(file.size)
    directories = []
    for directory in _walk(file, form):
        claimed.add(directory)
        directories.append(directory)
        if form.offset_bytes == form.sub_bytes:
            for offset in _sub_offsets(directory, file):
                claimed.add(_directory(file, form, offset)[0])
    if not directories:
        raise SlideReadError("it has no TIFF directory")
    return Chain(directories=tuple(directories), is_ndpi=form.count == "H" and form.offset == "Q")


def _sub_offsets(directory: Directory, file: SlideFile) -> tuple[int, ...]:
    entry = directory.find(SUB_DIRECTORIES)
    if entry is not None and entry.kind not in _OFFSETS:
        raise SlideReadError("where its TIFF directories lie is not given in whole numbers")
    return directory.numbers(file, SUB_DIRECTORIES, _SUB_DIRECTORY_LIMIT)


class _Claimed:
    """What the directories met so far claim together."""

    def __init__(self, file_bytes: int) -> None:
        self._file_bytes = file_bytes
        self._nbytes = self._numbers = self._directories = 0

    def add(self, directory: Directory) -> None:
        """Add a directory, or raise FinalRefusalError."""
        self._directories += 1
        self._nbytes += sum(entry.nbytes for _, entry in directory.entries)
        self._numbers += sum(entry.count for tag, entry in directory.entries if tag in _TABLES)
        described = max(
            (entry.nbytes for tag, entry in directory.entries if tag == DESCRIPTION), default=0
        )
        if self._directories > _SUB_DIRECTORY_LIMIT:
            raise FinalRefusalError(f"it has over {_SUB_DIRECTORY_LIMIT} TIFF directories")
        if self._nbytes > self._file_bytes + _SHARED_BYTES:
            raise FinalRefusalError(
                f"its TIFF directories claim {self._nbytes} bytes of tables and text, more than "
                f"the {self._file_bytes} bytes of the file"
            )
        if self._numbers > _TABLE_LIMIT:
            raise FinalRefusalError(
                f"its tables of tiles and strips hold {self._numbers} numbers, more than the "
                f"{_TABLE_LIMIT} that a slide needs"
            )
        if described > _DESCRIPTION_LIMIT_BYTES:
            raise FinalRefusalError(
                f"its description (OME-XML?) has {described / 2**20:.1f} MiB, more than the "
                f"{_DESCRIPTION_LIMIT_BYTES >> 20} MiB that a slide needs: save it again with the "
                "description of its own image only"
            )


def _form(file: SlideFile) -> _Form:
    head = file.read(0, min(file.size, 16)).ljust(16, b"\0")
    order = "<" if head[:2] == b"II" else ">"
    if head[2:4] in (b"+\0", b"\0+"):
        return _Form(order=order, offset="Q", count="Q", entry="HHQ8s", sub_bytes=8)
    plain = _Form(order=order, offset="I", count="H", entry="HHI4s", sub_bytes=4)
    ndpi = _Form(order=order, offset="Q", count="H", entry="HHI4s")
    (offset,) = struct.unpack("<Q", head[4:12])
    # As OpenSlide does: taken as 8 bytes, the first offset leads to a directory with NDPI's mark.
    if order == "<" and 0 < offset < file.size - 2:
        (count,) = struct.unpack("<H", file.read(offset, 2))
        if offset + 2 + 12 * count <= file.size:
            entries = struct.iter_unpack("<H10s", file.read(offset + 2, 12 * count))
            if any(tag == _NDPI_MARK for tag, _ in entries):
                return ndpi
    return plain


def _walk(file: SlideFile, form: _Form) -> Iterator[Directory]:
    at = 8 if form.count == "Q" else 4
    size = form.offset_bytes
    if at + size > file.size:
        raise SlideReadError(f"it is cut short: it has {file.size} bytes")
    (offset,) = struct.unpack(form.order + form.offset, file.read(at, size))
    seen: set[int] = set()
    while offset:
        if offset in seen or len(seen) >= _DIRECTORY_LIMIT:
            raise SlideReadError(
                f"its TIFF directories form a loop, or there are over {_DIRECTORY_LIMIT}"
            )
        seen.add(offset)
        directory, offset = _directory(file, form, offset)
        yield directory


def _directory(file: SlideFile, form: _Form, offset: int) -> tuple[Directory, int]:
    """Return a directory, and where the next one lies."""
    count_bytes = struct.calcsize(form.order + form.count)
    entry_bytes = struct.calcsize(form.order + form.entry)
    count = 0
    if offset + count_bytes <= file.size:
        (count,) = struct.unpack(form.order + form.count, file.read(offset, count_bytes))
    start = offset + count_bytes
    end = start + count * entry_bytes
    if end + form.offset_bytes > file.size:
        raise SlideReadError(
            f"it is cut short: a TIFF directory lies at byte {offset}, behind the end of the "
            f"file ({file.size} bytes)"
        )
    if count > _ENTRY_LIMIT:
        raise SlideReadError(f"a TIFF directory claims {count} tags, over {_ENTRY_LIMIT}")
    data = file.read(start, end + form.offset_bytes - start)
    fields = struct.iter_unpack(form.order + form.entry, data[: end - start])
    entries = tuple(
        (tag, Entry(kind=kind, count=number, field=field)) for tag, kind, number, field in fields
    )
    (following,) = struct.unpack(form.order + form.offset, data[end - start :])
    is_ndpi = form.offset_bytes > form.sub_bytes
    whole = Directory(order=form.order, entries=entries, end=offset if is_ndpi else None)
    return whole, following

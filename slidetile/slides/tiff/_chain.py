"""A TIFF's directories, walked within bounds before any library parses them.

Libraries read the tables of each directory in turn, even where hundreds of directories share one,
and believe every size. So what the directories claim is added up first. Does not know pixels.
"""

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from slidetile.errors import SlideReadError
from slidetile.slides.reader import FinalRefusalError
from slidetile.slides.slide_file import SlideFile
from slidetile.slides.tiff._tags import DESCRIPTION, Directory, Entry

SUB_DIRECTORIES = 330
_TABLES = (273, 279, 324, 325, 65426, 65432)
"""Where strips, tiles and NDPI's stripes begin, and how long they are."""

_NDPI_MARK = 65420
_ENTRY_LIMIT = 4096
_DIRECTORY_LIMIT = 1000
_SUB_DIRECTORY_LIMIT = 5000
_TABLE_LIMIT = 8_000_000
"""Numbers in all tables: 4 million tiles, or 260 gigapixels in tiles of 256."""

_DESCRIPTION_LIMIT_BYTES = 4 << 20
"""Bytes of a description; real OME-XML of one slide has some thousands."""

_ANNOUNCED_BYTES = 16 << 20
"""Larger tables are read as they are needed."""

_SHARED_BYTES = 1 << 20
"""What directories may claim beyond the file's size, since small values may be shared."""

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
    _announce(file, directories)
    return Chain(directories=tuple(directories), is_ndpi=form.count == "H" and form.offset == "Q")


def _announce(file: SlideFile, directories: Sequence[Directory]) -> None:
    """Announce the tables of the directories, which are read one by one: first ours, then again."""
    if file.is_local:
        return
    found = [place for each in directories for place in each.places(file.size)]
    if sum(count for _, count in found) <= _ANNOUNCED_BYTES:
        file.expect([([at for at, _ in found], [count for _, count in found])], is_kept=True)


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
        if offset in seen:
            raise SlideReadError("its TIFF directories form a loop: it is damaged, copy it again")
        if len(seen) >= _DIRECTORY_LIMIT:
            raise FinalRefusalError(
                f"it has over {_DIRECTORY_LIMIT} TIFF directories: save the channels you need, or "
                "its levels as SubIFDs"
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
    highs = _highs(file, form, end + form.offset_bytes, count)
    entries = tuple(
        (tag, Entry(kind=kind, count=number, field=field, high=high))
        for (tag, kind, number, field), high in zip(fields, highs, strict=True)
    )
    (following,) = struct.unpack(form.order + form.offset, data[end - start :])
    return Directory(order=form.order, entries=entries), following


def _highs(file: SlideFile, form: _Form, start: int, count: int) -> tuple[int, ...]:
    """Return the upper 32 bits of each tag: NDPI has them behind the directory, others none."""
    is_long = form.offset_bytes > form.sub_bytes and file.size > 1 << 32
    if not is_long or start + 4 * count > file.size:
        return (0,) * count
    return struct.unpack(f"{form.order}{count}I", file.read(start, 4 * count))

"""The tags of one TIFF directory, whose values are read where they are needed, within the file."""

import struct
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from slidetile.errors import SlideReadError
from slidetile.slides.slide_file import SlideFile

DESCRIPTION = 270

_BYTES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4}
_BYTES |= {10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
_NUMBERS = {1: "B", 3: "H", 4: "I", 6: "b", 8: "h", 9: "i", 13: "I", 16: "Q", 17: "q", 18: "Q"}
_LONG = 4
_UNSIGNED = frozenset({1, 3, _LONG, 16})
_MEASURES = {5: "II", 11: "f", 12: "d"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One tag of a directory."""

    kind: int
    """The type of its values."""

    count: int
    """How many there are."""

    field: bytes
    """The values themselves where they fit, or where they lie in the file."""

    high: int = 0
    """The upper 32 bits of where they lie, or of the only value: NDPI longer than 4 GiB."""

    @property
    def nbytes(self) -> int:
        """Bytes of all values; 0 for an unknown type."""
        return _BYTES.get(self.kind, 0) * self.count

    @property
    def is_apart(self) -> bool:
        """Whether the values lie elsewhere in the file."""
        return self.nbytes > len(self.field)


@dataclass(frozen=True, slots=True, kw_only=True)
class Directory:
    """The tags of one image, whose values are not read yet."""

    order: str
    """ "<" or ">", as `struct` has it."""

    entries: tuple[tuple[int, Entry], ...]
    """With the tag's number; the first of a number counts."""

    def find(self, tag: int) -> Entry | None:
        """Return a tag, or None."""
        return next((entry for number, entry in self.entries if number == tag), None)

    def places(self, file_bytes: int) -> list[tuple[int, int]]:
        """Return the (offset, length) of all values that lie elsewhere, but within the file."""
        found = ((self._offset(entry), entry.nbytes) for _, entry in self.entries if entry.is_apart)
        return [(at, count) for at, count in found if at + count <= file_bytes]

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
        found = struct.unpack(f"{self.order}{count}{_NUMBERS[entry.kind]}", data)
        if entry.high and entry.count == 1 and entry.kind == _LONG:
            return (found[0] | entry.high << 32,)
        return found

    def number(self, file: SlideFile, tag: int, default: int = 0) -> int:
        """Return the first whole number of a tag."""
        return next(iter(self.numbers(file, tag, 1)), default)

    def table(self, file: SlideFile, tag: int) -> NDArray[np.uint64]:
        """Return all whole numbers of a table; none where it is absent or holds others."""
        entry = self.find(tag)
        if entry is None or entry.kind not in _UNSIGNED:
            return np.empty(0, np.uint64)
        data = self._data(file, entry, entry.nbytes)
        return np.frombuffer(data, self.order + _NUMBERS[entry.kind]).astype(np.uint64)

    def measure(self, file: SlideFile, tag: int) -> float | None:
        """Return the first number of a tag, a float or a ratio; None where it is neither."""
        entry = self.find(tag)
        if entry is None or entry.kind not in _MEASURES or not entry.count:
            return None
        data = self._data(file, entry, _BYTES[entry.kind])
        number, *divisor = struct.unpack(self.order + _MEASURES[entry.kind], data)
        if not divisor:
            return float(number)
        return number / divisor[0] if divisor[0] else 0.0

    def text(self, file: SlideFile, tag: int, most: int = 4096) -> str:
        """Return the first bytes of a tag as text."""
        entry = self.find(tag)
        if entry is None or entry.kind not in (1, 2, 7):
            return ""
        data = self._data(file, entry, min(entry.count, most))
        return data.split(b"\0")[0].decode("utf-8", "replace")

    def _data(self, file: SlideFile, entry: Entry, nbytes: int) -> bytes:
        if not entry.is_apart:
            return entry.field[:nbytes]
        offset = self._offset(entry)
        if offset + entry.nbytes > file.size:
            raise SlideReadError(
                f"it is cut short: {entry.nbytes} bytes of a TIFF directory lie at byte {offset}, "
                f"behind the end of the file ({file.size} bytes)"
            )
        return file.read(offset, nbytes)

    def _offset(self, entry: Entry) -> int:
        """Return where values lie that do not fit into their tag."""
        form = f"{self.order}{'Q' if len(entry.field) == 8 else 'I'}"
        return int(struct.unpack(form, entry.field)[0]) + (entry.high << 32)

"""Mutants of TIFF files: their directories, their texts, and the tiles they point to."""

import struct
from dataclasses import dataclass
from random import Random

from fuzz import jpegs, odd

_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8}
_SIZES |= {13: 4, 16: 8, 17: 8, 18: 8}
_TEXT, _STRIP_OFFSETS, _TILE_OFFSETS = 2, 273, 324
_COUNTS = {_STRIP_OFFSETS: 279, _TILE_OFFSETS: 325}
_MOST_PAGES, _MOST_ENTRIES = 20, 500


@dataclass(frozen=True)
class Entry:
    """One entry of a directory: where it lies, and where its values do."""

    at: int
    tag: int
    kind: int
    count: int
    values_at: int

    @property
    def nbytes(self) -> int:
        return self.count * _SIZES.get(self.kind, 1)


class Tiff:
    """A TIFF file as bytes that can be changed in place."""

    def __init__(self, data: bytes) -> None:
        self.data = bytearray(data)
        self.order = "<" if data[:2] == b"II" else ">"
        self.is_big = self._number(2, 2) == 43
        self.word = 8 if self.is_big else 4
        self.directories: list[list[Entry]] = []
        self.links: list[int] = []
        self._walk(8 if self.is_big else 4)

    def put(self, at: int, size: int, number: int) -> None:
        """Write a number; what does not fit is cut."""
        order = "little" if self.order == "<" else "big"
        self.data[at : at + size] = (number % (1 << 8 * size)).to_bytes(size, order)

    def numbers(self, entry: Entry) -> list[int]:
        """Return the integers of an entry."""
        form = {2: "H", 4: "I", 8: "Q"}.get(_SIZES.get(entry.kind, 1), "B")
        raw = bytes(self.data[entry.values_at : entry.values_at + entry.nbytes])
        return list(struct.unpack(f"{self.order}{entry.count}{form}", raw))

    def _walk(self, link: int) -> None:
        while len(self.directories) < _MOST_PAGES:
            self.links.append(link)
            at = self._number(link, self.word)
            if not at:
                return
            count_size, size = (8, 20) if self.is_big else (2, 12)
            count = min(self._number(at, count_size), _MOST_ENTRIES)
            first = at + count_size
            self.directories.append([self._entry(first + n * size) for n in range(count)])
            link = first + count * size

    def _entry(self, at: int) -> Entry:
        tag, kind = self._number(at, 2), self._number(at + 2, 2)
        count = self._number(at + 4, self.word)
        values_at = at + 4 + self.word
        if count * _SIZES.get(kind, 1) > self.word:
            values_at = self._number(values_at, self.word)
        return Entry(at, tag, kind, count, values_at)

    def _number(self, at: int, size: int) -> int:
        order = "little" if self.order == "<" else "big"
        return int.from_bytes(self.data[at : at + size], order)


def mutate(random: Random, data: bytes) -> bytes:
    """Return a TIFF file with one to three things wrong."""
    for _ in range(random.choice((1, 1, 1, 2, 3))):
        try:
            tiff = Tiff(data)
            data = _mutate_once(random, tiff)
        except (struct.error, OverflowError):
            data = odd.spoil(random, data)
    return data


def _mutate_once(random: Random, tiff: Tiff) -> bytes:
    if not any(tiff.directories):
        return odd.spoil(random, bytes(tiff.data))
    kind = random.choices(
        (_tile, _value, _entry_itself, _text_value, _link, _noise), (8, 5, 3, 2, 1, 1)
    )[0]
    return kind(random, tiff)


def _tile(random: Random, tiff: Tiff) -> bytes:
    """Change what is stored for a tile, or where a tile is said to lie."""
    page = random.choice([entries for entries in tiff.directories if entries])
    by_tag = {entry.tag: entry for entry in page}
    places = by_tag.get(_TILE_OFFSETS) or by_tag.get(_STRIP_OFFSETS)
    counts = by_tag.get(_COUNTS[places.tag]) if places else None
    if places is None or counts is None or places.count != counts.count:
        return _value(random, tiff)
    offsets, lengths = tiff.numbers(places), tiff.numbers(counts)
    n = random.randrange(len(offsets))
    stored = bytes(tiff.data[offsets[n] : offsets[n] + lengths[n]])
    size_of_place = places.nbytes // places.count
    size_of_count = counts.nbytes // counts.count
    if random.random() < 0.15:
        tiff.put(
            counts.values_at + n * size_of_count, size_of_count, odd.number(random, lengths[n])
        )
        return bytes(tiff.data)
    if random.random() < 0.15:
        other = random.choice((offsets[random.randrange(len(offsets))], odd.number(random)))
        tiff.put(places.values_at + n * size_of_place, size_of_place, other)
        return bytes(tiff.data)
    change = jpegs.mutate if stored[:2] == b"\xff\xd8" else odd.spoil
    changed = change(random, stored)
    tiff.put(places.values_at + n * size_of_place, size_of_place, len(tiff.data))
    tiff.put(counts.values_at + n * size_of_count, size_of_count, len(changed))
    return bytes(tiff.data) + changed


def _some_entry(random: Random, tiff: Tiff) -> Entry:
    return random.choice(random.choice([entries for entries in tiff.directories if entries]))


def _value(random: Random, tiff: Tiff) -> bytes:
    """Change one value of an entry."""
    entry = _some_entry(random, tiff)
    size = _SIZES.get(entry.kind, 1)
    at = entry.values_at + size * random.randrange(max(1, min(entry.count, 1000)))
    now = int.from_bytes(tiff.data[at : at + size], "little")
    tiff.put(at, size, odd.number(random, now))
    return bytes(tiff.data)


def _entry_itself(random: Random, tiff: Tiff) -> bytes:
    """Change an entry's tag, type, count or place, or put another in its stead."""
    entry = _some_entry(random, tiff)
    at, size = random.choice(
        (
            (entry.at, 2),
            (entry.at + 2, 2),
            (entry.at + 4, tiff.word),
            (entry.at + 4 + tiff.word, tiff.word),
        )
    )
    if random.random() < 0.3:
        other, length = _some_entry(random, tiff), 4 + 2 * tiff.word
        tiff.data[entry.at : entry.at + length] = tiff.data[other.at : other.at + length]
    else:
        tiff.put(at, size, odd.number(random, int.from_bytes(tiff.data[at : at + size], "little")))
    return bytes(tiff.data)


def _text_value(random: Random, tiff: Tiff) -> bytes:
    """Change a text; the new one is put at the file's end."""
    texts = [e for entries in tiff.directories for e in entries if e.kind == _TEXT and e.count > 8]
    if not texts:
        return _value(random, tiff)
    entry = random.choice(texts)
    now = bytes(tiff.data[entry.values_at : entry.values_at + entry.count]).decode("latin1")
    changed = odd.text(random, now.rstrip("\0")).encode("latin1", "replace") + bytes(9)
    tiff.put(entry.at + 4, tiff.word, len(changed))
    tiff.put(entry.at + 4 + tiff.word, tiff.word, len(tiff.data))
    return bytes(tiff.data) + changed


def _link(random: Random, tiff: Tiff) -> bytes:
    """Let a directory be followed by another: an earlier one, none, or garbage."""
    at = random.choice(tiff.links)
    firsts = [entries[0].at - (8 if tiff.is_big else 2) for entries in tiff.directories if entries]
    tiff.put(at, tiff.word, random.choice((*firsts, 0, odd.number(random), len(tiff.data))))
    return bytes(tiff.data)


def _noise(random: Random, tiff: Tiff) -> bytes:
    return odd.spoil(random, bytes(tiff.data))

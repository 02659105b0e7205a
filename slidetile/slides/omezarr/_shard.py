"""Where the index of a shard stands, and which chunks it lists."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import google_crc32c
import numpy as np
from numpy.typing import NDArray

from slidetile.errors import DamagedPixelsError
from slidetile.slides.omezarr._json import items, member, shown
from slidetile.slides.reader import FinalRefusalError

_ENTRY_BYTES, _CHECKSUM_BYTES = 16, 4
_ABSENT = (1 << 64) - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class ShardIndex:
    """The index of the shards of an array, of which all have it in the same place."""

    counts: tuple[int, ...]
    """Chunks of a shard along each axis."""

    is_first: bool
    """Whether it stands before the chunks, not behind them."""

    has_checksum: bool
    """Whether a CRC-32C follows its entries."""

    @property
    def size_bytes(self) -> int:
        """How long it is."""
        return math.prod(self.counts) * _ENTRY_BYTES + _CHECKSUM_BYTES * self.has_checksum

    def entries(self, index: bytes) -> NDArray[np.uint64]:
        """Return offset and length of each chunk as [chunk, 2], both 2⁶⁴-1 where it is absent.

        Raises
        ------
        DamagedPixelsError
            The index is cut short, its checksum does not fit, or a chunk lies in it.
        """
        if len(index) != self.size_bytes:
            raise _damaged("is cut short")
        entries = index[:-_CHECKSUM_BYTES] if self.has_checksum else index
        if self.has_checksum and google_crc32c.value(entries) != _number(index[-_CHECKSUM_BYTES:]):
            raise _damaged("has another checksum")
        found = np.frombuffer(entries, "<u8").reshape(-1, 2)
        if self.is_first and (found[:, 0] < self.size_bytes).any():
            raise _damaged("claims to be a chunk itself")
        return found

    def chunks(self, shard: bytes) -> Iterator[bytes]:
        """Yield the chunks of a whole shard, of those that reach beyond it what is there."""
        size = self.size_bytes
        index = shard[:size] if self.is_first else shard[-size:]
        for start, length in self.entries(index).tolist():
            if start != _ABSENT:
                yield shard[start : start + length]

    def absent(self, index: bytes) -> NDArray[np.bool_]:
        """Return which chunks are not there, along each axis; raises as `entries`."""
        found: NDArray[np.bool_] = (self.entries(index) == _ABSENT).all(axis=1)
        return found.reshape(self.counts)


def read_index(configuration: Any, counts: tuple[int, ...], level: str) -> ShardIndex:
    """Return what the configuration of ``sharding_indexed`` says of the index.

    Raises
    ------
    FinalRefusalError
        It is not written as programs write it: as bytes, with a checksum or without.
    """
    codecs = items(configuration, "index_codecs")
    names = [codec if isinstance(codec, str) else member(codec, "name") for codec in codecs]
    endian = member(codecs[0], "configuration", "endian") if codecs else None
    where = member(configuration, "index_location") or "end"
    is_plain = names in (["bytes"], ["bytes", "crc32c"]) and endian in (None, "little")
    if not is_plain or where not in ("start", "end"):
        raise FinalRefusalError(
            f"the index of the shards of its level {level} is encoded by {shown(names)}, "
            f"{shown(endian)} endian, and stands at {shown(where)}: slidetile reads little-endian "
            "bytes with a crc32c or without, at start or end"
        )
    return ShardIndex(counts=counts, is_first=where == "start", has_checksum=len(names) > 1)


def _number(data: bytes) -> int:
    return int.from_bytes(data, "little")


def _damaged(what: str) -> DamagedPixelsError:
    return DamagedPixelsError(f"a shard does not decode: its index {what}.")

"""A shard that is open: its chunks, read in few calls, in whatever order they lie."""

import threading
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from slidetile.format.shard import ShardIndex, index_bytes, unpack_index
from slidetile.runtime.reads import joined_reads
from slidetile.store.stored_file import StoredFile

CACHED_INDEX_BYTES = 1 << 22
"""Most memory for the indexes of one array: a thousand shards of 256 chunks."""

Places = NDArray[np.intp]
"""Places of chunks in their shard."""

WHOLE_BYTES = 1 << 21
"""2 MiB: shards that are no longer are read from a bucket with their index, in one request; another
would take as long as this many bytes."""

_ENTRY_BYTES = 512
"""Memory that an index takes besides its numbers."""


class IndexCache:
    """The indexes of the shards read last, within a bound in bytes. Safe for several threads.

    Parameters
    ----------
    chunk_count
        Chunks that a shard holds.
    longest_bytes
        Most bytes of a stored chunk; an index that claims more is damaged.
    largest_bytes
        The most memory for all indexes together.
    """

    def __init__(
        self,
        chunk_count: int,
        *,
        longest_bytes: int,
        largest_bytes: int = CACHED_INDEX_BYTES,
    ) -> None:
        self.nbytes = 0
        self._chunk_count = chunk_count
        self._longest_bytes = longest_bytes
        self._largest_bytes = largest_bytes
        self._indexes: OrderedDict[tuple[int, int], ShardIndex] = OrderedDict()
        self._lock = threading.Lock()

    def index(self, file: StoredFile, shard: tuple[int, int]) -> ShardIndex:
        """Return the index of an open shard, at (column, row).

        Raises
        ------
        ValueError
            It is damaged.
        """
        with self._lock:
            if (known := self._indexes.get(shard)) is not None:
                self._indexes.move_to_end(shard)
                return known
        index = self._read(file)
        with self._lock:
            if self._indexes.setdefault(shard, index) is index:
                self.nbytes += _held(index)
            while self.nbytes > self._largest_bytes:
                self.nbytes -= _held(self._indexes.popitem(last=False)[1])
        return index

    def known(self, shard: tuple[int, int]) -> ShardIndex | None:
        """Return the index of a shard, if it is kept."""
        with self._lock:
            return self._indexes.get(shard)

    def __len__(self) -> int:
        return len(self._indexes)

    def _read(self, file: StoredFile) -> ShardIndex:
        count = self._chunk_count
        tail = file.tail(index_bytes(count))
        index = unpack_index(tail, count, file.size)
        if (longest := int(index[:, 1].max())) > self._longest_bytes:
            raise ValueError(f"{longest} bytes are too many for a chunk")
        return index


def read_chunks(file: StoredFile, index: ShardIndex, places: Places) -> Iterator[tuple[int, bytes]]:
    """Yield the stored chunks among ``places``, each with its place, in the order they lie in.

    Neighbours are read at once: a tile's chunks take one call where they lie together, and few
    calls elsewhere. Bytes far from all of them are not read.
    """
    for read in chunk_reads(index, places[index[places, 1] > 0]):
        data = file.read(read.start, read.stop - read.start)
        for place, part in read.parts:
            yield place, data[part]


@dataclass(frozen=True, slots=True)
class OpenedShard:
    """What is known of a shard."""

    index: ShardIndex | None
    """Where its chunks lie; None where it is not stored."""

    data: bytes | None = None
    """All its bytes, where they were read with the index."""


def part_of(index: ShardIndex, place: int) -> slice:
    """Return where a chunk lies in the bytes of its shard."""
    offset, length = index[place].tolist()
    return slice(offset, offset + length)


@dataclass(frozen=True, slots=True)
class ChunkRead:
    """Neighbouring chunks of a shard, and the bytes that hold them all."""

    start: int
    """Offset of the first byte."""

    stop: int
    """Offset after the last byte."""

    parts: list[tuple[int, slice]]
    """Place of each chunk, and its part of these bytes."""


def chunk_reads(index: ShardIndex, places: NDArray[np.intp]) -> Iterator[ChunkRead]:
    """Yield the reads that fetch stored chunks of a shard, in the order they lie in."""
    offsets, lengths = index[places].T.tolist()
    wanted = places.tolist()
    for read in joined_reads(offsets, lengths):
        parts = []
        for number in read.ranges:
            first = offsets[number] - read.start
            parts.append((wanted[number], slice(first, first + lengths[number])))
        yield ChunkRead(read.start, read.stop, parts)


def _held(index: ShardIndex) -> int:
    return index.nbytes + _ENTRY_BYTES

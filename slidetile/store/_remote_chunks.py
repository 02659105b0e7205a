"""Stored chunks of a remote array, with several requests in flight.

Knows shards and how they are read. Does not decode anything.
"""

from collections.abc import Iterator, Sequence
from typing import Any, Protocol

import numpy as np

from slidetile.cloud.objects import IN_FLIGHT, in_parallel
from slidetile.format.shard import ShardIndex
from slidetile.raster.region import Region
from slidetile.runtime.threads import map_in_order
from slidetile.store._absence import AbsentShard, Cell
from slidetile.store._shard_file import ChunkRead, OpenedShard, Places, chunk_reads, part_of

SHARDS_AT_ONCE = 2 * IN_FLIGHT
"""Shards of a span that are read together; each is in memory until it is decoded."""


class RemoteArray(Protocol):
    """An array in a bucket: an `ArrayFile`."""

    @property
    def chunk_shape(self) -> tuple[int, ...]:
        """Shape of a decoded chunk."""
        ...

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of its samples."""
        ...

    def shards(self, span: Region) -> Iterator[tuple[Cell, Places]]:
        """Yield each shard that holds chunks of a span, with their places in it."""
        ...

    def cell(self, shard: Cell, place: int) -> Cell:
        """Return the chunk at a place of a shard."""
        ...

    def whole_bytes(self, shard: Cell) -> int:
        """Return the length of a shard that is to be read whole; 0 for all others."""
        ...

    def opened(self, shard: Cell) -> OpenedShard:
        """Return the index of a shard, and what was read with it."""
        ...

    def read_shard(self, shard: Cell, start: int, stop: int) -> bytes:
        """Return bytes of a shard."""
        ...

    def check_absent(self, absent: AbsentShard) -> None:
        """Make sure that chunks may be absent."""
        ...


def fetched(
    array: RemoteArray, wanted: Sequence[tuple[Cell, Places]]
) -> Iterator[tuple[Cell, bytes | None]]:
    """Yield chunks at places of shards; None for those that are not stored and need not be.

    The indexes of several shards are asked for at once, then all chunks in them.

    Raises
    ------
    StoreError
        A shard is damaged, cannot be read, or lacks a chunk that was stored.
    """
    for first in range(0, len(wanted), SHARDS_AT_ONCE):
        yield from _fetched(array, wanted[first : first + SHARDS_AT_ONCE])


def _fetched(
    array: RemoteArray, wanted: Sequence[tuple[Cell, Places]]
) -> Iterator[tuple[Cell, bytes | None]]:
    opened = in_parallel(array.opened, [shard for shard, _ in wanted])
    reads: list[tuple[Cell, ChunkRead]] = []
    absent: list[AbsentShard] = []
    for (shard, places), found in zip(wanted, opened, strict=True):
        index, data = found.index, found.data
        stored, lacking = divided(array, shard, places, index)
        absent += lacking
        if index is not None and data is not None:
            yield from ((array.cell(shard, p), data[part_of(index, p)]) for p in stored.tolist())
        elif index is not None:
            reads += [(shard, read) for read in chunk_reads(index, stored)]
    for shard, read, data in _all_read(array, reads):
        for place, part in read.parts:
            yield array.cell(shard, place), data[part]
    for each in absent:
        array.check_absent(each)
        yield from ((cell, None) for cell in each.cells)


def divided(
    array: RemoteArray, shard: Cell, places: Places, index: ShardIndex | None
) -> tuple[Places, list[AbsentShard]]:
    """Return the places of a shard that are stored, and those that are not, if there are any."""
    is_stored = np.zeros(len(places), np.bool_) if index is None else index[places, 1] > 0
    lacking = [array.cell(shard, place) for place in places[~is_stored].tolist()]
    if not lacking:
        return places, []
    absent = AbsentShard(cells=lacking, shard=shard, has_file=index is not None)
    return places[is_stored], [absent]


def _all_read(
    array: RemoteArray, reads: list[tuple[Cell, ChunkRead]]
) -> Iterator[tuple[Cell, ChunkRead, bytes]]:
    def read(each: tuple[Cell, ChunkRead]) -> bytes:
        return array.read_shard(each[0], each[1].start, each[1].stop)

    workers = min(IN_FLIGHT, len(reads))
    data = map(read, reads) if workers < 2 else map_in_order(read, reads, workers=workers)
    for (shard, part), found in zip(reads, data, strict=True):
        yield shard, part, found

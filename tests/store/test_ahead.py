"""Which requests a reader of many spans makes ahead, of an array whose requests are counted."""

from collections import Counter

import numpy as np
import pytest

from slidetile.raster.region import Region
from slidetile.store._ahead import LARGEST_AHEAD_BYTES, LARGEST_BATCH_BYTES, ChunksAhead
from slidetile.store._shard_file import WHOLE_BYTES, OpenedShard

SIDE = 4
"""Chunks of a shard, in each direction."""


class CountedArray:
    """An array of shards in a row, whose stored chunks name themselves, as bytes of some length."""

    chunk_shape = (3, 8, 8)
    dtype = np.dtype(np.uint8)

    def __init__(self, chunk_bytes):
        self._chunk_bytes = chunk_bytes
        self.reads = Counter()
        self._known = set()

    def _index(self, shard):
        sizes = np.full(SIDE * SIDE, self._chunk_bytes(shard), np.uint64)
        return np.stack([np.cumsum(sizes) - sizes, sizes], axis=1)

    def _data(self, shard):
        places = range(SIDE * SIDE)
        return b"".join(self.stored(self.cell(shard, place)) for place in places)

    def stored(self, cell):
        x, y = cell
        return bytes([x % 256, y]) * (self._chunk_bytes((x // SIDE, 0)) // 2)

    def shards(self, span):
        shard = (span.x // SIDE, 0)
        yield shard, np.array([span.y * SIDE + span.x % SIDE], np.intp)

    def cell(self, shard, place):
        return shard[0] * SIDE + place % SIDE, place // SIDE

    def whole_bytes(self, shard):
        nbytes = SIDE * SIDE * self._chunk_bytes(shard)
        return nbytes if nbytes <= WHOLE_BYTES and shard not in self._known else 0

    def opened(self, shard):
        whole = self.whole_bytes(shard)
        self._known.add(shard)
        self.reads[shard] += 1
        return OpenedShard(self._index(shard), self._data(shard) if whole else None)

    def read_shard(self, shard, start, stop):
        self.reads[shard] += 1
        return self._data(shard)[start:stop]

    def check_absent(self, absent):
        raise AssertionError(absent)


def walk(shards, asked):
    """The spans of a walk from shard to shard, each of one chunk."""
    for column in range(shards):
        for place in range(asked):
            x, y = column * SIDE + place % SIDE, place // SIDE
            yield Region(x=x, y=y, width=1, height=1)


@pytest.mark.parametrize("asked", [SIDE * SIDE, SIDE * SIDE - 1], ids=["all", "all but one"])
def test_shards_far_ahead_leave_room_for_the_next(asked):
    """Small ones are read whole, before their turn, and may never be done with."""
    array = CountedArray(lambda shard: 1 << 16 if shard[0] % 8 else 1 << 18)
    shards = 160
    ahead = ChunksAhead(array, walk(shards, asked))
    held = []
    for span in walk(shards, asked):
        assert list(ahead.take(span, ())) == [((span.x, span.y), array.stored((span.x, span.y)))]
        held.append(ahead.held_bytes)
    ahead.close()
    assert set(array.reads) == {(column, 0) for column in range(shards)}
    assert max(array.reads.values()) <= 4
    assert max(held) <= LARGEST_AHEAD_BYTES + LARGEST_BATCH_BYTES + WHOLE_BYTES

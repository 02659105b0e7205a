"""What is known of every chunk of level 0, and what a tile's row says of it."""

import numpy as np
import pytest

from slidetile.format.checksum import crc32c
from slidetile.format.layout import ChunkGrid, Shard
from slidetile.format.ledger import Ledger, ShardRecord
from slidetile.format.table import OK, UNREADABLE

GRID = ChunkGrid(width=30, height=20, chunk_width=5, chunk_height=5, chunks_across=2, chunks_down=2)
"""6×4 chunks, in 3×2 shards."""

EVERYTHING = np.s_[0:4, 0:6]


@pytest.fixture
def ledger():
    """Two shards side by side are entered; one chunk of the second could not be read."""
    ledger = Ledger(GRID)
    first = {0: (10, 111), 1: (20, 222), 2: (30, 333), 3: (40, 444)}
    ledger.enter(
        ShardRecord(level=0, shard=Shard(column=0, row=0, chunks=(0, 1, 2, 3)), chunks=first)
    )
    ledger.enter(
        ShardRecord(
            level=0,
            shard=Shard(column=1, row=0, chunks=(1, 2)),
            chunks={2: (5, 2**32 - 1)},
            unreadable={1: "no end marker"},
        )
    )
    return ledger


def sums(*checksums):
    return crc32c(np.array(checksums, "<u4").tobytes())


@pytest.mark.parametrize(
    ("span", "stored_bytes", "checksums", "status"),
    [
        (np.s_[0:1, 0:1], 10, [111], OK),
        (np.s_[0:2, 0:2], 100, [111, 222, 333, 444], OK),
        (np.s_[1:2, 0:3], 75, [333, 444, 2**32 - 1], OK),  # row by row, across two shards
        (np.s_[0:2, 1:4], 65, [222, 444, 2**32 - 1], UNREADABLE),
        (np.s_[0:1, 3:4], 0, [], UNREADABLE),
        (np.s_[2:4, 0:6], 0, [], OK),  # nothing was wanted there
    ],
)
def test_a_span_is_the_chunks_in_it(ledger, span, stored_bytes, checksums, status):
    assert ledger.bytes_in(span) == stored_bytes
    assert ledger.checksum_of(span) == sums(*checksums)
    assert ledger.status_of(span) == status


def test_an_empty_shard_is_entered_too(ledger):
    before = ledger.bytes_in(EVERYTHING)
    ledger.enter(ShardRecord(level=0, shard=Shard(column=2, row=1, chunks=()), chunks={}))
    assert ledger.bytes_in(EVERYTHING) == before == 105


def test_a_chunk_without_a_word_of_reason_is_unreadable_all_the_same(ledger):
    reasons = {0: "", 1: "\x1b[2J", 2: " \n", 3: "z" * 10_000}
    shard = Shard(column=2, row=1, chunks=(0, 1, 2, 3))
    ledger.enter(ShardRecord(level=0, shard=shard, chunks={}, unreadable=reasons))
    spans = [np.s_[row : row + 1, column : column + 1] for row in (2, 3) for column in (4, 5)]
    assert [ledger.status_of(span) for span in spans] == [UNREADABLE] * 4
    found = [ledger.reason_of(span) for span in spans]
    assert found == ["does not decode", r"\x1b[2J", "does not decode", "z" * 199 + "…"]

"""Chunks of a shard come in few reads, in whatever order they lie."""

import os

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from slidetile.format.checksum import crc32c
from slidetile.format.shard import index_bytes
from slidetile.runtime.reads import LARGEST_GAP_BYTES
from slidetile.store._shard_file import IndexCache, read_chunks
from slidetile.store.stored_file import LocalFile


def shard_of(chunks, order, gap, count):
    """The bytes of a shard whose chunks lie in any order, with something between them."""
    index = np.full((count, 2), (1 << 64) - 1, "<u8")
    data = b""
    for place in order:
        index[place] = len(data), len(chunks[place])
        data += chunks[place] + b"?" * gap
    table = index.tobytes()
    return data + table + crc32c(table).to_bytes(4, "little")


@settings(deadline=None, max_examples=50)
@given(
    st.permutations(range(16)),
    st.sets(st.integers(0, 15)),
    st.sets(st.integers(0, 15)),
    st.sampled_from([0, 7, LARGEST_GAP_BYTES // 2, LARGEST_GAP_BYTES + 1]),
)
def test_chunks_are_found_in_whatever_order_they_lie(tmp_path_factory, order, present, wanted, gap):
    chunks = {place: bytes([place]) * (place + 1) for place in present}
    path = tmp_path_factory.mktemp("shard") / "shard"
    path.write_bytes(shard_of(chunks, [p for p in order if p in present], gap, 16))
    file = os.open(path, os.O_RDONLY)
    try:
        index = IndexCache(16, longest_bytes=16).index(LocalFile(file), (0, 0))
        found = dict(read_chunks(LocalFile(file), index, np.array(sorted(wanted), np.intp)))
    finally:
        os.close(file)
    assert found == {place: chunks[place] for place in wanted & present}


def test_indexes_are_kept_within_their_bound(tmp_path):
    path = tmp_path / "shard"
    path.write_bytes(shard_of({3: b"three"}, [3], 0, 256))
    cache = IndexCache(256, longest_bytes=5, largest_bytes=5 * 5000)
    file = os.open(path, os.O_RDONLY)
    try:
        for column in range(20):
            assert cache.index(LocalFile(file), (column, 0))[3].tolist() == [0, 5]
            assert cache.nbytes <= 5 * 5000
    finally:
        os.close(file)
    assert len(cache) == 5
    assert cache.index(LocalFile(-1), (19, 0))[3].tolist() == [
        0,
        5,
    ]  # known: the file is not touched
    with pytest.raises(OSError, match="Bad file"):
        cache.index(LocalFile(-1), (0, 0))


def test_a_cut_shard_is_no_index(tmp_path):
    path = tmp_path / "shard"
    path.write_bytes(bytes(index_bytes(4) - 1))
    with path.open("rb") as file, pytest.raises(ValueError, match="too short for its index"):
        IndexCache(4, longest_bytes=9).index(LocalFile(file.fileno()), (0, 0))


def test_a_chunk_that_claims_too_much_is_damage(tmp_path):
    path = tmp_path / "shard"
    path.write_bytes(shard_of({0: bytes(101)}, [0], 0, 4))
    with path.open("rb") as file, pytest.raises(ValueError, match="101 bytes are too many"):
        IndexCache(4, longest_bytes=100).index(LocalFile(file.fileno()), (0, 0))

import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from slidetile.codecs import crc32c
from slidetile.shard import index_bytes, pack_shard, unpack_index

chunk_maps = st.dictionaries(st.integers(0, 8), st.binary(min_size=1, max_size=50))


@given(chunk_maps)
def test_chunks_come_back_from_where_the_index_says(chunks):
    shard = pack_shard(chunks, 9)
    index = unpack_index(shard[-index_bytes(9) :], 9, len(shard))
    found = {i: shard[o : o + n] for i, (o, n) in enumerate(index.tolist()) if n}
    assert found == chunks
    assert len(shard) == sum(map(len, chunks.values())) + index_bytes(9)


def test_the_order_of_the_chunks_does_not_matter():
    assert pack_shard({1: b"b", 0: b"a"}, 2) == pack_shard({0: b"a", 1: b"b"}, 2)


def test_crc32c_is_castagnoli():
    assert crc32c(b"123456789") == 0xE3069283  # RFC 3720, B.4 and every catalogue of CRCs


@given(chunk_maps, st.integers(0, 10_000))
def test_a_flipped_bit_in_the_index_is_found(chunks, bit):
    shard = bytearray(pack_shard(chunks, 9))
    tail = index_bytes(9)
    position = len(shard) - tail + bit // 8 % tail
    shard[position] ^= 1 << bit % 8
    with pytest.raises(ValueError, match="checksum"):
        unpack_index(bytes(shard[-tail:]), 9, len(shard))


def _index(entries):
    table = np.array(entries, "<u8").tobytes()
    return table + struct.pack("<I", crc32c(table))


@pytest.mark.parametrize(
    "entry", [(0, 101), (100, 1), (2**64 - 2, 2), (2**63, 2**63), (1, 2**64 - 1)]
)
def test_an_index_that_points_outside_is_refused(entry):
    with pytest.raises(ValueError, match="outside its 100 bytes"):
        unpack_index(_index([entry]), 1, 100 + index_bytes(1))


def test_a_shard_cut_short_is_refused():
    with pytest.raises(ValueError, match="too short"):
        unpack_index(b"abc", 1, 3)

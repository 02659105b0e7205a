import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from slidetile.format.checksum import crc32c
from slidetile.format.layout import ChunkGrid
from slidetile.format.shard import index_bytes, pack_shard, unpack_index

GRID = ChunkGrid(width=9, height=9, chunk_width=3, chunk_height=3, chunks_across=3, chunks_down=3)

chunk_maps = st.dictionaries(st.integers(0, 8), st.binary(min_size=1, max_size=50))


def packed(chunks):
    """Pack chunks given each in one piece; return the shard in one piece."""
    return b"".join(pack_shard({place: (chunk,) for place, chunk in chunks.items()}, GRID))


@given(chunk_maps)
def test_chunks_come_back_from_where_the_index_says(chunks):
    shard = packed(chunks)
    index = unpack_index(shard[-index_bytes(9) :], 9, len(shard))
    found = {i: shard[o : o + n] for i, (o, n) in enumerate(index.tolist()) if n}
    assert found == chunks
    assert len(shard) == sum(map(len, chunks.values())) + index_bytes(9)


def test_the_order_of_the_chunks_does_not_matter():
    assert packed({1: b"b", 0: b"a"}) == packed({0: b"a", 1: b"b"})


def test_a_chunk_in_parts_is_one_chunk():
    assert pack_shard({3: (b"a", b"bc")}, GRID)[-2:] == pack_shard({3: (b"abc",)}, GRID)[-2:]


def test_chunks_lie_along_a_z_curve():
    shard = packed({place: bytes([place]) for place in range(9)})
    assert list(shard[:9]) == [0, 1, 3, 4, 2, 5, 6, 7, 8]


def test_crc32c_is_castagnoli():
    assert crc32c(b"123456789") == 0xE3069283  # RFC 3720, B.4 and every catalogue of CRCs


@given(chunk_maps, st.integers(0, 10_000))
def test_a_flipped_bit_in_the_index_is_found(chunks, bit):
    shard = bytearray(packed(chunks))
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

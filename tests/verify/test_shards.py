"""Shards that lack chunks, or hold what no tile needs or nothing decodes, are found."""

import shutil
import struct

import pytest
from tampering import CODECS, chunks_of, packed, reseal, shards, told

import slidetile as st
from slidetile.format.checksum import crc32c


@pytest.mark.parametrize("codec", CODECS)
def test_a_shard_left_out_of_the_manifest_too_is_found(copied, codec):
    path = copied(codec)
    (path / shards(path)[0]).unlink()
    reseal(path)
    found = told(st.verify_store(path))
    assert "its bytes is" in found
    assert codec == "native" or "it is ok, but not all its chunks are stored" in found


def test_a_coarser_shard_left_out_of_the_manifest_too_is_found(copied):
    path = copied("zstd")
    (path / shards(path, 1)[0]).unlink()
    reseal(path)
    assert "1/c/0/0/0: it lacks the chunks 0" in told(st.verify_store(path))


def test_a_shard_that_no_tile_needs_is_found(copied):
    path = copied("raw")
    missing = {f"0/c/0/{row}/{column}" for row in range(2) for column in range(2)}
    name = min(missing - set(shards(path)))
    (path / name).parent.mkdir(exist_ok=True)
    shutil.copy(path / shards(path)[0], path / name)
    reseal(path)
    assert f"{name}: no tile needs its chunks 0" in told(st.verify_store(path))


@pytest.mark.parametrize(
    ("codec", "count"), [("native", 256), ("zstd", 4), ("jxl", 4), ("jpeg", 4)]
)
def test_a_chunk_that_does_not_decode_is_found_though_every_checksum_fits(copied, codec, count):
    path = copied(codec)
    name = shards(path, 1)[0]
    chunks = chunks_of((path / name).read_bytes(), count)
    payload = b"\xff\xd8 nothing \xff\xd9"
    sealed = payload if codec == "zstd" else payload + struct.pack("<I", crc32c(payload))
    chunks[min(chunks)] = sealed
    (path / name).write_bytes(packed(path, name, chunks))
    reseal(path)
    assert "1/zarr.json: the chunk at column " in told(st.verify_store(path))
    assert f"{name}: chunk {min(chunks)} is damaged" in told(st.verify_store(path, deep=True))


def test_chunks_out_of_order_are_found(copied):
    path = copied("zstd")
    name = next(n for n in shards(path) if (path / n).stat().st_size > 2000)
    data = (path / name).read_bytes()
    index = bytearray(struct.pack("<2Q", 0, 3) + data[-52:-4])
    (path / name).write_bytes(data[:-68] + index + struct.pack("<I", crc32c(bytes(index))))
    reseal(path)
    assert "its chunks do not lie one after another" in told(st.verify_store(path))

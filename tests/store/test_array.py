"""Reading touches what it must and no more, whatever the files claim."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from known_tissue import drawn

import slidetile as st
from slidetile.format.codecs.planar import ZstdCodec
from slidetile.raster.region import Region
from slidetile.store._array import ArrayFile
from slidetile.store._chunk_cache import FEWEST_CHUNKS, LARGEST_CACHE_BYTES, ChunkCache


class CountingCodec(ZstdCodec):
    """Counts what is decoded."""

    __slots__ = ("decoded",)

    def decode(self, payload, *how):
        self.decoded.append(len(payload))
        return super().decode(payload, *how)


def opened(store, codec=None):
    """Level 0 of a store, as it is opened, with a codec that may count."""
    known = st.open_store(store)._arrays[0]
    return ArrayFile(known._folder, "0", codec or ZstdCodec(), known._absence)


@pytest.fixture(scope="module")
def store(sample, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("array") / "s.zarr"
    recipe = st.Recipe(tile=st.TileSpec(size=512), codec="zstd", detector=drawn)
    return st.tile_slide(sample, path, recipe).path


@pytest.fixture(scope="module")
def corner(store):
    """The level-0 pixel (x, y) where four stored tiles meet, and so four chunks."""
    tiles = st.open_store(store).tiles
    cells = set(zip(tiles["column"].to_pylist(), tiles["row"].to_pylist(), strict=True))
    around = ((0, 0), (-1, 0), (0, -1), (-1, -1))
    column, row = min((c, r) for c, r in cells if {(c + x, r + y) for x, y in around} <= cells)
    return 512 * column, 512 * row


@pytest.mark.parametrize(
    ("left", "top", "side", "chunks"),
    [
        (-400, -400, 256, 1),
        (-100, -400, 256, 2),
        (-100, -100, 256, 4),
        (0, 0, 512, 1),
        (-9000, -9000, 400, 0),
    ],
)
def test_a_region_decodes_only_the_chunks_it_touches(store, corner, left, top, side, chunks):
    region = Region(x=corner[0] + left, y=corner[1] + top, width=side, height=side)
    codec = CountingCodec()
    object.__setattr__(codec, "decoded", [])
    array = opened(store, codec)
    pixels = array.read(region, (255, 255, 255))
    assert len(codec.decoded) == chunks
    assert np.array_equal(pixels, st.open_store(store).read_region(region))


def test_shard_indexes_are_kept_but_not_without_end(store):
    array = opened(store)
    grid = array.grid
    for row in range(grid.chunk_rows):
        for column in range(grid.chunk_columns):
            array.chunk(column, row)
    shards = len([path for path in (store / "0" / "c").rglob("*") if path.is_file()])
    assert 1 < len(array._indexes) == shards


@pytest.mark.parametrize(
    "change",
    [
        {"shape": [3, 2**40, 2**40]},
        {"shape": [3, -1, 5]},
        {"shape": [4, 100, 100]},
        {"shape": "abc"},
        {"data_type": "float64"},
        {"fill_value": None},
        {"codecs": []},
        {"chunk_grid": {"configuration": {"chunk_shape": [3, 0, 0]}}},
        {"chunk_grid": {"configuration": {"chunk_shape": [3, 1000, 1024]}}},
        {"chunk_grid": {"configuration": {"chunk_shape": [3, float("inf"), 1024]}}},
    ],
    ids=str,
)
def test_metadata_that_make_no_sense_are_refused(store, tmp_path, change):
    path = shutil.copytree(store, tmp_path / "s.zarr")
    node = json.loads((store / "0" / "zarr.json").read_bytes()) | change
    (path / "0" / "zarr.json").write_text(json.dumps(node))
    with pytest.raises(st.StoreError, match="is not an array of a store"):
        st.open_store(path)


def test_a_damaged_chunk_is_named(store, tmp_path):
    copy = tmp_path / "copy.zarr"
    shutil.copytree(store, copy)
    shard = next(path for path in sorted((copy / "0" / "c").rglob("*")) if path.is_file())
    data = bytearray(shard.read_bytes())
    data[100] ^= 0xFF
    shard.write_bytes(data)
    opened = st.open_store(copy)
    with pytest.raises(st.StoreError, match=r"chunk at column \d+, row \d+ of .* is damaged"):
        list(opened)


def test_a_cache_stays_within_its_bound():
    cache = ChunkCache(largest_bytes=10_000)
    for number in range(50):
        cache.keep((number, 0), np.zeros((10, 100, 1), np.uint8))
        assert cache.nbytes <= 10_000
    assert (49, 0) in cache
    assert (0, 0) not in cache
    for number in range(50):
        cache.keep((number, 1), np.zeros((100, 100, 1), np.uint8))
    assert sum((number, 1) in cache for number in range(50)) == FEWEST_CHUNKS
    for number in range(10**4):
        cache.keep((number, 2), None)  # not stored: takes next to nothing, but not nothing
    assert len(cache._chunks) < 100
    assert ChunkCache()._largest_bytes == LARGEST_CACHE_BYTES == 64 * 2**20

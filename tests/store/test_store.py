"""A store as its users see it: tiles, regions, levels, and what it says of itself."""

import pickle

import numpy as np
import pyarrow.compute as pc
import pytest
import zarr
from tampering import pixels, plan_of, small_slide

import slidetile as st
from slidetile.raster.icc import LARGEST_PROFILE_BYTES
from slidetile.store.store import seems_store


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    slide = small_slide()
    path = tmp_path_factory.mktemp("store") / "s.zarr"
    return st.write_tiles(slide, plan_of(slide), path, codec="zstd").path


@pytest.fixture
def store(path):
    return st.open_store(path)


def test_tiles_are_the_slides_pixels_always_of_the_full_size(store):
    truth = pixels()
    for number, found in enumerate(store):
        region = store.tile_region(number)
        inside = truth[region.y : region.bottom, region.x : region.right]
        assert found.shape == (208, 208, 3)
        assert np.array_equal(found[: inside.shape[0], : inside.shape[1]], inside)
        assert np.array_equal(store[number - len(store)], found)
    for beyond in (len(store), -len(store) - 1):
        with pytest.raises(IndexError, match=f"has {len(store)} tiles, so there is no tile"):
            store[beyond]


def test_a_region_of_a_coarser_level_covers_it(store):
    region = store.tile_region(0)
    assert store.read_region(region, level=1).shape == (104, 104, 3)
    with pytest.raises(IndexError):
        store.read_region(region, level=9)


def test_what_lies_outside_the_slide_is_background(store):
    found = store.read_region(st.Region(x=-5, y=-5, width=5, height=5))
    assert (found == store.background).all()


@pytest.mark.parametrize("codec", ["native", "jpeg", "zstd", "raw"])
def test_a_chunk_is_read_by_itself_and_as_it_is_stored(tmp_path, sample, codec):
    recipe = st.Recipe(codec=codec, tile=st.TileSpec(size=256))
    store = st.tile_slide(sample, tmp_path / "a.zarr", recipe)
    level = store.levels[0]
    width, height = level.tile_width_px, level.tile_height_px
    found = 0
    for row in range(-(-level.height // height)):
        for column in range(-(-level.width // width)):
            pixels, data = store.read_chunk(column, row), store.read_chunk_bytes(column, row)
            assert (pixels is None) == (data is None)
            if pixels is None:
                continue
            found += 1
            region = st.Region(x=column * width, y=row * height, width=width, height=height)
            inside = region.intersection(
                st.Region(x=0, y=0, width=level.width, height=level.height)
            )
            stored = pixels[: inside.height, : inside.width]
            assert np.array_equal(stored, store.read_region(inside))
            assert np.array_equal(stored, store.read_level_region(inside, level=0))
            payload = store.metadata.chunk_codec.decode(data, pixels.shape)
            assert np.array_equal(payload, pixels)
    assert found > 0
    for wrong in ((-1, 0), (0, 999)):
        with pytest.raises(IndexError, match=f"there is none at column {wrong[0]}, row {wrong[1]}"):
            store.read_chunk(*wrong)


def test_it_says_what_it_is(store, path):
    assert store.codec == "zstd"
    assert store.mpp == (0.5, 0.25)
    assert store.tile_size == 208
    assert store.slide_scale == (1.0, 1.0)
    assert [level.size for level in store.levels] == [(1533, 1107), (767, 554)]
    assert len(store.tiles) == len(store) == store.metadata.tile_count
    assert store.tile_bytes < sum(store.tiles["bytes"].to_pylist())  # tiles share chunks
    assert store.unreadable == 0
    assert store.icc_profile is None
    assert store.overview.shape[:2] == store.tissue.shape
    assert repr(store).startswith(f"TileStore({str(path)!r}: {len(store)} tiles of 208 px, zstd")
    assert "<table>" in store._repr_html_()


@pytest.mark.parametrize("codec", ["native", "zstd", "raw"])
@pytest.mark.parametrize("tile", [(208, "keep"), (256, "shift"), (512, "keep")])
def test_what_tiles_take_counts_each_chunk_once(sample, tmp_path, codec, tile):
    size, edge = tile
    recipe = st.Recipe(codec=codec, tile=st.TileSpec(size=size, edge=edge))
    store = st.tile_slide(sample, tmp_path / "a.zarr", recipe)
    level = store._arrays[0]
    if codec == "raw":  # a file for each chunk
        files = [path for path in (tmp_path / "a.zarr/0/c").rglob("*") if path.is_file()]
        assert store.tile_bytes == sum(path.stat().st_size for path in files)
    else:  # by the indexes of its shards
        whole = st.Region(x=0, y=0, width=level.grid.chunk_columns, height=level.grid.chunk_rows)
        assert store.tile_bytes == level.stored_bytes(whole)


def test_its_parts_agree_when_it_was_pickled(store):
    again = pickle.loads(pickle.dumps(store))  # noqa: S301  our own bytes
    assert again.tiles.equals(store.tiles)
    assert np.array_equal(again[1], store[1])


def test_some_tiles_are_chosen_by_their_columns_or_ids(store):
    assert len(store.select(pc.field("status") == "ok")) == len(store)
    assert np.array_equal(store.select([2, 0])[1], store[0])


def test_a_name_tells_a_store_from_a_slide(path, tmp_path):
    assert seems_store(path)
    assert seems_store(tmp_path / "no.zarr")
    assert not seems_store(tmp_path / "a.svs")
    zarr.open_group(tmp_path / "plate.zarr", mode="w").attrs["ome"] = {"plate": {}}
    assert not seems_store(tmp_path / "plate.zarr")


@pytest.mark.parametrize("more", [0, 1])
def test_a_profile_that_metadata_cannot_hold_is_left_out_with_a_word(tmp_path, caplog, more):
    profile = bytes(LARGEST_PROFILE_BYTES + more)
    slide = st.ArraySlide(pixels(), mpp=0.5, name="colourful", icc_profile=profile)
    plan = plan_of(slide)
    store = st.write_tiles(slide, plan, tmp_path / "s.zarr", codec="zstd")
    assert st.open_store(store.path).icc_profile == (None if more else profile)
    told = "colourful: its colour profile of 12.0 MB is left out: a store holds at most 12 MB"
    assert (told in caplog.text) == bool(more)
    assert st.verify_store(store.path) == ()

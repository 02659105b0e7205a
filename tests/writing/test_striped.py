"""Stores of slides whose tiles are made of stripes: copied, damaged, continued, verified."""

import json

import numpy as np
import pytest
import zarr
from ndpi_files import levels_of, write_ndpi
from pictures import pattern

import slidetile as st
from slidetile.format.codecs.jpeg import is_averaged_jpeg
from slidetile.format.table import OK
from slidetile.raster.block_means import area_average

STRIPE = 256
WIDTH, HEIGHT = 4 * STRIPE, 2048


@pytest.fixture(params=["made/brightfield.ndpi", "test3-DAPI.ndpi"])
def real(request, shared_slides):
    return shared_slides / request.param


def picture():
    """Blocks of one colour each, with noise: what is averaged or misplaced shows."""
    noise = np.random.default_rng(3).integers(0, 30, (HEIGHT, WIDTH, 3))
    blocks = np.kron(pattern(HEIGHT // 8, WIDTH // 8), np.ones((8, 8, 1), np.uint8))
    return (blocks // 2 + noise + 60).astype(np.uint8)


def tile(slide, out, **choices):
    """Tile all of a slide."""
    ring = [[0, 0], [WIDTH, 0], [WIDTH, HEIGHT], [0, HEIGHT], [0, 0]]
    shape = {"type": "Polygon", "coordinates": [ring]}
    path = slide.parent / "all.geojson"
    feature = {"type": "Feature", "geometry": shape, "properties": {}}
    path.write_text(json.dumps({"type": "FeatureCollection", "features": [feature]}))
    spec = st.AnnotationsSpec(path=path)
    recipe = st.Recipe(tile=st.TileSpec(size=256), annotations=spec, **choices)
    return st.tile_slide(slide, out, recipe)


def findings(store, path):
    """Return what a deep comparison of a store with its slide finds."""
    with st.open_slide(path) as slide:
        return list(st.verify_store(store.path, slide=slide, deep=True))


def test_a_native_store_is_the_slide_bit_for_bit(tmp_path, real):
    store = st.tile_slide(real, tmp_path / "a.zarr", st.Recipe(check="decode"))
    assert store.codec == "native"
    assert set(store.tiles["status"].to_pylist()) == {OK}
    assert not findings(store, real)
    with st.open_slide(real, reader="openslide") as oracle:
        side = store.metadata.tile_size
        for row in store.tiles.to_pylist():
            region = st.Region(x=row["x"], y=row["y"], width=side, height=side)
            np.testing.assert_array_equal(store[row["tile_id"]], oracle.read_region(region))


def test_zarr_reads_all_levels_as_the_slide_has_them(tmp_path, real):
    store = st.tile_slide(real, tmp_path / "a.zarr")
    with st.open_slide(real, reader="openslide") as oracle:
        sizes = [level.size for level in oracle.levels]
        for number in range(len(store.levels)):
            array = zarr.open_array(store.path / str(number), mode="r")
            height, width = array.shape[1:]
            twin = sizes.index((width, height))
            tile = store.tiles.to_pylist()[0]
            at = st.Region(x=tile["x"], y=tile["y"], width=tile["width"], height=tile["height"])
            region = oracle.level_region(at, twin)
            stored = array[:, *region.slices].transpose(1, 2, 0)
            np.testing.assert_array_equal(stored, oracle.read_region(at, level=twin))


def test_the_stored_bytes_are_within_two_percent_of_the_copied_ones(tmp_path, real):
    store = st.tile_slide(real, tmp_path / "a.zarr")
    shards = [path for path in (store.path / "0" / "c").rglob("*") if path.is_file()]
    written = sum(path.stat().st_size for path in shards)
    with st.open_slide(real) as slide:
        native = slide.native_tiles(0)
        width, height = native.tile_width_px, native.tile_height_px
        cells = {
            (column, row)
            for tile in store.tiles.to_pylist()
            for column in range(tile["x"] // width, -(-(tile["x"] + tile["width"]) // width))
            for row in range(tile["y"] // height, -(-(tile["y"] + tile["height"]) // height))
        }
        copied = native.stored_bytes(sorted(cells))
    assert copied <= written < copied * 1.02


def test_damage_of_a_stripe_costs_the_tiles_on_it_and_is_told(tmp_path):
    levels = levels_of(picture(), STRIPE)
    levels[0].stripes[4 * 70 + 2] = bytes(300)
    levels[0].restart()
    slide = write_ndpi(tmp_path / "a.ndpi", levels)
    store = tile(slide, tmp_path / "a.zarr")
    assert store.codec == "native"
    rows = store.tiles.to_pylist()
    lost = {(row["column"], row["row"]) for row in rows if row["status"] != OK}
    assert lost == {(2, 2), (2, 3)}, "stripe 70 of column 2 lies in the tile of 512 rows from 512"
    (damage,) = store.metadata.damage.unreadable
    assert damage.tiles == 2
    assert "decode" in damage.reason
    assert not findings(store, slide)


def test_a_damaged_coarse_tile_is_averaged_from_the_finer_level(tmp_path):
    finest, coarse = levels_of(picture(), STRIPE)
    coarse.markers[9] = b"\0\0"
    coarse.restart()
    slide = write_ndpi(tmp_path / "a.ndpi", [finest, coarse])
    store = tile(slide, tmp_path / "a.zarr")
    assert store.codec == "native"
    assert set(store.tiles["status"].to_pylist()) == {OK}
    counted = [(each.level, each.blocks) for each in store.metadata.damage.replaced]
    assert counted == [(1, 2)], "the stripe that lacks its marker, and the one behind"
    assert not findings(store, slide)
    with st.open_slide(slide) as opened:
        whole = area_average(opened.read_region(opened.bounds), 4)
    averaged = zarr.open_array(store.path / "1", mode="r")[:, :, 64:128].transpose(1, 2, 0)
    assert np.abs(averaged.astype(int) - whole[:512, 64:128]).mean() < 3


def test_a_run_that_was_stopped_is_continued_to_the_same_bytes(tmp_path, tree):
    slide = write_ndpi(tmp_path / "a.ndpi", levels_of(np.tile(picture(), (3, 9, 1)), STRIPE))

    def stop(progress):
        if progress.shards_done == 2:
            raise KeyboardInterrupt

    with st.open_slide(slide) as opened:
        plan = st.plan_tiles(opened, st.find_tissue(opened), st.TileSpec(min_tissue_fraction=0))
        whole = st.write_tiles(opened, plan, tmp_path / "whole.zarr")
        with pytest.raises(KeyboardInterrupt):
            st.write_tiles(opened, plan, tmp_path / "again.zarr", on_progress=stop)
        assert (tmp_path / "again.zarr.partial").is_dir()
        told = []
        again = st.write_tiles(opened, plan, tmp_path / "again.zarr", on_progress=told.append)
    assert told[0].shards_done >= 2
    assert whole.codec == again.codec == "native"
    assert tree(again.path) == tree(whole.path)


@pytest.mark.parametrize("codec", ["zstd", "jpeg"])
def test_other_codecs_decode_the_same_tiles(tmp_path, codec):
    levels = levels_of(picture(), STRIPE)
    levels[0].markers[4 * 70 + 2] = b"\0\0"
    slide = write_ndpi(tmp_path / "a.ndpi", levels)
    store = tile(slide, tmp_path / "a.zarr", codec=codec)
    rows = store.tiles.to_pylist()
    lost = {(row["column"], row["row"]) for row in rows if row["status"] != OK}
    assert lost == {(column, row) for column in (2, 3) for row in (2, 3)}
    assert not findings(store, slide)


def test_averaged_chunks_are_told_from_copied_ones(tmp_path):
    finest, coarse = levels_of(picture(), STRIPE)
    with st.open_slide(write_ndpi(tmp_path / "a.ndpi", [finest, coarse])) as slide:
        streams = slide.native_tiles(1).fetch([(0, 0), (3, 0)]).streams()
    assert not any(is_averaged_jpeg(stream) for stream in streams)

"""What a store records, without its levels or its slide."""

import shutil

import numpy as np
import pytest

import slidetile as st
from slidetile.store.recorded import StoreRecord


@pytest.fixture
def store(sample, tmp_path):
    return st.tile_slide(sample, tmp_path / "x.zarr", st.Recipe(tile=st.TileSpec(size=512)))


def test_it_is_what_the_open_store_tells(store):
    record = StoreRecord(store.path)
    assert record.metadata == store.metadata
    assert record.size == store.levels[0].size
    assert record.tiles == store.tiles
    assert np.array_equal(record.overview(), store.overview)
    assert np.array_equal(record.tissue(), store.tissue)
    assert record.overview_scale == store.overview_scale
    record.check_levels()


def test_the_slide_need_not_be_there(sample, tmp_path):
    slide = shutil.copy(sample, tmp_path / "gone.svs")
    store = st.tile_slide(slide, tmp_path / "x.zarr", st.Recipe(codec="reference"))
    tiles, overview = store.tiles, store.overview
    (tmp_path / "gone.svs").unlink()
    record = StoreRecord(tmp_path / "x.zarr")
    record.check_levels()
    assert record.tiles == tiles
    assert np.array_equal(record.overview(), overview)


def test_each_part_is_damaged_by_itself(store):
    (store.path / "tiles" / "tiles.parquet").unlink()
    (store.path / "0" / "zarr.json").rename(store.path / "0" / "lost.json")
    record = StoreRecord(store.path)
    assert record.tissue().max() == 2
    with pytest.raises(st.StoreError, match=r"zarr\.json could not be read"):
        record.check_levels()
    (store.path / "0" / "lost.json").rename(store.path / "0" / "zarr.json")
    with pytest.raises(st.StoreError, match=r"tiles\.parquet could not be read"):
        _ = StoreRecord(store.path).tiles


def test_an_unfinished_store_is_refused(tmp_path):
    (tmp_path / "x.zarr.partial").mkdir()
    with pytest.raises(st.IncompleteStoreError, match="is not finished"):
        StoreRecord(tmp_path / "x.zarr")

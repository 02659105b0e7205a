"""The tiles of all stores of a cohort as one table."""

import shutil

import duckdb
import polars as pl
import pyarrow.compute as pc
import pytest
from batches import tile_here, two_stores
from paths import SAMPLE

import slidetile as st

SAMPLE_LABELS = SAMPLE.with_suffix(".geojson")
SMALL = st.Recipe(tile=st.TileSpec(size=512))


@pytest.fixture(scope="module")
def cohort(sample, tmp_path_factory):
    return two_stores(sample, tmp_path_factory.mktemp("cohort"), SMALL)


def test_tiles_of_all_slides_with_the_manifests_columns(cohort):
    tiles = st.scan_tiles(cohort)
    stores = {key: st.open_store(cohort / f"{key}.zarr") for key in ("first", "second")}
    table = tiles.to_table()
    assert table.num_rows == sum(map(len, stores.values()))
    assert table.column_names[:3] == ["key", "patient", "manifest_row"]
    for key, store in stores.items():
        own = tiles.to_table(filter=pc.field("key") == key)
        for name in store.tiles.column_names:
            assert own[name].to_pylist() == store.tiles[name].to_pylist()
    assert set(tiles.to_table(filter=pc.field("patient") == "P1")["key"].to_pylist()) == {"first"}
    assert set(table["manifest_row"].to_pylist()) == {"7", ""}


def test_polars_and_duckdb_read_them(cohort):
    tiles = st.scan_tiles(cohort)
    count = len(st.open_store(cohort / "first.zarr"))
    found = pl.scan_pyarrow_dataset(tiles).group_by("key").len().sort("key").collect()
    assert found.rows() == [("first", count), ("second", count)]
    rows = duckdb.sql("select key, count(*) from tiles group by key order by key").fetchall()
    assert rows == [("first", count), ("second", count)]


def test_stores_that_no_table_knows_are_among_them(sample, tmp_path):
    st.tile_slide(sample, tmp_path / "alone.zarr", SMALL)
    assert set(st.scan_tiles(tmp_path).to_table()["key"].to_pylist()) == {"alone"}


@pytest.mark.parametrize("names", [("a", "b"), ("b", "a")], ids=["labelled first", "or last"])
def test_columns_that_only_some_stores_have(sample, tmp_path, names):
    labelled, plain = (tmp_path / f"{name}.zarr" for name in names)
    labels = st.LabelsSpec(path=SAMPLE_LABELS)
    st.tile_slide(sample, labelled, st.Recipe(tile=SMALL.tile, labels=labels))
    st.tile_slide(sample, plain, SMALL)
    tiles = st.scan_tiles(tmp_path)
    for path in (labelled, plain):
        store = st.open_store(path)
        own = tiles.to_table(filter=pc.field("key") == path.stem)
        assert len(own) == len(store)
        has = "class_tumor" in store.tiles.column_names
        assert has == (path == labelled)
        told = own["class_tumor"].to_pylist()
        assert told == (store.tiles["class_tumor"].to_pylist() if has else [None] * len(store))
    found = pl.scan_pyarrow_dataset(tiles).filter(pl.col("class_tumor") > 0.5).collect()
    assert set(found["key"]) == {labelled.stem}


def test_a_folder_without_stores_is_told(tmp_path):
    with pytest.raises(st.CohortError, match="holds no finished store"):
        st.scan_tiles(tmp_path)
    with pytest.raises(st.CohortError, match="nix does not exist: give the output folder"):
        st.scan_tiles(tmp_path / "nix")


def test_slides_of_one_name_are_told_apart_by_their_key(sample, tmp_path, caplog):
    slides = [tmp_path / "a/x.svs", tmp_path / "b/x.svs", tmp_path / "c.svs"]
    for slide in slides:
        slide.parent.mkdir(exist_ok=True)
        shutil.copy(sample, slide)
    tile_here(slides[:1], tmp_path / "out", SMALL)
    assert "share their name" not in caplog.text
    tile_here(slides[1:], tmp_path / "out", SMALL)  # the first one was there before
    assert "share their name with another one: 2 (x). The column slide" in caplog.text
    tiles = st.scan_tiles(tmp_path / "out").to_table()
    assert set(tiles["slide"].to_pylist()) == {"x", "c"}
    assert len(set(tiles["key"].to_pylist())) == 3
    caplog.clear()
    anonymous = st.WriteOptions(anonymous=True)
    tile_here(slides, tmp_path / "named", SMALL, options=anonymous)
    assert "share their name" not in caplog.text

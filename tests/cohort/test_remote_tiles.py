"""The tiles of a cohort in a bucket as one table, for Arrow, polars and DuckDB."""

import duckdb
import polars as pl
import pyarrow.compute as pc
import pytest
from batches import two_stores
from object_storage import OPTIONS, Fault

import slidetile as st
from slidetile.cloud.objects import remove_objects, write_object

SMALL = st.Recipe(tile=st.TileSpec(size=512))


@pytest.fixture(scope="module")
def made(sample, tmp_path_factory):
    return two_stores(sample, tmp_path_factory.mktemp("cohort"), SMALL)


@pytest.fixture
def cohort(made, lab):
    return lab.put(made, "cohort")


def test_the_same_rows_as_on_a_disk(made, cohort):
    here, there = st.scan_tiles(made), st.scan_tiles(cohort)
    assert there.to_table().equals(here.to_table())
    assert there.schema == here.schema
    first = pc.field("key") == "first"
    assert there.to_table(filter=first).equals(here.to_table(filter=first))


def test_only_tables_that_are_asked_for_are_read(lab, cohort):
    tiles = st.scan_tiles(cohort)
    found = [each for each in lab.proxy.requests if ".zarr" in each.key + each.query]
    assert len(found) == 2 * 4  # three to find each store, and the end of its table: its columns
    lab.proxy.clear()
    tiles.to_table(filter=pc.field("key") == "second", columns=["key"])
    (read,) = lab.proxy.requests
    assert read.key.endswith("second.zarr/tiles/tiles.parquet")


def test_columns_are_told_by_all_of_a_table_whose_end_is_long(cohort, monkeypatch):
    schema = st.scan_tiles(cohort).schema
    monkeypatch.setattr("slidetile.cohort.tile_tables.FOOTER_BYTES", 100)
    assert st.scan_tiles(cohort).schema == schema


def test_polars_and_duckdb_read_them(cohort):
    tiles = st.scan_tiles(cohort)
    count = len(st.open_store(cohort / "first.zarr"))
    found = pl.scan_pyarrow_dataset(tiles).group_by("key").len().sort("key").collect()
    assert found.rows() == [("first", count), ("second", count)]
    rows = duckdb.sql("select key, count(*) from tiles group by key order by key").fetchall()
    assert rows == [("first", count), ("second", count)]


def test_polars_reads_the_tables_by_itself(lab, cohort):
    options = {f"aws_{name}": value for name, value in OPTIONS.items()}
    options |= {"aws_endpoint_url": lab.proxy.endpoint, "aws_allow_http": "true"}
    tables = pl.scan_parquet(
        f"{cohort}/*.zarr/tiles/tiles.parquet",
        storage_options=options,
        credential_provider=None,
        include_file_paths="path",
    )
    count = len(st.open_store(cohort / "first.zarr"))
    found = tables.group_by("path").len().sort("path").collect()
    assert found["len"].to_list() == [count, count]


def test_options_may_be_given_to_the_call(lab, cohort):
    options = {**OPTIONS, "endpoint": lab.proxy.endpoint}
    st.set_storage_options({})
    tiles = st.scan_tiles(str(cohort), storage_options=options)
    assert set(tiles.to_table()["key"].to_pylist()) == {"first", "second"}


def test_stores_that_are_not_finished_are_left_out(cohort):
    remove_objects([cohort / "first.zarr" / "zarr.json"])
    assert set(st.scan_tiles(cohort).to_table()["key"].to_pylist()) == {"second"}


def test_a_table_that_is_replaced_meanwhile_is_an_error(cohort):
    tiles = st.scan_tiles(cohort)
    write_object(cohort / "first.zarr" / "tiles" / "tiles.parquet", [b"PAR1 another"])
    with pytest.raises(OSError, match="replaced or changed meanwhile"):
        tiles.to_table()


def test_a_store_that_cannot_be_read_is_not_left_out(lab, cohort):
    denied = Fault(status=403, code="AccessDenied")
    lab.proxy.fault = lambda each: denied if each.key.endswith("first.zarr/zarr.json") else None
    with pytest.raises(st.CohortError, match=r"first\.zarr could not be read: access is denied"):
        st.scan_tiles(cohort)


def test_a_prefix_without_stores_is_told(lab):
    with pytest.raises(st.CohortError, match="holds no finished store"):
        st.scan_tiles(lab.home)

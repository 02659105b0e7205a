"""The tile table is read strictly: other columns, missing values and damaged names are refused."""

import io

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from paths import SAMPLE

import slidetile as st
from slidetile.format.table import TableShape, quality_mpp, read_parquet, schema, write_parquet


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    path = tmp_path_factory.mktemp("table") / "s.zarr"
    return st.tile_slide(SAMPLE, path, st.Recipe(tile=st.TileSpec(size=512))).tiles


def read(data, rows=None):
    count = pq.ParquetFile(pa.BufferReader(data)).metadata.num_rows if rows is None else rows
    return read_parquet(io.BytesIO(data), count, TableShape(slide="sample"))


def test_a_table_is_read_as_it_was_written(table):
    assert read(write_parquet(table)).equals(table, check_metadata=True)
    assert quality_mpp(table) == (4.0, 4.0)
    assert quality_mpp(table.cast(schema(None, TableShape(slide="sample")))) is None


def without_a_value(table, name):
    place = table.column_names.index(name)
    values = [None, *table[name].to_pylist()[1:]]
    return table.set_column(place, table.field(place), pa.array(values, table.field(place).type))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda table: table.drop_columns(["bytes"]), "its columns are tile_id, column"),
        (lambda table: table.append_column("more", table["x"]), "its columns are .*more"),
        (lambda table: table.rename_columns(["x"] * table.num_columns), "its columns are x, x"),
        (lambda table: without_a_value(table, "x"), "values of x are missing"),
        (lambda table: without_a_value(table, "status"), "values of status are missing"),
    ],
)
def test_a_table_of_another_shape_is_refused(table, change, message):
    with pytest.raises(st.StoreError, match=f"^{message}"):
        read(write_parquet(change(table)))


def test_a_quality_may_be_missing(table):
    assert read(write_parquet(without_a_value(table, "mean_red")))["mean_red"].null_count == 1


@pytest.mark.parametrize("damaged", [b"tile_i\xff", b"\xc3ile_id"])
def test_names_that_are_no_text_are_refused(table, damaged):
    data = write_parquet(table).replace(b"tile_id", damaged)
    with pytest.raises(st.StoreError, match="could not be read"):
        read(data, len(table))


@pytest.mark.parametrize("told", [b"", b"{", b"[" * 100_000, b"[1]", b'"x"', b"[0.0, NaN]", None])
def test_a_resolution_that_is_none_is_refused(table, told):
    name = "laplacian_variance"
    place = table.column_names.index(name)
    field = table.field(place).with_metadata(None if told is None else {"mpp": told})
    with pytest.raises(st.StoreError, match="the mpp of its laplacian_variance"):
        quality_mpp(table.set_column(place, field, table[name]))


def test_every_part_of_the_file_may_be_damaged(table):
    data = write_parquet(table.slice(0, 3))
    refused = 0
    for place in range(0, len(data), 7):
        damaged = bytearray(data)
        damaged[place] ^= 0xA5
        try:
            read(bytes(damaged), 3)
        except st.StoreError:
            refused += 1
    assert refused > 20
    assert pq.read_schema(pa.BufferReader(data)).remove_metadata() == schema(
        shape=TableShape(slide="sample")
    )

"""The tile table's file: written and read back, and refused where it is no table."""

import json

import numpy as np
import pyarrow as pa
import pytest

import slidetile as st
from slidetile.format import table as module
from slidetile.format.table import QUALITY_COLUMNS, read_parquet, schema, write_parquet


def rows(count):
    """A table of so many rows."""
    kinds, numbers = schema((4.0, 2.0)), pa.array(np.arange(count))
    columns = [
        pa.array(["ok"] * count) if field.type == pa.string() else numbers.cast(field.type)
        for field in kinds
    ]
    return pa.table(columns, schema=kinds)


@pytest.mark.parametrize("count", [0, 1, 300])
def test_it_comes_back_with_its_types_and_the_resolution_of_its_quality(tmp_path, count):
    path = tmp_path / "tiles.parquet"
    path.write_bytes(write_parquet(rows(count)))
    again = read_parquet(path)
    assert again.equals(rows(count), check_metadata=True)
    for name in QUALITY_COLUMNS:
        assert json.loads(again.schema.field(name).metadata[b"mpp"]) == [4.0, 2.0]
    assert again.schema.field("tissue_fraction").metadata is None


def test_an_unknown_resolution_is_null():
    assert schema().field("mean_red").metadata == {b"mpp": b"null"}


def test_the_same_rows_are_the_same_bytes():
    assert write_parquet(rows(9)) == write_parquet(rows(9))


@pytest.mark.parametrize("data", [b"", b"PAR1", b"no table at all"])
def test_what_is_no_table_is_refused_by_name(tmp_path, data):
    path = tmp_path / "tiles.parquet"
    path.write_bytes(data)
    with pytest.raises(st.StoreError, match=r"tiles\.parquet could not be read"):
        read_parquet(path)
    path.unlink()
    with pytest.raises(st.StoreError, match=r"tiles\.parquet could not be read"):
        read_parquet(path)


def test_a_table_that_claims_too_much_is_not_read(tmp_path, monkeypatch):
    path = tmp_path / "tiles.parquet"
    path.write_bytes(write_parquet(rows(300)))
    monkeypatch.setattr(module, "LARGEST_TABLE_BYTES", 1000)
    with pytest.raises(st.StoreError, match="claims more than 1000 bytes"):
        read_parquet(path)

"""A tile table that does not say what the chunks are is found."""

import sys

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tampering import TABLE, change_row, edit_json, pixels, reseal, small_slide, told

import slidetile as st
from slidetile.format.table import TableShape, schema
from slidetile.verify._tree import StoreTree

OTHER_MPP = schema((9.0, 9.0), TableShape(slide="array"))


@pytest.mark.parametrize("codec", ["native", "zstd"])
@pytest.mark.parametrize(
    ("column", "value", "what"),
    [
        ("tile_id", 2, "its tile_id is 2 instead of 3"),
        ("column", 0, "its x is"),
        ("column", 1 << 20, "lies outside the slide"),
        ("row", -1, "lies outside the slide"),
        ("row", 0, "its y is"),
        ("x", 1, "its x is 1"),
        ("y", 1, "its y is 1"),
        ("width", 1, "its width is 1"),
        ("height", 0, "its height is 0"),
        ("region", 0, "its region is 0"),
        ("region", 99, "its region is 99"),
        ("region", -1, "its region is -1"),
        ("tissue_fraction", 1.5, "its tissue_fraction is 1.5"),
        ("tissue_fraction", float("nan"), "its tissue_fraction is nan"),
        ("tissue_fraction", 0.123, "plan_sha256"),
        ("status", "unreadable", "it is unreadable, but all its chunks are stored"),
        ("status", "fine", "its status is 'fine'"),
        ("status", "ok\0", "its status is"),
        ("bytes", 12, "its bytes is 12"),
        ("crc32c", 0, "its crc32c is 0"),
        ("mean_red", 12.5, "its mean_red is 12.5, but its pixels give"),
        ("mean_green", None, "its mean_green is nan, but its pixels give"),
        ("mean_blue", -1.0, "its mean_blue is -1, but"),
        ("saturated_fraction", 0.125, "its saturated_fraction is 0.125"),
        ("clipped_fraction", 0.5, "its clipped_fraction is 0.5"),
        ("pen_fraction", 0.25, "its pen_fraction is 0.25, but"),
        ("laplacian_variance", float("inf"), "its laplacian_variance is inf"),
    ],
)
def test_a_wrong_row_is_found_though_the_manifest_fits(copied, codec, column, value, what):
    path = copied(codec)
    table = pq.read_table(path / TABLE).to_pylist()
    row = 3 if table[3]["row"] and table[3]["column"] else 20
    what = what.replace("of 3", f"of {row}")
    change_row(path, row, column, value)
    findings = st.verify_store(path)
    assert what in told(findings)
    assert row in {finding.tile for finding in findings} or what == "plan_sha256"


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (lambda table: table.slice(1), "rows, the store"),
        (lambda table: pa.concat_tables([table, table.slice(0, 1)]), "rows, the store"),
        (lambda table: table.take([1, 0, *range(2, len(table))]), "does not come after"),
        (lambda table: table.take([0, 0, *range(2, len(table))]), "does not come after"),
        (lambda table: table.drop_columns(["bytes"]), "its columns are"),
        (lambda table: table.select(table.column_names[::-1]), "its columns are"),
        (lambda table: table.set_column(0, "tile_id", table["bytes"]), "its columns are"),
        (lambda table: table.cast(OTHER_MPP), "the mpp of its laplacian_variance"),
    ],
)
def test_a_wrong_table_is_found_though_the_manifest_fits(copied, change, what):
    path = copied("zstd")
    pq.write_table(change(pq.read_table(path / TABLE)), path / TABLE)
    reseal(path)
    assert what in told(st.verify_store(path))


def test_a_row_left_out_everywhere_is_found(copied):
    path = copied("zstd")
    table = pq.read_table(path / TABLE).slice(1)
    ids = pa.array(range(len(table)), pa.int32())
    pq.write_table(table.set_column(0, table.field(0), ids), path / TABLE)
    edit_json(
        path, "zarr.json", lambda n: n["attributes"]["slidetile"].update(tile_count=len(table))
    )
    assert "plan_sha256" in told(st.verify_store(path))


def test_other_pieces_of_tissue_than_there_are_are_found(copied):
    path = copied("zstd")

    def change(node):
        node["attributes"]["slidetile"]["selection"]["tissue"]["pieces"] += 1

    edit_json(path, "zarr.json", change)
    what = "zarr.json: selection has 3 pieces of tissue, but tissue has 2 pieces"
    assert told(st.verify_store(path)) == what


def test_reasons_for_other_tiles_than_there_are_are_found(copied):
    path = copied("zstd")
    damage = {"unreadable": [{"reason": "no end marker", "tiles": 2}], "replaced": []}
    edit_json(path, "zarr.json", lambda n: n["attributes"]["slidetile"].update(damage=damage))
    assert told(st.verify_store(path)) == f"{TABLE}: it has 0 unreadable tiles, but damage has 2"


@pytest.mark.parametrize(("most_bytes", "expected"), [(1 << 24, 2), (0, 4)], ids=["kept", "large"])
def test_the_table_is_read_for_its_bytes_and_once_for_its_rows(
    intact, monkeypatch, most_bytes, expected
):
    monkeypatch.setattr(sys.modules["slidetile.verify.verify"], "MOST_KEPT_TABLE_BYTES", most_bytes)
    names, read = [], StoreTree.read
    monkeypatch.setattr(
        StoreTree, "read", lambda tree, name: names.append(name) or read(tree, name)
    )
    slide = small_slide(pixels())
    assert st.verify_store(intact / "zstd.zarr", slide=slide, deep=True) == ()
    assert names.count(TABLE) == expected

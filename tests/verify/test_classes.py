"""Columns of classes that are not what the recorded labels give are found."""

import shutil

import pyarrow.parquet as pq
import pytest
from labelled import box, feature, polygon, write_labels
from tampering import TABLE, change_row, edit_json

import slidetile as st
from slidetile.format.names import LABELS


@pytest.fixture(scope="module")
def intact(sample, tmp_path_factory):
    folder = tmp_path_factory.mktemp("classes")
    file = write_labels(
        folder / "a.geojson",
        polygon("a", box(700, 300, 2500, 2300)),
        polygon("b", box(1000, 1000, 1100, 1200)),
        feature("b", "Point", [1500, 900]),
    )
    recipe = st.Recipe(tile=st.TileSpec(size=512), labels=st.LabelsSpec(path=file))
    return st.tile_slide(sample, folder / "a.zarr", recipe).path


@pytest.fixture
def copied(intact, tmp_path):
    return shutil.copytree(intact, tmp_path / "s.zarr")


@pytest.mark.parametrize(
    ("column", "value"),
    [("class", "b"), ("class", None), ("class_a", 0.123), ("class_b", 1.0), ("count_b", 7)],
)
def test_a_wrong_class_is_found_though_the_manifest_fits(copied, column, value):
    before = pq.read_table(copied / TABLE).to_pylist()
    row = next(n for n, each in enumerate(before) if each["class"] == "a" and each["class_b"] == 0)
    change_row(copied, row, column, value)
    told = [f"{each}" for each in st.verify_store(copied)]
    assert told
    assert all(f"tile {row}" in each for each in told)
    right = before[row][column]
    assert any(f"its {column} is {value!r}, but its labels give {right!r}" in each for each in told)


def test_a_missing_or_another_file_of_labels_is_found(copied):
    (copied / LABELS).unlink()
    assert f"{LABELS}: it is missing" in [f"{each}" for each in st.verify_store(copied)]
    with pytest.raises(st.StoreError, match=r"labels\.parquet could not be read"):
        _ = st.open_store(copied).class_areas


def test_rectangles_that_overlap_are_found(copied):
    table = pq.read_table(copied / LABELS)
    rows = table.to_pylist()
    place = next(n for n, each in enumerate(rows) if each["class"] == 1)
    half = dict(rows[place], height=rows[place]["height"] // 2)
    rows[place : place + 1] = [half, dict(half)]
    pq.write_table(table.from_pylist(rows, schema=table.schema), copied / LABELS)

    def grow(node):
        node["attributes"]["slidetile"]["labels"]["classes"][1]["rectangles"] += 1

    edit_json(copied, "zarr.json", grow)
    told = [f"{each}" for each in st.verify_store(copied)]
    assert any(f"{LABELS}: the rectangle from" in each for each in told)

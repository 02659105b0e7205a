"""Manifests: what they may say, and every way in which one can be wrong."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import slidetile as st
from slidetile.cohort.inputs.manifest import read_manifest


@pytest.fixture
def manifest(tmp_path):
    """Write a manifest, and return its path."""

    def written(text, name="cohort.csv"):
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return written


def test_a_row_is_a_slide(manifest, tmp_path):
    path = manifest(
        "path,id,mpp,annotations,patient,status\n"
        "a.svs,one,0.25,a.geojson,P1,dead\n"
        'sub/b.svs,,,,"P 2, second",\n'
        "\n"
        f"{tmp_path}/c.svs, three ,,,,alive\n"
    )
    one, two, three = read_manifest(path)
    assert (one.slide, one.id, one.mpp) == (tmp_path / "a.svs", "one", 0.25)
    assert one.annotations.path == tmp_path / "a.geojson"
    assert one.columns == {"patient": "P1", "manifest_status": "dead"}
    assert (two.slide, two.id, two.mpp) == (tmp_path / "sub" / "b.svs", None, None)
    assert two.annotations is None
    assert two.columns["patient"] == "P 2, second"
    assert (three.slide, three.id) == (tmp_path / "c.svs", "three")


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_as_spreadsheet_programs_write_it(manifest, tmp_path, delimiter, encoding, newline):
    lines = [("Path ", "Größe"), ("é.svs", "ü"), ("", "")]
    text = newline.join(delimiter.join(line) for line in lines)
    (entry,) = read_manifest(manifest(text.encode(encoding)))
    assert entry.slide == tmp_path / "é.svs"
    assert entry.columns == {"Größe": "ü"}


def test_parquet_too(tmp_path):
    table = pa.table({"path": ["a.svs", "b.svs"], "mpp": [0.25, None], "age": [61, None]})
    pq.write_table(table, tmp_path / "cohort.parquet")
    one, two = read_manifest(tmp_path / "cohort.parquet")
    assert (one.slide, one.mpp, one.columns) == (tmp_path / "a.svs", 0.25, {"age": "61"})
    assert (two.mpp, two.columns) == (None, {"age": ""})


def test_whole_numbers_that_blanks_have_made_floats_are_whole_again(tmp_path):
    columns = {
        "path": ["a.svs", "b.svs", "c.svs"],
        "id": pa.array([1.0, float("nan"), None], pa.float64()),
        "patient": pa.array([17.0, None, 18.0], pa.float32()),
        "grade": [1.0, 2.5, None],
        "huge": [1e300, None, 2.0],
        "none": pa.array([None] * 3, pa.float64()),
    }
    pq.write_table(pa.table(columns), tmp_path / "cohort.parquet")
    one, two, three = read_manifest(tmp_path / "cohort.parquet")
    assert [one.id, two.id, three.id] == ["1", None, None]
    assert one.columns == {"patient": "17", "grade": "1", "huge": "1e+300", "none": ""}
    assert two.columns == {"patient": "", "grade": "2.5", "huge": "", "none": ""}
    assert three.columns["patient"] == "18"


@pytest.mark.parametrize(
    "values",
    [
        pa.array([b"a.svs"]),
        pa.array([b"a"], pa.binary(1)),
        pa.array([["a.svs"]]),
        pa.array([{"x": 1}]),
    ],
    ids=lambda values: str(values.type),
)
def test_a_column_that_is_no_text_is_refused_in_words(tmp_path, values):
    table = pa.table({"path": ["a.svs"], "more": values})
    pq.write_table(table, tmp_path / "cohort.parquet")
    with pytest.raises(st.CohortError, match=r"has a column more of .* values: write it as text"):
        read_manifest(tmp_path / "cohort.parquet")


def test_two_columns_of_one_name_in_parquet(tmp_path):
    pq.write_table(pa.table([["a.svs"], ["x"], ["y"]], ["path", "x", "x"]), tmp_path / "c.parquet")
    with pytest.raises(st.CohortError, match="has two columns x"):
        read_manifest(tmp_path / "c.parquet")


def test_blanks_around_a_path_count_where_a_file_is_called_so(manifest, tmp_path):
    (tmp_path / " a .svs ").touch()
    (tmp_path / "drawn.geojson ").touch()
    path = manifest("path,annotations\n a .svs ,drawn.geojson \n b.svs , other.geojson \n")
    one, two = read_manifest(path)
    assert one.slide == tmp_path / " a .svs "
    assert one.annotations.path == tmp_path / "drawn.geojson "
    assert two.slide == tmp_path / "b.svs"
    assert two.annotations.path == tmp_path / "other.geojson"


WRONG = {
    "no such column": (
        "slide,label\na,b\n",
        r"has no column path.*are: slide, label.*Call the col",
    ),
    "near": ("paths,x\na,b\n", "Call the column paths path"),
    "nothing near": ("x,y\na,b\n", r"its columns are: x, y$"),
    "empty": ("", "is empty: its first line names the columns"),
    "no rows": ("path,id\n\n,\n", "lists no slides"),
    "a column without a name": ("path,,x\na,b,c\n", "has a column without a name"),
    "two columns alike": ("path,x,x\na,b,c\n", "has two columns x"),
    "two columns alike but for case": ("path,PATH\na,b\n", "has two columns path"),
    "too many cells": ("path,x\na,b,c\n", "line 2 has 3 cells, but there are 2 columns"),
    "an open quote": ('path,x\n"a,b\nc,d\n', "is no line of a CSV file"),
    "one id twice": ("path,id\na,1\nb,2\nc,1\n", r"line 4 has the id of line 2 again \(1\)"),
    "ids alike but for case": ("path,id\na,x\nb,X\n", "line 3 has the id of line 2 again"),
    "one path twice": ("path\na\n./a\n", r"line 3 has the path of line 2 again \(./a\)"),
    "no path": ("path,x\n,1\n", "line 2 has no path"),
    "no mpp": ("path,mpp\na,fine\n", "line 2 has the mpp fine"),
    "an implausible mpp": ("path,mpp\na,250\n", "line 2 has the mpp 250: An mpp lies between"),
    "an id that is a path": ("path,id\na,../b\n", "line 2 has the id '../b', which names a file"),
    "a hidden id": ("path,id\na,.b\n", "line 2 has the id '.b'"),
    "too long an id": (f"path,id\na,{'x' * 300}\n", "have up to 200 bytes"),
    "another encoding": (
        "path,x\na,b\nc,é\n".encode("latin-1"),
        r"in UTF-8: line 3 has the byte 0x",
    ),
    "mixed encodings": (
        "path\né\n".encode() + "ü\n".encode("latin-1"),
        "line 3 has the byte 0xfc. Save it as CSV in UTF-8",
    ),
    "half of UTF-16": ("path\na\n".encode("utf-16")[:-1], "is not text in UTF-16"),
    "no Parquet": (b"PAR1", "cannot be read"),
}


@pytest.mark.parametrize(("data", "message"), WRONG.values(), ids=WRONG)
def test_what_is_wrong_is_said_with_its_line(manifest, request, data, message):
    name = "cohort.parquet" if "Parquet" in request.node.callspec.id else "cohort.csv"
    with pytest.raises(st.CohortError, match=message):
        read_manifest(manifest(data, name))


def test_many_wrong_rows_are_counted(manifest):
    lines = "".join(f"s{number}.svs,x\n" for number in range(1000))
    with pytest.raises(st.CohortError, match=r"line 2 has the mpp x.*and 990 more lines\.$"):
        read_manifest(manifest(f"path,mpp\n{lines}"))


def test_100_000_rows(manifest, tmp_path):
    lines = "".join(f"slides/{number}.svs,{number},P{number}\n" for number in range(100_000))
    entries = read_manifest(manifest(f"path,id,patient\n{lines}"))
    assert len(entries) == 100_000
    assert entries[-1].slide == tmp_path / "slides" / "99999.svs"
    assert entries[-1].columns == {"patient": "P99999"}


def test_one_that_is_missing_or_too_large_is_said(tmp_path, manifest, monkeypatch):
    with pytest.raises(st.CohortError, match=r"cannot be read: .*No such file"):
        read_manifest(tmp_path / "none.csv")
    monkeypatch.setattr("slidetile.cohort.inputs.manifest.MOST_BYTES", 1 << 20)
    with pytest.raises(st.CohortError, match="more than 1 MB"):
        read_manifest(manifest("path\n" + "a\n" * (1 << 19)))

"""A cohort in bad surroundings: each has a clear line, and nothing that was finished is lost."""

import csv
import functools
import os
import shutil
import subprocess
import sys

import numpy as np
import pytest
import tifffile
from batches import tile_here

import slidetile as st

SMALL = st.Recipe(tile=st.TileSpec(size=512))


def rows(folder):
    with (folder / "summary.csv").open(newline="", encoding="utf-8") as file:
        return {row["key"]: row for row in csv.DictReader(file)}


@pytest.fixture
def slides(sample, tmp_path):
    """A folder of three slides."""
    folder = tmp_path / "slides"
    folder.mkdir()
    for name in "abc":
        shutil.copy(sample, folder / f"{name}.svs")
    return folder


def test_a_manifest_from_end_to_end(cli, slides, tmp_path):
    (slides / "drawn.geojson").write_text(
        '{"type": "FeatureCollection", "features": [{"type": "Feature", "properties": {}, '
        '"geometry": {"type": "Polygon", "coordinates": '
        "[[[0, 0], [1024, 0], [1024, 1024], [0, 1024], [0, 0]]]}}]}"
    )
    (slides / "cohort.csv").write_text(
        "path,id,mpp,annotations,patient,=site\n"
        "a.svs,first,,,P1,x\n"
        "b.svs,second,0.25,drawn.geojson,P2,=1+1\n"
        "missing.svs,third,,,P3,y\n"
        "c.svs,,,,,\n"
    )
    out = tmp_path / "out"
    line = ("batch", slides / "cohort.csv", "-o", out, "--tile-size", 512)
    done = cli(*line, "--annotations-origin", "level0")
    assert done.exit_code in (1, 2)
    if done.exit_code == 2:  # what the option's values are is told
        done = cli(*line)
    assert done.exit_code == 1
    found = rows(out)
    assert {key: row["status"] for key, row in found.items()} == {
        "first": "ok",
        "second": "ok",
        "third": "failed",
        "c": "ok",
    }
    assert "does not exist" in found["third"]["reason"]
    assert [found[key]["mpp"] for key in ("first", "second")] == ["0.5", "0.25"]
    assert [found[key]["mpp_source"] for key in ("first", "second")] == ["slide", "manifest"]
    assert found["second"]["patient"] == "P2"
    assert found["second"]["'=site"] == "'=1+1"
    assert len(st.open_store(out / "second.zarr")) == 4
    assert st.open_store(out / "first.zarr").metadata.parameters.tissue.annotations == ()
    again = cli(*line)
    assert again.exit_code == 1
    assert [rows(out)[key]["status"] for key in ("first", "second", "c")] == ["already done"] * 3


def test_options_about_annotations_are_of_the_manifests_too(cli, slides, tmp_path):
    (slides / "cohort.csv").write_text("path,annotations\na.svs,drawn.geojson\n")
    (slides / "drawn.geojson").write_text(
        '{"type": "FeatureCollection", "features": [{"type": "Feature", "properties": '
        '{"classification": {"name": "Fold"}}, "geometry": {"type": "Polygon", "coordinates": '
        "[[[0, 0], [9999, 0], [9999, 9999], [0, 9999], [0, 0]]]}}]}"
    )
    line = ("batch", slides / "cohort.csv", "-o", tmp_path / "out", "--processes", 0)
    assert cli(*line, "--annotations-mode", "exclude", "--tile-size", 512).exit_code == 0
    assert rows(tmp_path / "out")["a"]["tiles"] == "0"
    alone = cli("batch", slides, "-o", tmp_path / "other", "--annotations-mode", "exclude")
    assert alone.exit_code == 2
    assert "need --annotations FILE" in alone.stderr


def test_a_slide_that_is_added_renames_no_store(slides, sample, tmp_path):
    out = tmp_path / "out"
    tile_here([slides], out, SMALL)
    other = tmp_path / "other"
    other.mkdir()
    shutil.copy(sample, other / "a.svs")
    report = tile_here([other, slides], out, SMALL)
    assert [result.key for result in report.results] == ["other_a", "a", "b", "c"]
    assert [result.status for result in report.results] == ["ok", *["already done"] * 3]
    assert sorted(path.name for path in out.glob("*.zarr")) == [
        *("a.zarr", "b.zarr", "c.zarr", "other_a.zarr")
    ]


def test_a_wrong_manifest_stops_before_anything_is_done(cli, slides, tmp_path):
    (slides / "cohort.csv").write_text("slide\na.svs\n")
    done = cli("batch", slides / "cohort.csv", "-o", tmp_path / "out")
    assert done.exit_code == 1
    assert done.stderr == (
        f"error: {slides / 'cohort.csv'} has no column path, which names the slides; its columns "
        "are: slide. Call the column slide path\n"
    )
    assert not (tmp_path / "out").exists()


@pytest.fixture
def forbidding(command, tmp_path):
    """Run the command as somebody to whom things may be forbidden: root without its power to."""
    closed = tmp_path / "closed"
    closed.touch(mode=0)
    without = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"]
    before = without if os.geteuid() == 0 else []
    if before and not shutil.which("setpriv"):
        pytest.skip("nothing is forbidden to root, and setpriv is not here to make it so")
    if subprocess.run([*before, "cat", closed], capture_output=True, check=False).returncode == 0:
        pytest.skip("nothing is forbidden to root, and its power cannot be dropped here")
    return functools.partial(command, before=before)


def test_no_permission_on_one_slide_costs_that_slide(forbidding, slides, tmp_path):
    out = tmp_path / "out"
    (slides / "b.svs").chmod(0)
    line = ("batch", slides, "-o", out, "--tile-size", 512)
    done = forbidding(*line)
    assert done.exit_code == 1
    assert "Traceback" not in done.stderr
    told = rows(out)
    assert [told[key]["status"] for key in "abc"] == ["ok", "failed", "ok"]
    assert "Permission denied" in told["b"]["reason"]
    (slides / "b.svs").chmod(0o644)
    assert forbidding(*line).exit_code == 0  # nothing else was in the way
    assert [row["status"] for row in rows(out).values()] == ["already done", "ok", "already done"]


def test_an_output_folder_that_may_not_be_written_is_said_in_one_line(forbidding, slides, tmp_path):
    out = tmp_path / "out"
    out.mkdir(mode=0o555)
    done = forbidding("batch", slides, "-o", out)
    assert done.exit_code == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith("error: ")
    assert "Permission denied" in line


def test_a_store_that_may_not_be_replaced_costs_its_slide(forbidding, slides, tree, tmp_path):
    out = tmp_path / "out"
    assert forbidding("batch", slides / "a.svs", "-o", out, "--tile-size", 512).exit_code == 0
    before = tree(out / "a.zarr")
    out.chmod(0o555)
    try:
        done = forbidding("batch", slides / "a.svs", "-o", out, "--tile-size", 256)
    finally:
        out.chmod(0o755)
    assert done.exit_code == 1
    assert "Permission denied" in done.stderr
    assert "Traceback" not in done.stderr
    assert tree(out / "a.zarr") == before


@pytest.mark.slow
def test_a_disk_that_fills_in_the_middle_loses_nothing(cli, slides, small_disk, tree, tmp_path):
    place, resize = small_disk
    out = place / "out"
    line = ("batch", slides, "-o", out, "--tile-size", 512, "--codec", "zstd", "--processes", 0)
    store = st.tile_slide(
        slides / "a.svs", tmp_path / "a.zarr", st.Recipe(tile=st.TileSpec(size=512), codec="zstd")
    )
    size_kb = sum(path.stat().st_size for path in store.path.rglob("*") if path.is_file()) >> 10
    assert resize(size_kb * 2)  # room for one, and the beginning of another
    done = cli(*line)
    assert done.exit_code == 1
    assert "No space left on device" in done.stderr
    assert "make room" in done.stderr
    assert "Traceback" not in done.stderr
    finished = [path.name for path in out.glob("*.zarr")]
    assert finished == ["a.zarr"]
    assert tree(out / "a.zarr") == tree(store.path)
    assert resize(size_kb * 8)
    assert cli(*line).exit_code == 0
    told = rows(out)
    assert [told[key]["status"] for key in "abc"] == ["already done", "ok", "ok"]
    for name in "bc":
        assert len(st.open_store(out / f"{name}.zarr")) == len(store)


def test_two_runs_on_the_same_folder_at_once_finish_every_slide(slides, tree, tmp_path):
    program = [sys.executable, "-c", "from slidetile.cli.commands import main; main()"]
    line = [*program, "batch", slides, "-o", tmp_path / "out", "--tile-size", "512"]
    both = [
        subprocess.Popen([*map(str, line), "--processes", "1", "--retry", "3"]) for _ in range(2)
    ]
    assert {process.wait(300) for process in both} <= {0, 1}
    told = rows(tmp_path / "out")
    assert {row["status"] for row in told.values()} <= {"ok", "already done", "failed"}
    last = tile_here([slides], tmp_path / "out", SMALL)
    assert {result.status for result in last.results} == {"already done"}
    fresh = st.tile_slide(slides / "a.svs", tmp_path / "fresh.zarr", SMALL)
    for name in "abc":
        assert tree(tmp_path / "out" / f"{name}.zarr").keys() == tree(fresh.path).keys()


def test_native_code_that_crashes_leaves_where_it_was(tmp_path, monkeypatch):
    (tmp_path / "crashing_native.py").write_text(
        "import ctypes\n\ndef detect(image):\n    ctypes.string_at(0)\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    from crashing_native import detect

    slide = tmp_path / "x.tiff"
    pixels = np.zeros((512, 256, 3), np.uint8)
    tifffile.imwrite(slide, pixels, tile=(64, 64), photometric="rgb", metadata=None)
    recipe = st.Recipe(tile=SMALL.tile, detector=detect)
    (result,) = st.tile_slides([slide], tmp_path / "out", recipe, processes=1).results
    assert (result.status, result.error_type) == ("failed", "ProcessDiedError")
    assert "signal 11" in result.reason
    log = (tmp_path / "out" / result.log).read_text()
    assert "Segmentation fault" in log
    assert "in detect" in log
    assert st.read_slides(tmp_path / "out")["log"].to_pylist() == [result.log]


def test_a_slide_without_a_word_leaves_no_log(sample, tmp_path):
    (result,) = tile_here([sample], tmp_path, SMALL).results
    assert (result.status, result.log, result.warnings) == ("ok", None, ())
    assert [path.name for path in tmp_path.glob("logs/*/*")] == ["run.json"]


def test_what_was_warned_of_is_in_the_row_and_the_log(damaged_sample, tmp_path):
    (result,) = tile_here([damaged_sample], tmp_path, SMALL).results
    assert result.status == "unreadable tiles"
    if result.warnings:
        assert result.warnings[0] in (tmp_path / result.log).read_text()
    (row,) = st.read_slides(tmp_path)["warnings"].to_pylist()
    assert row == list(result.warnings)


def test_thousands_that_are_done_open_no_slide(sample, tmp_path, monkeypatch):
    tile_here([sample], tmp_path, SMALL)

    def opened(*_, **__):
        raise AssertionError("a slide was opened")

    monkeypatch.setattr("slidetile.recipe.recipe.open_slide", opened)
    (result,) = tile_here([sample], tmp_path, SMALL).results
    assert result.status == "already done"
    assert result.tiles == len(st.open_store(tmp_path / "sample.zarr"))


@pytest.mark.parametrize("harm", ["table", "root", "slide", "settings"])
def test_what_is_done_is_trusted_only_where_all_agrees(sample, tmp_path, harm):
    slide = tmp_path / "x.svs"
    shutil.copy(sample, slide)
    out = tmp_path / "out"
    tile_here([slide], out, SMALL)
    recipe = SMALL
    if harm == "table":
        (out / "x.zarr" / "tiles" / "tiles.parquet").write_bytes(b"PAR1")
    elif harm == "root":
        (out / "x.zarr" / "zarr.json").write_text('{"attributes": {"slidetile": {}}}')
    elif harm == "slide":
        slide.write_bytes(slide.read_bytes() + b"more")
    else:
        recipe = st.Recipe(tile=SMALL.tile, keep_pen=True)
    (result,) = tile_here([slide], out, recipe).results
    assert (result.status, result.note.split(",")[0]) == ("ok", "made anew")
    assert st.verify_store(out / "x.zarr", deep=True) == ()

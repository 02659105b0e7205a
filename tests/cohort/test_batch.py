"""Many slides: each gets its row, whatever becomes of the others."""

import csv
import json
import logging
import os
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import tifffile
from batches import tile_here

import slidetile as st
from slidetile.cohort.job import BEGUN_ANEW, MADE_ANEW

SMALL = st.Recipe(tile=st.TileSpec(size=512))

OVERWRITE = st.WriteOptions(existing="overwrite")


def rows(folder):
    with (folder / "summary.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def statuses(report):
    return [result.status for result in report.results]


@pytest.fixture
def bad_slides(sample, tmp_path):
    """One slide of each kind that cannot be used, with what its reason must say."""
    folder = tmp_path / "slides" / "bad"
    folder.mkdir(parents=True)
    (folder / "empty.svs").touch()
    (folder / "text.svs").write_text("hello\n")
    (folder / "cut.svs").write_bytes(sample.read_bytes()[:300_000])
    looped = folder / "loop.tiff"
    tifffile.imwrite(looped, np.zeros((256, 256, 3), np.uint8), tile=(64, 64), photometric="rgb")
    data = bytearray(looped.read_bytes())
    start = int.from_bytes(data[4:8], "little")
    end = start + 2 + 12 * int.from_bytes(data[start : start + 2], "little")
    data[end : end + 4] = data[4:8]
    looped.write_bytes(data)
    return {
        "empty": "is empty",
        "text": "it is a text file",
        "cut": "damaged|cut short",
        "loop": "loop",
    }


def test_one_bad_slide_of_each_kind_never_ends_the_run(
    command, sample, bad_slides, damaged_sample, tmp_path
):
    slides = tmp_path / "slides"
    for name in ("a/same.svs", "b/same.svs", "z.svs"):
        (slides / name).parent.mkdir(exist_ok=True)
        shutil.copy(sample, slides / name)
    shutil.copy(damaged_sample, slides / "b" / "other.svs")
    out = tmp_path / "out"
    done = command("batch", slides, slides / "missing.svs", "-o", out)
    assert done.exit_code == 1
    assert "Traceback" not in done.stderr
    told = {os.path.relpath(row["slide"], slides): row for row in rows(out)}
    assert sorted(told) == [
        *("a/same.svs", "b/other.svs", "b/same.svs"),
        *("bad/cut.svs", "bad/empty.svs", "bad/loop.tiff", "bad/text.svs"),
        *("missing.svs", "z.svs"),
    ]
    assert [row["key"] for row in told.values()] == sorted(row["key"] for row in told.values())
    failed = [line for line in done.stderr.splitlines() if ": failed: " in line]
    assert len(failed) == 5
    for name, reason in {**bad_slides, "missing": "does not exist"}.items():
        (row,) = [row for slide, row in told.items() if f"{name}." in slide]
        assert (row["status"], row["store"], row["tiles"]) == ("failed", "", "0")
        assert any(word in row["reason"] for word in reason.split("|"))
        assert "\n" not in row["reason"]
        assert row["reason"].split(". ")[0] in (out / row["log"]).read_text()
    for name, store in {"a/same": "a_same", "b/same": "b_same", "z": "z"}.items():
        row = told[f"{name}.svs"]
        assert (row["status"], row["reason"]) == ("ok", "")
        assert row["store"] == str(out / f"{store}.zarr")
        assert len(st.open_store(row["store"])) == int(row["tiles"]) > 0
    assert told["b/other.svs"]["status"] == "unreadable tiles"
    assert told["b/other.svs"]["unreadable"] == "1"
    assert sorted(path.name for path in out.iterdir()) == [
        "a_same.zarr",
        "b_same.zarr",
        "logs",
        "other.zarr",
        "slides.parquet",
        "summary.csv",
        "z.zarr",
    ]
    for row in told.values():
        (line,) = [line for line in done.stdout.splitlines() if f" {row['slide']} " in line]
        assert row["status"] in line
        assert row["reason"] in line
    assert done.stdout.endswith(f"summary: {out / 'summary.csv'}\n")
    dropped = sum(bool(row["left_out"]) for row in told.values())
    assert f"left out: something on {dropped} slides; the summary's column" in done.stdout


@pytest.mark.slow
def test_exit_codes_and_rerun(cli, sample, damaged_sample, tree, tmp_path):
    out = tmp_path / "out"
    assert cli("batch", sample, "-o", out).exit_code == 0
    before = tree(out), stamps(out)
    assert before[1]
    result = cli("batch", sample, "-o", out, "--json")
    (told,) = json.loads(result.stdout)["slides"]
    assert (result.exit_code, result.stderr) == (0, "")
    tiles = len(st.open_store(out / "sample.zarr"))
    assert (told["status"], told["tiles"], told["codec"]) == ("already done", tiles, "native")
    assert tree(out / "sample.zarr") == {
        name.removeprefix("sample.zarr/"): data
        for name, data in before[0].items()
        if name.startswith("sample.zarr/")
    }
    assert stamps(out) == before[1]
    assert cli("batch", sample, damaged_sample, "-o", out).exit_code == 3
    assert cli("batch", sample, damaged_sample, "-o", out).exit_code == 3  # already done, still bad
    assert stamps(out).items() >= before[1].items()
    assert cli("batch", sample, "-o", out, "--tile-size", "512").exit_code == 0
    told = {row["key"]: row for row in rows(out)}
    assert told["sample"]["note"].startswith("made anew, since the slide or the settings")
    assert st.open_store(out / "sample.zarr").tile_size == 512


def stamps(out):
    return {path: path.stat().st_mtime_ns for path in out.glob("*.zarr/**/*")}


def test_no_slides_at_all(cli, tmp_path):
    (tmp_path / "empty").mkdir()
    result = cli("batch", tmp_path / "empty", "-o", tmp_path / "out", "--json")
    assert result.exit_code == 1
    told = json.loads(result.stdout)["error"]
    assert result.stderr == f"error: {told['message']}\n"
    assert result.stderr == f"error: no slides found in {tmp_path / 'empty'}\n"
    assert rows(tmp_path / "out") == []


def test_a_slide_without_tissue_is_already_done_the_second_time(cli, tmp_path):
    glass = tmp_path / "glass.tiff"
    white = np.full((512, 512, 3), 255, np.uint8)
    tifffile.imwrite(glass, white, tile=(256, 256), photometric="rgb", metadata=None)
    out = tmp_path / "out"
    for status in ("ok", "already done"):
        assert cli("batch", glass, "-o", out).exit_code == 0
        (row,) = rows(out)
        assert (row["status"], row["tiles"], row["reason"]) == (status, "0", "")
        assert row["store"] == str(out / "glass.zarr")
    assert statuses(tile_here([glass], out)) == ["already done"]
    assert len(st.open_store(out / "glass.zarr")) == 0


@pytest.fixture(scope="module")
def done(sample, tmp_path_factory):
    """A folder with the sample's finished store."""
    out = tmp_path_factory.mktemp("done")
    assert statuses(tile_here([sample], out, SMALL)) == ["ok"]
    return out


CHANGES = {
    "tile size": {"tile": st.TileSpec(size=256)},
    "threshold": {"tile": st.TileSpec(size=512, min_tissue_fraction=0.06)},
    "codec": {"codec": "zstd"},
    "effort": {"codec": st.JxlCodec(effort=2)},
    "lossy": {"codec": st.JpegCodec(quality=80)},
    "detector": {"detector": st.OtsuDetector()},
    "detector's options": {"detector": st.OpticalDensityDetector(min_density=0.06)},
    "tissue mpp": {"tissue_mpp": 4.0},
    "regions": {"min_piece_area_um2": 1.0},
    "holes": {"min_hole_area_um2": 1.0},
    "margin": {"tissue_margin_um": 10.0},
    "pen": {"keep_pen": True},
    "slide mpp": {"slide_mpp": 0.25},
    "mpp": {"mpp": 0.5},
    "reader": {"reader": "openslide"},
}


@pytest.fixture
def again(done, tmp_path):
    """A copy of that folder, to be changed."""
    return Path(shutil.copytree(done, tmp_path / "again"))


def test_an_anonymous_batch_never_reuses_a_store_with_a_name(sample, again):
    options = st.WriteOptions(anonymous=True)
    (result,) = tile_here([sample], again, SMALL, options=options).results
    assert (result.status, result.note) == ("ok", MADE_ANEW)
    assert st.open_store(result.store).metadata.source.is_anonymous


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_store_of_changed_settings_is_made_anew(sample, again, tree, tmp_path, change):
    recipe = st.Recipe(**{"tile": SMALL.tile, **change})
    (result,) = tile_here([sample], again, recipe).results
    assert (result.status, result.note) == ("ok", MADE_ANEW)
    fresh = st.tile_slide(sample, tmp_path / "fresh.zarr", recipe)
    assert tree(again / "sample.zarr") == tree(fresh.path)
    assert statuses(tile_here([sample], again, recipe)) == ["already done"]


def test_a_run_that_fails_leaves_the_store_that_it_was_to_replace(sample, again, tree):
    before = tree(again / "sample.zarr")

    def fails(image):
        raise ZeroDivisionError(image.shape)

    recipe = st.Recipe(tile=SMALL.tile, detector=fails)
    (result,) = tile_here([sample], again, recipe).results
    assert (result.status, result.error_type) == ("failed", "ZeroDivisionError")
    assert tree(again / "sample.zarr") == before


def test_what_was_begun_with_other_settings_is_begun_anew(sample, tree, tmp_path):
    def stop(progress):
        if progress.shards_done:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        st.tile_slide(sample, tmp_path / "out" / "sample.zarr", SMALL, on_progress=stop)
    assert (tmp_path / "out" / "sample.zarr.partial").is_dir()
    other = st.Recipe(tile=st.TileSpec(size=256))
    (result,) = tile_here([sample], tmp_path / "out", other).results
    assert (result.status, result.note) == ("ok", BEGUN_ANEW)
    fresh = st.tile_slide(sample, tmp_path / "fresh.zarr", other)
    assert tree(tmp_path / "out" / "sample.zarr") == tree(fresh.path)


SAME = {
    "codec as chosen": {"codec": "native"},
    "detector as chosen": {"detector": st.OpticalDensityDetector()},
    "mpp as in the file": {"slide_mpp": 0.5},
    "reader as chosen": {"reader": "tiff"},
}


@pytest.mark.parametrize("same", SAME.values(), ids=SAME)
def test_settings_that_come_to_the_same_are_already_done(sample, done, same):
    recipe = st.Recipe(tile=SMALL.tile, **same)
    assert statuses(tile_here([sample], done, recipe)) == ["already done"]


def test_another_slide_of_the_same_name_has_a_store_of_its_own(
    again, damaged_sample, sample, tree, tmp_path
):
    path = tmp_path / "sample.svs"
    shutil.copy(damaged_sample, path)
    before = tree(again / "sample.zarr")
    (result,) = tile_here([path], again, SMALL).results
    assert (result.status, result.unreadable) == ("unreadable tiles", 1)
    assert re.fullmatch(r"sample-[0-9a-f]{8}", result.key)
    assert tree(again / "sample.zarr") == before
    report = tile_here([path, sample], again, SMALL)
    assert [each.key for each in report.results] == [result.key, "sample"]
    assert statuses(report) == ["already done", "already done"]


def test_a_store_of_another_slide_that_no_table_knows_is_kept(
    sample, damaged_sample, tree, tmp_path
):
    store = st.tile_slide(damaged_sample, tmp_path / "sample.zarr", SMALL)
    before = tree(store.path)
    for _ in range(2):  # that it failed makes it nobody's
        (result,) = tile_here([sample], tmp_path, SMALL).results
        assert (result.status, result.error_type) == ("failed", "OutdatedStoreError")
        assert "was made from another slide" in result.reason
        assert tree(store.path) == before


def test_a_slide_that_failed_meanwhile_still_owns_its_store(sample, again, tmp_path):
    def fails(image):
        raise ZeroDivisionError(image.shape)

    slide = tmp_path / "own.svs"
    shutil.copy(sample, slide)
    tile_here([slide], again, SMALL)
    slide.write_bytes(slide.read_bytes() + b"more")
    (result,) = tile_here([slide], again, st.Recipe(tile=SMALL.tile, detector=fails)).results
    assert result.status == "failed"
    told = {row["key"]: row for row in st.read_slides(again).to_pylist()}
    assert told["own"]["store"] == str(again / "own.zarr")
    (result,) = tile_here([slide], again, SMALL).results
    assert (result.status, result.note) == ("ok", MADE_ANEW)


def test_a_slide_that_is_done_keeps_how_it_was_made(sample, tmp_path):
    st.tile_slides([sample], tmp_path, SMALL, processes=1)
    (first,) = st.read_slides(tmp_path).to_pylist()
    tile_here([sample], tmp_path, SMALL)
    (again,) = st.read_slides(tmp_path).to_pylist()
    assert (first["status"], again["status"]) == ("ok", "already done")
    assert again["peak_memory_bytes"] == first["peak_memory_bytes"] > 50_000_000
    assert (again["seconds"], again["warnings"]) == (first["seconds"], first["warnings"])


def test_a_store_that_somebody_has_put_in_its_place_is_not_taken_for_done(sample, tmp_path):
    tile_here([sample], tmp_path, SMALL)
    other = st.Recipe(tile=st.TileSpec(size=256))
    overwrite = st.WriteOptions(existing="overwrite")
    st.tile_slide(sample, tmp_path / "sample.zarr", other, options=overwrite)
    (result,) = tile_here([sample], tmp_path, SMALL).results
    assert (result.status, result.note) == ("ok", MADE_ANEW)
    assert st.open_store(result.store).tile_size == 512


def test_a_choice_that_does_not_go_with_one_slide_costs_that_slide(sample, tmp_path):
    (tmp_path / "cohort.csv").write_text(f"path,annotations\n{sample},drawn.geojson\nno.svs,\n")
    recipe = st.Recipe(tissue_channel="red")
    report = tile_here([tmp_path / "cohort.csv"], tmp_path / "out", recipe)
    assert statuses(report) == ["failed", "failed"]
    assert "No tissue is looked for where annotations replace it" in report.results[0].reason


def test_auto_never_agrees_with_a_lossy_store(sample, tmp_path):
    lossy = st.Recipe(tile=SMALL.tile, codec="jpeg")
    assert statuses(tile_here([sample], tmp_path, lossy)) == ["ok"]
    assert statuses(tile_here([sample], tmp_path, lossy)) == ["already done"]
    (result,) = tile_here([sample], tmp_path, SMALL).results
    assert (result.status, result.codec, result.note) == ("ok", "native", MADE_ANEW)


def test_a_folder_in_the_way_fails_its_slide_only(sample, tmp_path):
    (tmp_path / "out" / "sample.zarr").mkdir(parents=True)
    other = tmp_path / "other.svs"
    shutil.copy(sample, other)
    for options in (None, OVERWRITE):
        report = tile_here([sample, other], tmp_path / "out", SMALL, options=options)
        assert statuses(report)[0] == "failed"
        assert statuses(report)[1] in ("ok", "already done")
        assert [result.slide for result in report.failed] == [str(sample)]
    assert list((tmp_path / "out" / "sample.zarr").iterdir()) == []


def test_processes_change_nothing_but_the_order_of_reports(sample, tree, tmp_path):
    slides = []
    for name in "abc":
        slides.append(tmp_path / f"{name}.svs")
        shutil.copy(sample, slides[-1])
    slides[1].write_text("bad")
    seen = []
    apart = tile_here(slides, tmp_path / "2", SMALL, processes=2, on_result=seen.append)
    alone = tile_here(slides, tmp_path / "0", SMALL)
    assert statuses(apart) == statuses(alone) == ["ok", "failed", "ok"]
    assert sorted(seen, key=lambda result: result.slide) == list(apart.results)
    assert [row["slide"] for row in rows(tmp_path / "2")] == [str(slide) for slide in slides]
    for name in ("a.zarr", "c.zarr"):
        assert tree(tmp_path / "2" / name) == tree(tmp_path / "0" / name)


def test_a_crash_costs_one_slide(sample, tmp_path, monkeypatch):
    (tmp_path / "crashing.py").write_text(
        "import os\n"
        "def detect(image):\n"
        "    return os._exit(9) if image.shape[0] > image.shape[1] else image[..., 0] < 200\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    from crashing import detect

    tall = tmp_path / "a_tall.tiff"
    tifffile.imwrite(
        tall, np.zeros((512, 256, 3), np.uint8), tile=(64, 64), photometric="rgb", metadata=None
    )
    recipe = st.Recipe(tile=SMALL.tile, detector=detect)
    report = tile_here([tall, sample], tmp_path / "out", recipe, processes=1)
    assert statuses(report) == ["failed", "ok"]
    assert report.results[0].reason.startswith("its process died")


def test_a_detector_that_cannot_travel_fails_in_words(sample, tmp_path):
    recipe = st.Recipe(tile=SMALL.tile, detector=lambda image: image[..., 0] < 200)
    (result,) = tile_here([sample], tmp_path, recipe, processes=1).results
    assert (result.status, result.error_type) == ("failed", "AttributeError")
    assert "could not be handed to another process" in result.reason


def test_a_process_logs_as_its_parent_does(command, tmp_path):
    cut = tmp_path / "cut.svs"
    tifffile.imwrite(cut, np.zeros((256, 256, 3), np.uint8), tile=(64, 64), photometric="rgb")
    cut.write_bytes(b"II*\x00" + (10**6).to_bytes(4, "little") + bytes(1000))
    done = command("batch", cut, "-o", tmp_path / "out")
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"{cut}: failed: ")


def test_a_name_that_is_no_text_gets_its_row(cli, sample, tmp_path):
    name = tmp_path / os.fsdecode(b"caf\xe9.svs")
    try:
        shutil.copy(sample, name)
    except OSError:
        pytest.skip("this file system takes only names that are text")
    result = cli("batch", tmp_path, "-o", tmp_path / "out")
    assert result.exit_code == 0
    (row,) = rows(tmp_path / "out")
    assert row["slide"] == str(tmp_path / "caf\\udce9.svs")
    assert row["store"] == str(tmp_path / "out" / "caf\ufffd.zarr")
    assert "caf\\udce9.svs" in result.stdout


def test_callers_mistakes(sample, tmp_path):
    with pytest.raises(ValueError, match="processes must be 0 or more, but it is -1"):
        tile_here([sample], tmp_path, processes=-1)
    for wrong, message in [
        ({"codec": "gif"}, "gif"),
        ({"slide_mpp": 264}, "between 0.05 and 200"),
        ({"tissue_mpp": 0}, "more than 0 and up to 500"),
    ]:
        with pytest.raises(ValueError, match=message):
            st.Recipe(**wrong)


def test_runs_into_one_folder_merge_their_rows(sample, damaged_sample, tmp_path, monkeypatch):
    for name, slide in {"x/a": damaged_sample, "x/b": sample, "y/a": sample}.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(slide, tmp_path / f"{name}.svs")
    monkeypatch.chdir(tmp_path / "y")
    tile_here(["a.svs"], "../out", SMALL)
    monkeypatch.chdir(tmp_path / "x")
    tile_here(["b.svs", "a.svs"], tmp_path / "out", SMALL)
    told = {row["slide"]: row for row in rows(tmp_path / "out")}
    paths = [str(tmp_path / f"{name}.svs") for name in ("x/a", "x/b", "y/a")]
    assert sorted(told) == paths
    assert [told[path]["status"] for path in paths] == ["unreadable tiles", "ok", "ok"]
    assert told[paths[2]]["store"] == str(tmp_path / "out" / "a.zarr")
    tile_here([tmp_path / "x" / "b.svs"], tmp_path / "out", SMALL)
    told = {row["slide"]: row for row in rows(tmp_path / "out")}
    statuses_now = [told[path]["status"] for path in paths]
    assert statuses_now == ["unreadable tiles", "already done", "ok"]


def test_a_summary_that_is_not_ours_is_kept(sample, tmp_path):
    mine = tmp_path / "summary.csv"
    for content in ("name,grade\nx,3\n", "\0", "slide\n\xff"):
        mine.write_bytes(content.encode("latin-1"))
        with pytest.raises(FileExistsError, match="not a table that slidetile has written"):
            tile_here([sample], tmp_path, SMALL)
        assert mine.read_bytes() == content.encode("latin-1")
    assert list(tmp_path.iterdir()) == [mine]


FOREIGN = """
import os, sys, time

def detect(image):
    if image.shape[0] > image.shape[1]:
        {act}
    return image[..., 0] < 200
"""

ACTS = {
    "sys.exit(0)": ("ForeignExitError", "detector detect wanted to end the program"),
    "raise KeyboardInterrupt": ("ForeignExitError", "KeyboardInterrupt"),
    "raise GeneratorExit": ("ForeignExitError", "GeneratorExit"),
    "1 / 0": ("ZeroDivisionError", "division by zero"),
    "os.abort()": ("ProcessDiedError", "of signal 6"),
    "os._exit(0)": ("ProcessDiedError", "with the exit code 0"),
    "time.sleep(600)": ("TimeoutError", "longer than 20 s"),
}

SLOW_ACTS = [pytest.param(act, marks=[pytest.mark.slow] if "sleep" in act else []) for act in ACTS]


@pytest.fixture
def tall(tmp_path):
    """A slide that is higher than wide."""
    path = tmp_path / "a_tall.tiff"
    pixels = np.zeros((512, 256, 3), np.uint8)
    tifffile.imwrite(path, pixels, tile=(64, 64), photometric="rgb", metadata=None)
    return path


@pytest.mark.parametrize("act", SLOW_ACTS)
def test_what_a_detector_does_costs_its_slide(command, tall, sample, tmp_path, act):
    (tmp_path / "mine.py").write_text(FOREIGN.format(act=act))
    options = ["-o", tmp_path / "out", "--detector", "mine:detect"]
    options += ["--timeout", 20] if "sleep" in act else []
    done = command("batch", tall, sample, *options, before=["env", "-C", tmp_path])
    assert done.exit_code == 1
    assert "Traceback" not in done.stderr
    summary = {row["slide"]: row for row in rows(tmp_path / "out")}
    bad, good = summary.pop(str(tall)), summary.pop(str(sample))
    assert not summary
    kind, reason = ACTS[act]
    assert (bad["status"], bad["error_type"]) == ("failed", kind)
    assert reason in bad["reason"]
    assert float(bad["seconds"]) >= (20 if "sleep" in act else 0)
    log = (tmp_path / "out" / bad["log"]).read_text()
    assert f"failed: {bad['reason']}" in log
    if "sleep" in act:
        assert "mine.py" in log  # where it hung
    assert good["status"] == "ok"


@pytest.mark.parametrize("processes", [0, 1])
def test_a_detector_that_leaves_the_folder_breaks_no_later_slide(
    sample, tall, tmp_path, monkeypatch, processes
):
    (tmp_path / "leaving.py").write_text(FOREIGN.format(act="os.chdir('/')"))
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)
    from leaving import detect

    shutil.copy(sample, "b.svs")
    recipe = st.Recipe(tile=SMALL.tile, detector=detect)
    report = tile_here([tall.name, "b.svs"], "out", recipe, processes=processes)
    assert statuses(report) == ["ok", "ok"]
    assert [result.slide for result in report.results] == [tall.name, "b.svs"]
    assert len(st.open_store(report.results[1].store))


def test_a_slide_that_could_not_be_read_is_tried_again(sample, tmp_path):
    slide = tmp_path / "late.svs"
    assert statuses(tile_here([slide], tmp_path / "out", SMALL)) == ["failed"]
    assert rows(tmp_path / "out")[0]["error_type"] == "SlideReadError"
    shutil.copy(sample, slide)
    assert statuses(tile_here([slide], tmp_path / "out", SMALL)) == ["ok"]
    assert [row["status"] for row in rows(tmp_path / "out")] == ["ok"]


def test_a_row_says_what_was_left_out(sample, tmp_path):
    whole = st.Recipe(tile=st.TileSpec(size=1024, min_tissue_fraction=1.0))
    tile_here([sample], tmp_path, whole)
    (row,) = rows(tmp_path)
    assert (row["status"], row["reason"]) == ("ok", "")
    assert "--min-tissue-fraction (min_tissue_fraction)" in row["left_out"]
    tissue = st.open_store(row["store"]).metadata.selection.tissue
    assert int(row["tissue_pieces"]) == tissue.pieces
    assert float(row["tissue_area_mm2"]) == tissue.area_um2 / 1e6
    assert 0 < float(row["tissue_area_mm2"]) < float(row["slide_area_mm2"])
    assert (row["mpp"], row["mpp_source"]) == ("0.5", "slide")
    tile_here([sample], tmp_path, whole)
    (again,) = rows(tmp_path)
    assert again["status"] == "already done"
    assert again["tissue_area_mm2"] == row["tissue_area_mm2"]
    assert "tiles with tissue that were left out (too little tissue): " in again["left_out"]
    assert "see --min-tissue-fraction (min_tissue_fraction)" in again["left_out"]


def test_a_failed_slide_has_no_tissue(tmp_path):
    tile_here([tmp_path / "none.svs"], tmp_path)
    (row,) = rows(tmp_path)
    assert (row["status"], row["tissue_pieces"], row["tissue_area_mm2"]) == ("failed", "", "")


def test_a_time_limit_needs_a_process_to_end(sample, tmp_path):
    with pytest.raises(ValueError, match=r"needs processes \(--processes\) of 1 or more"):
        tile_here([sample], tmp_path, timeout_s=1, processes=0)
    with pytest.raises(ValueError, match="more than 0 seconds, but it is 0"):
        tile_here([sample], tmp_path, timeout_s=0, processes=1)


@pytest.mark.parametrize("processes", [0, 1])
def test_progress_is_told_while_a_slide_is_tiled(sample, tmp_path, processes):
    seen = []
    tile_here(
        *([sample], tmp_path, SMALL),
        processes=processes,
        on_progress=lambda slide, progress: seen.append((slide, progress)),
    )
    assert {slide for slide, _ in seen} == {str(sample)}
    assert all(
        progress.tiles_total == len(st.open_store(tmp_path / "sample.zarr")) for _, progress in seen
    )


@pytest.mark.parametrize(("level", "times"), [(logging.INFO, 0), (logging.DEBUG, 1)])
def test_a_foreseen_reason_has_its_traceback_in_the_debug_log_only(tmp_path, caplog, level, times):
    with caplog.at_level(level, logger="slidetile.cohort.job"):
        tile_here([tmp_path / "missing.svs"], tmp_path / "out")
    told = [record for record in caplog.records if record.name == "slidetile.cohort.job"]
    assert [bool(record.exc_info) for record in told] == [True] * times


def test_a_sentence_stands_where_a_slide_fails_and_a_traceback_where_a_detector_has_a_bug(
    command, tall, tmp_path
):
    (tmp_path / "mine.py").write_text(FOREIGN.format(act="1 / 0"))
    line = ("batch", tall, "none.svs", "-o", "out", "--detector", "mine:detect")
    for more, bugs, others in (("-v", 1, 0), ("-vv", 1, 1)):
        told = command(more, *line, before=["env", "-C", tmp_path]).stderr
        assert told.count("ZeroDivisionError: division by zero") == bugs
        assert told.count("errors.SlideReadError: ") == others
        assert f"none.svs: failed: {tmp_path / 'none.svs'} does not exist (see out/logs/" in told

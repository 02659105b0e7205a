"""Reports of folders, names, disks, processors and processes other than on a desk."""

import csv
import json
import os
import shutil
import subprocess
import sys
import unicodedata
from pathlib import Path

import pytest
from cases.judging import grid_cells, sentence
from cases.origins import OURS, SLOW_SCRIPT

import slidetile as st

pytestmark = pytest.mark.slow

PATIENCE_S = 120
PROGRAM = [sys.executable, "-c", "from slidetile.cli.commands import main; main()"]


def rows(path):
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def all_rows(folder):
    """Return the rows of every table in a folder of stores."""
    return [row for path in sorted(folder.glob("*.csv")) for row in rows(path)]


def test_12_links_to_slides_and_to_folders(made, run, tmp_path):
    project, out = made("12-symlinks") / "project", tmp_path / "stores"
    ended = run("batch", project, "-o", out)
    assert ended.exit_code == 1
    found = {os.path.relpath(row["slide"], project): row for row in rows(out / "summary.csv")}
    for name in ("case-1", "case-2"):
        assert found[f"{name}.svs"]["status"] == "ok"
        assert len(st.open_store(out / f"{name}.zarr"))
    assert found["dangling.svs"]["status"] == "failed"
    assert "dangling.svs" in found["dangling.svs"]["reason"]
    assert not [name for name in found if "loop" in name]
    linked = {"site-b/8f3a.svs", "site-b/77bc.svs"}
    if linked - found.keys():
        sentence(ended.stderr, "link", "folder", "site-b", r"\b[12]\b")


def encode_threads(slide, out, *options, before=()):
    """Return the most threads that encode at once, and what the command told."""
    command = [*before, sys.executable, "-c", COUNT_THREADS, "-v", "tile", slide, "-o", out]
    command += ["--codec", "zstd", *options]
    done = subprocess.run(
        list(map(str, command)), capture_output=True, text=True, check=False, timeout=PATIENCE_S
    )
    assert done.returncode == 0, done.stderr
    return int(done.stdout.splitlines()[-1]), done.stderr


COUNT_THREADS = """
import sys, threading, time
from slidetile.cli.commands import main

most, over = 0, threading.Event()


def watch():
    global most
    while not over.wait(0.001):
        names = [thread.name for thread in threading.enumerate()]
        most = max(most, sum("encode" in name for name in names))


watcher = threading.Thread(target=watch, name="watcher")
watcher.start()
try:
    main(sys.argv[1:], standalone_mode=False)
finally:
    over.set()
    watcher.join()
    print(most)
"""


@SLOW_SCRIPT
def test_13_one_core_has_one_encoder(made, tmp_path):
    slide = made("13-one-cpu") / "s.svs"
    asked, _ = encode_threads(slide, tmp_path / "asked.zarr", "--workers", 3)
    assert asked == 3, "the threads that encode are not found by their name"
    core = min(os.sched_getaffinity(0))
    bound, _ = encode_threads(slide, tmp_path / "bound.zarr", before=["taskset", "-c", core])
    assert bound == 1


@SLOW_SCRIPT
def test_13_the_schedulers_share_is_heeded_or_hinted_at(made, tmp_path):
    if len(os.sched_getaffinity(0)) < 2:
        pytest.skip("there is but one core here, so nothing would show")
    slide, before = made("13-one-cpu") / "s.svs", ["env", "SLURM_CPUS_PER_TASK=1"]
    threads, told = encode_threads(slide, tmp_path / "a.zarr", before=before)
    if threads != 1:
        sentence(told, "SLURM_CPUS_PER_TASK", "--workers")


@SLOW_SCRIPT
def test_13_a_containers_quota_is_heeded_or_hinted_at(made, tmp_path, one_core_quota):
    if len(os.sched_getaffinity(0)) < 2:
        pytest.skip("there is but one core here, so nothing would show")
    slide = made("13-one-cpu") / "s.svs"
    threads, told = encode_threads(slide, tmp_path / "a.zarr", before=one_core_quota)
    if threads != 1:
        sentence(told, "quota|container", "--workers")


@pytest.fixture
def one_core_quota():
    """The words before a command that put it into a control group of one core."""
    root = Path("/sys/fs/cgroup")
    is_unified = (root / "cgroup.controllers").is_file()
    group = (root if is_unified else root / "cpu") / f"slidetile-test-{os.getpid()}"
    try:
        group.mkdir()
        if is_unified:
            (group / "cpu.max").write_text("100000 100000")
        else:
            (group / "cpu.cfs_period_us").write_text("100000")
            (group / "cpu.cfs_quota_us").write_text("100000")
    except OSError as error:
        shutil.rmtree(group, ignore_errors=True)
        pytest.skip(f"no control group can be made here ({error})")
    yield ["sh", "-c", f'echo $$ > {group}/cgroup.procs && exec "$@"', "sh"]
    group.rmdir()


def test_18_names_of_every_kind(made, run, tmp_path):
    folder = next(path for path in made("18-names").iterdir() if path.is_dir())
    out = tmp_path / "Ausgabe ü"
    slides = {path.name for path in folder.iterdir() if path.suffix.lower() == ".svs"}
    visible = {name for name in slides if not name.startswith(".")}
    assert (len(visible), len(slides)) == (11, 12)
    ended = run("batch", folder, "-o", out)
    assert ended.exit_code == 0, ended.stderr
    found = rows(out / "summary.csv")
    names = {Path(row["slide"]).name for row in found}
    assert names in (visible, slides)
    assert len({row["store"] for row in found}) == len(found) == len(names)
    for row in found:
        assert row["status"] == "ok"
        store = st.open_store(row["store"])
        assert store.attributes["source"]["name"] == Path(row["slide"]).name
        assert store[0].any()
    if names == visible:
        sentence(ended.stderr, "hidden", r"\b1\b")


def test_18_no_name_breaks_a_line(made, run, tmp_path):
    folder = next(path for path in made("18-names").iterdir() if path.is_dir())
    ended = run("batch", folder, "-o", tmp_path / "stores", "--log-json")
    events = [json.loads(line) for line in ended.stderr.splitlines()]
    told = [event["slide"] for event in events if event["event"] == "slide"]
    assert len(told) in (11, 12)
    assert all(slide.startswith(str(folder)) for slide in told)


@OURS
def test_18_annotations_named_as_the_slide(made, run, tmp_path):
    """The letters of a name may be composed in one place and not in the other."""
    folder = next(path for path in made("18-names").iterdir() if path.is_dir())
    drawn = tmp_path / "drawn"
    drawn.mkdir()
    for slide in folder.glob("Gr*e.svs"):
        corners = [[0, 0], [900, 0], [900, 900], [0, 900], [0, 0]]
        other = "NFD" if unicodedata.is_normalized("NFC", slide.stem) else "NFC"
        name = unicodedata.normalize(other, slide.stem)
        (drawn / f"{name}.geojson").write_text(
            json.dumps({"type": "Polygon", "coordinates": [corners]})
        )
        out = tmp_path / f"{other}.zarr"
        ended = run("tile", slide, "--annotations", drawn, "-o", out)
        assert ended.exit_code == 0, ended.stderr
        (drawn / f"{name}.geojson").unlink()


class OwnPath:
    """A path of somebody's own class."""

    def __init__(self, path):
        self._path = path

    def __fspath__(self):
        return self._path


@pytest.mark.parametrize("kind", [str, os.fsencode, OwnPath, lambda path: OwnPath(path.encode())])
def test_19_paths_of_every_class_open(made, kind):
    path = str(made("19-python-paths") / "s.svs")
    with st.open_slide(kind(path)) as slide:
        assert (slide.width, slide.height) == (1536, 1024)
        assert slide.source.name == "s.svs"


@pytest.mark.parametrize(
    ("path", "kind", "words"),
    [
        (None, TypeError, "None"),
        ("C:\\slides\\s.svs", st.SlideError, "does not exist"),
        ("https://127.0.0.1:9/s.svs", st.SlideError, "https://127.*/s\\.svs cannot be read: its"),
        ("ftp://b/s.svs", ValueError, "ftp:// is not read: an address begins with s3://"),
    ],
)
def test_19_what_is_no_path_of_a_slide_is_said(path, kind, words):
    with pytest.raises(kind, match=words):
        st.open_slide(path)


def test_19_a_folder_is_no_slide(made):
    with pytest.raises(st.SlideReadError, match=r"is a folder.*name the slide's file"):
        st.open_slide(made("19-python-paths"))


@OURS
@pytest.mark.parametrize(
    ("address", "why"),
    [("ftp://bucket/a.zarr", "is not read"), ("https://x/a.zarr", "a web server is read only")],
)
def test_19_not_every_address_is_a_place_for_a_store(made, run, tmp_path, address, why):
    slide = made("19-python-paths") / "s.svs"
    ended = run("tile", slide, "-o", address, before=["env", "-C", tmp_path])
    assert ended.exit_code in (1, 2)
    assert address.partition("://")[0] in ended.stderr
    assert why in ended.stderr
    assert "Traceback" not in ended.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["command"]


@OURS
def test_19_a_path_with_a_colon_is_a_path(made, run, tmp_path):
    slide = made("19-python-paths") / "s.svs"
    (tmp_path / "run:1").mkdir()
    ended = run("tile", slide, "-o", "run:1/a.zarr", before=["env", "-C", tmp_path])
    assert ended.exit_code == 0, ended.stderr
    assert len(st.open_store(tmp_path / "run:1" / "a.zarr"))


LITTLE_KB, ENOUGH_KB = 2 << 10, 64 << 10


@pytest.mark.slow
def test_33_a_full_disk_stops_a_run_that_continues(made, run, small_disk, tmp_path):
    slide, (disk, resize) = made("33-disk-full") / "s.svs", small_disk
    resize(LITTLE_KB)
    ended = run("tile", slide, "-o", disk / "a.zarr")
    assert ended.exit_code == 1
    sentence(ended.stderr, "^error: ", "no space left", "again")
    assert [path.name for path in disk.iterdir()] == ["a.zarr.partial"]
    with pytest.raises(st.IncompleteStoreError, match="not finished"):
        st.open_store(disk / "a.zarr")
    kept = {path: path.stat().st_mtime_ns for path in disk.rglob("c/**/*") if path.is_file()}
    assert kept
    resize(ENOUGH_KB)
    assert run("tile", slide, "-o", disk / "a.zarr").exit_code == 0
    for path, time_ns in kept.items():
        moved = disk / "a.zarr" / path.relative_to(disk / "a.zarr.partial")
        assert moved.stat().st_mtime_ns == time_ns, "it was written twice"
    undisturbed = tmp_path / "undisturbed.zarr"
    assert run("tile", slide, "-o", undisturbed).exit_code == 0
    assert _files(disk / "a.zarr") == _files(undisturbed)


def _files(folder):
    return {
        path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()
    }


@pytest.mark.slow
def test_33_a_batch_on_a_full_disk_goes_on(made, run, small_disk):
    (disk, resize), folder = small_disk, made("33-disk-full")
    resize(LITTLE_KB)
    tiny = made("19-python-paths") / "s.svs"
    slides = [folder / "s.svs", tiny]
    ended = run("batch", *slides, "-o", disk / "stores", "--json")
    assert ended.exit_code == 1
    first, second = json.loads(ended.stdout)["slides"]
    assert first["status"] == "failed"
    assert "no space left" in first["error"]["message"].lower()
    assert second["slide_path"] == str(tiny)
    resize(ENOUGH_KB)
    ended = run("batch", *slides, "-o", disk / "stores", "--json")
    assert ended.exit_code == 0, ended.stderr
    results = json.loads(ended.stdout)["slides"]
    assert all(result["status"] in ("ok", "already done") for result in results)


@pytest.mark.slow
def test_33_a_disk_that_cannot_be_written(made, run, small_disk):
    disk, _ = small_disk
    subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
    ended = run("tile", made("19-python-paths") / "s.svs", "-o", disk / "a.zarr")
    assert ended.exit_code == 1
    sentence(ended.stderr, "^error: ", "read-only", r"a\.zarr")


@OURS
def test_33_a_store_under_a_file_or_in_a_store(made, run, tmp_path):
    slide = made("19-python-paths") / "s.svs"
    file, outer = tmp_path / "file.txt", tmp_path / "outer.zarr"
    file.write_text("mine")
    ended = run("tile", slide, "-o", file / "a.zarr")
    assert ended.exit_code == 1
    sentence(ended.stderr, "^error: ", r"file\.txt", "folder|directory")
    assert file.read_text() == "mine"
    assert run("tile", slide, "-o", outer).exit_code == 0
    before = _files(outer)
    ended = run("tile", slide, "-o", outer / "inner.zarr")
    assert ended.exit_code == 1, ended.stdout
    sentence(ended.stderr, "^error: ", r"outer\.zarr", "store")
    assert _files(outer) == before


@SLOW_SCRIPT
@pytest.mark.parametrize("codec", ["native", "zstd"])
def test_34_workers_of_every_kind_read_what_the_parent_read(made, run, tmp_path, codec):
    folder, out = made("34-fork-spawn-zarr"), tmp_path / "a.zarr"
    assert run("tile", folder / "s.svs", "-o", out, "--codec", codec).exit_code == 0
    command = [sys.executable, folder / "readers.py", out, folder / "s.svs"]
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, timeout=2 * PATIENCE_S
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        f"{method} windows True slide True" for method in ("fork", "spawn", "forkserver")
    ]


def test_43_two_batches_in_one_folder_lose_no_row(made, tmp_path):
    folder, out = made("43-job-array"), tmp_path / "stores"
    begun = [
        subprocess.Popen(
            [*PROGRAM, "batch", folder / name, "-o", out, "--json"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for name in ("x", "y")
    ]
    told = [process.communicate(timeout=PATIENCE_S) for process in begun]
    own = []
    for process, (output, errors) in zip(begun, told, strict=True):
        assert process.returncode in (0, 1), errors
        assert "Traceback" not in errors
        own.append(json.loads(output)["slides"])
        has_failed = any(result["status"] == "failed" for result in own[-1])
        assert process.returncode == has_failed
    slides = {str(folder / place) for place in ("x/a.svs", "x/b.svs", "y/a.svs", "y/c.svs")}
    assert {result["slide_path"] for results in own for result in results} == slides
    found = {row["slide"]: row for row in all_rows(out)}
    assert found.keys() == slides
    _assert_no_store_is_shared(found.values())


def _assert_no_store_is_shared(found):
    """A slide's store holds that slide, and no other slide's row points to it."""
    stores = [row["store"] for row in found if row["status"] != "failed"]
    assert len(set(stores)) == len(stores) >= 3
    for row in found:
        if row["status"] == "failed":
            assert row["reason"]
            continue
        store = st.open_store(row["store"])
        with st.open_slide(row["slide"]) as slide:
            assert store.attributes["source"]["fingerprint"] == slide.source.fingerprint
        assert not grid_cells(store)["unreadable"]

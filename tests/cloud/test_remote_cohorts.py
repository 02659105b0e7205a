"""Batches whose stores, tables and logs lie in a bucket: the rules of those on a disk."""

import contextlib
import csv
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from urllib.parse import parse_qs

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from cluster_processes import Cluster
from object_storage import OPTIONS, Fault
from patience import wait_until

import slidetile as st
from slidetile.cloud.objects import objects_below, read_object, remove_objects, write_object
from slidetile.cohort.inputs.collecting import collect
from slidetile.cohort.inputs.manifest import read_manifest
from slidetile.cohort.layout import CohortFolder
from slidetile.cohort.table import run_log
from slidetile.cohort.table.key_book import KeyBook, NotedKey
from slidetile.cohort.table.row_sinks import ObjectsOfRows
from slidetile.cohort.table.run_files import runs_of
from slidetile.cohort.table.run_log import RunLog
from slidetile.errors import CohortError, StoreBusyError
from slidetile.runtime._holder import Holder

CHANGES = ("PUT", "POST", "DELETE")
CODEC = ("--codec", "raw")
DONE = ("ok", "already done")
DENIED = Fault(status=403, code="AccessDenied")


@pytest.fixture
def slides(sample, tmp_path):
    """A folder of three slides, one of which cannot be read."""
    folder = tmp_path / "slides"
    folder.mkdir()
    for name in ("a.svs", "b.svs"):
        shutil.copy(sample, folder / name)
    (folder / "bad.svs").write_bytes(b"no slide")
    return folder


def tile(slides, cohort, **options):
    options = {"processes": 0, **options}
    return st.tile_slides([slides], cohort, st.Recipe(codec="raw"), **options)


def statuses(report):
    return {each.key: each.status for each in report.results}


def names(cohort):
    return {each.key[len(cohort.key) + 1 :] for each, _ in objects_below(cohort)}


def without_stores(cohort):
    return {name for name in names(cohort) if ".zarr/" not in name}


def ends(table):
    return dict(zip(table["key"].to_pylist(), table["status"].to_pylist(), strict=True))


def test_stores_tables_and_logs_lie_in_the_bucket(lab, slides, tmp_path, tree):
    cohort = lab.home / "cohort"
    report = tile(slides, cohort)
    local = tile(slides, tmp_path / "out")
    assert statuses(report) == statuses(local) == {"a": "ok", "b": "ok", "bad": "failed"}
    assert lab.tree(cohort / "a.zarr") == tree(tmp_path / "out" / "a.zarr")

    left = {name.replace(run_of(cohort), "RUN") for name in without_stores(cohort)}
    parts = {name for name in left if name.startswith("slides.parquet/RUN-")}
    assert len(parts) == 1
    others = {"summary.csv", "logs/keys.jsonl", "logs/RUN/run.json", "logs/RUN/bad.log"}
    assert left == parts | others

    table = st.read_slides(cohort)
    assert table["store"].to_pylist() == [f"{cohort}/a.zarr", f"{cohort}/b.zarr", None]
    assert table["slide"].to_pylist()[0] == str(slides / "a.svs")
    (bad,) = table.filter(pc.equal(table["key"], "bad")).to_pylist()
    assert b"failed: " in read_object(cohort / bad["log"], 1 << 20)
    summary = read_object(cohort / "summary.csv", 1 << 20).decode()
    rows = list(csv.DictReader(io.StringIO(summary)))
    assert [row["status"] for row in rows] == ["ok", "ok", "failed"]
    columns = ("key", "status", "reason", "codec", "tiles", "tile_bytes", "root", "settings")
    there, here = table.select(columns), st.read_slides(tmp_path / "out").select(columns)
    assert there.equals(here)


def run_of(cohort):
    (files,) = runs_of(CohortFolder(cohort))
    return files.run.name


@pytest.mark.slow
def test_a_second_run_does_what_is_left(lab, slides, sample):
    cohort = lab.home / "cohort"
    tile(slides, cohort)
    shutil.copy(sample, slides / "bad.svs")
    shutil.copy(sample, slides / "c.svs")
    lab.proxy.clear()
    again = tile(slides, cohort)
    assert statuses(again) == {"a": "already done", "b": "already done", "bad": "ok", "c": "ok"}
    assert [each for each in lab.proxy.of("PUT") if "/a.zarr/" in each.key] == []
    assert ends(st.read_slides(cohort)) == statuses(again)


def test_a_dry_run_tells_what_the_run_does_and_writes_nothing(lab, slides, cli):
    cohort = lab.home / "cohort"
    st.tile_slides([slides / "a.svs"], cohort, st.Recipe(codec="raw"), processes=0)
    before = names(cohort)
    lab.proxy.clear()
    told = cli("batch", slides, "-o", cohort, *CODEC, "--dry-run", "--json", "--processes", 0)
    actions = {each["key"]: each["action"] for each in json.loads(told.stdout)["slides"]}
    assert actions == {"a": "already done", "b": "tile", "bad": "fail"}
    assert told.exit_code == 1
    assert lab.proxy.of(*CHANGES) == []
    assert names(cohort) == before


@pytest.mark.slow
def test_a_slide_that_has_changed_is_made_anew_and_one_of_other_settings_too(lab, slides):
    cohort = lab.home / "cohort"
    (slides / "bad.svs").unlink()
    tile(slides, cohort)
    with (slides / "a.svs").open("ab") as file:
        file.write(b"more")
    changed = tile(slides, cohort)
    assert statuses(changed) == {"a": "ok", "b": "already done"}
    assert "made anew" in changed.results[0].note
    others = st.tile_slides([slides], cohort, st.Recipe(codec="zstd"), processes=0)
    assert statuses(others) == {"a": "ok", "b": "ok"}
    assert st.open_store(cohort / "b.zarr").codec == "zstd"


def test_a_store_that_has_lost_an_object_is_made_anew(lab, slides):
    cohort = lab.home / "cohort"
    tile(slides, cohort)
    before = lab.tree(cohort / "a.zarr")
    lost = next(name for name in before if "/c/0/" in name)
    remove_objects([cohort / "a.zarr" / lost])
    assert statuses(tile(slides, cohort))["a"] == "ok"
    assert lab.tree(cohort / "a.zarr") == before


def test_unfinished_stores_are_continued_by_the_next_run(lab, slides):
    cohort = lab.home / "cohort"
    (slides / "bad.svs").unlink()
    puts = []

    def judge(request):
        if request.method == "PUT" and "/c/0/" in request.key:
            puts.append(request.key)
        is_store = ".zarr/" in request.key and request.method in CHANGES
        return DENIED if len(puts) > 2 and is_store else None

    lab.proxy.fault = judge
    report = tile(slides, cohort)
    assert statuses(report) == {"a": "failed", "b": "failed"}
    assert all("access is denied" in each.reason for each in report.results)
    lab.proxy.clear()
    assert statuses(tile(slides, cohort)) == {"a": "ok", "b": "ok"}
    again = [each.key for each in lab.proxy.of("PUT", ending="/0/0") if each.key in puts[:2]]
    assert again == []


def test_rows_of_a_run_that_was_killed_are_read_and_moved_by_the_next(lab, slides, tmp_path):
    cohort = lab.home / "cohort"
    shutil.copy(slides / "a.svs", slides / "c.svs")
    options = {**OPTIONS, "endpoint": lab.proxy.endpoint}
    with begun(slides, cohort, options, env={**os.environ, "TMPDIR": str(tmp_path)}) as process:
        wait_until(lambda: rows_written(lab) or process.poll() is not None)
        process.kill()
    lab.proxy.clear()
    first = ends(st.read_slides(cohort))
    assert first
    rows = [name for name in without_stores(cohort) if "/rows" in name and "owner" not in name]
    assert len(rows) == len(first)
    report = tile(slides, cohort)
    assert statuses(report) == {
        "a": "already done",
        "b": "already done" if "b" in first else "ok",
        "bad": "failed",
        "c": "already done" if "c" in first else "ok",
    }
    assert not [name for name in without_stores(cohort) if "/rows" in name]
    table = st.read_slides(cohort)
    assert ends(table) == statuses(report)


def rows_written(lab):
    return [each for each in lab.proxy.of("PUT") if "/rows-" in each.key and each.status == 200]


@contextlib.contextmanager
def begun(slides, cohort, options, env):
    pairs = [f"--storage-option={key}={value}" for key, value in options.items()]
    program = [sys.executable, "-c", "from slidetile.cli.commands import main; main()"]
    words = ["batch", slides, "-o", cohort, *CODEC, "--processes", "0", *pairs]
    with subprocess.Popen(
        [*program, *map(str, words)], stderr=subprocess.DEVNULL, env=env
    ) as process:
        yield process


def test_rows_that_a_dead_run_left_elsewhere_are_moved_once_it_is_silent(lab, slides):
    """Its claim is of another host, and young: its rows are read, and stay where they are."""
    cohort = lab.home / "cohort"
    folder = CohortFolder(cohort).run("20200101T000000000000Z-00000000")
    row = {"key": "old", "slide": "/old.svs", "status": "ok", "ended": "2020-01-01T00:00:00Z"}
    ObjectsOfRows(folder).add(json.dumps(row).encode() + b"\n")
    other = replace(Holder.me(), host="elsewhere", processes="others", process_start="1")
    write_object(folder.owner, [other.to_json()])
    tile(slides, cohort)
    assert ends(st.read_slides(cohort))["old"] == "ok"
    assert any(name.startswith(f"logs/{folder.name}/rows-") for name in names(cohort))
    remove_objects([folder.owner])
    tile(slides, cohort)
    assert ends(st.read_slides(cohort))["old"] == "ok"
    assert not any(name.startswith(f"logs/{folder.name}/") for name in names(cohort))


def test_two_runs_at_once_lose_no_row_and_no_key(lab, slides, sample):
    cohort = lab.home / "cohort"
    other = slides.parent / "other"
    other.mkdir()
    for name in ("a.svs", "d.svs"):  # an a.svs of its own
        shutil.copy(sample, other / name)
    with ThreadPoolExecutor(2) as pool:
        both = [pool.submit(tile, each, cohort) for each in (slides, other)]
        reports = [each.result() for each in both]
    found = [key for report in reports for key in statuses(report)]
    assert len(set(found)) == len(found) == 5
    assert set(ends(st.read_slides(cohort))) == set(found)
    keys = read_object(cohort / "logs" / "keys.jsonl", 1 << 20).splitlines()
    assert {json.loads(line)["key"] for line in keys} == set(found)


def test_two_runs_of_the_same_slides_share_them(lab, slides):
    cohort = lab.home / "cohort"
    with ThreadPoolExecutor(2) as pool:
        reports = [each.result() for each in [pool.submit(tile, slides, cohort) for _ in "12"]]
    for report in reports:
        assert {key: each for key, each in statuses(report).items() if key != "bad"} in (
            *({"a": x, "b": y} for x in DONE for y in DONE),
        )
    assert ends(st.read_slides(cohort))["bad"] == "failed"


def test_keys_that_another_run_has_noted_at_the_same_moment_are_not_lost(lab):
    """As if the claim had been taken over while this run slept: the write has its condition."""
    folder = CohortFolder(lab.home / "cohort")
    one, other = KeyBook.of(folder), KeyBook.of(folder)
    other.note([NotedKey(key="b", slide="/b.svs", is_id=False)])
    with pytest.raises(StoreBusyError, match="at the same moment"):
        one.note([NotedKey(key="a", slide="/a.svs", is_id=False)])
    again = KeyBook.of(folder)
    again.note([NotedKey(key="a", slide="/a.svs", is_id=False)])
    assert set(KeyBook.of(folder).noted) == {"a", "b"}


def test_many_rows_become_parts_and_their_objects_go(lab, monkeypatch):
    monkeypatch.setattr(run_log, "ROWS_A_PART", 3)
    run = CohortFolder(lab.home / "cohort").run("20200101T000000000000Z-00000000")
    with closing(RunLog(run)) as log:
        for number in range(7):
            log.enter({"key": f"{number}", "slide": f"/{number}", "ended": "2020"})
            assert len(st.read_slides(lab.home / "cohort")) == number + 1
        log.finish()
    assert len(names(lab.home / "cohort" / "slides.parquet")) == 3
    assert names(run.path) == set()
    assert st.read_slides(lab.home / "cohort")["key"].to_pylist() == list(map(str, range(7)))


def test_a_run_that_was_taken_for_dead_and_wakes_up_loses_no_row(lab):
    cohort = lab.home / "cohort"
    run = CohortFolder(cohort).run("20200101T000000000000Z-00000000")
    asleep = RunLog(run)
    for key in "abc":
        asleep.enter({"key": key, "slide": f"/{key}", "ended": "2020"})
    asleep._claim.release()  # as if another host had counted it as dead
    (left,) = runs_of(CohortFolder(cohort))
    run_log.seal_dead(left)
    run_log.seal_dead(left)  # one that has listed them before they were moved
    for key in "def":
        asleep.enter({"key": key, "slide": f"/{key}", "ended": "2020"})
    asleep.finish()
    asleep.close()
    assert st.read_slides(cohort)["key"].to_pylist() == list("abcdef")
    assert names(run.path) == set()


def test_the_cohort_is_listed_once_a_run_and_not_for_each_slide(lab, tmp_path):
    listed = []
    for count in (1, 5):
        folder = tmp_path / f"{count}"
        folder.mkdir()
        for number in range(count):
            (folder / f"{number}.svs").write_bytes(b"no slide")
        cohort = lab.home / f"cohort{count}"
        tile(folder, cohort)
        lab.proxy.clear()
        tile(folder, cohort)
        found = (parse_qs(each.query).get("prefix", [""])[0] for each in lab.proxy.of("GET"))
        own = [each for each in found if each and ".zarr" not in each]
        assert all(each.startswith(f"{cohort.key}/") for each in own)
        listed.append(len(own))
    assert listed[0] == listed[1] <= 8


def test_a_store_that_cannot_be_read_now_is_not_made_anew(lab, slides):
    cohort = lab.home / "cohort"
    (slides / "bad.svs").unlink()
    tile(slides, cohort)
    before = lab.tree(cohort / "a.zarr")
    denied = "cohort/a.zarr/tiles/tiles.parquet"
    lab.proxy.fault = lambda request: Fault(status=500) if request.key.endswith(denied) else None
    report = tile(slides, cohort)
    assert statuses(report) == {"a": "failed", "b": "already done"}
    assert "its server fails after 4 attempts" in report.results[0].reason
    lab.proxy.clear()
    assert lab.tree(cohort / "a.zarr") == before
    assert st.read_slides(cohort)["store"].to_pylist()[0] == str(cohort / "a.zarr")
    assert statuses(tile(slides, cohort)) == {"a": "already done", "b": "already done"}


def test_a_log_that_cannot_be_put_stays_here_and_no_row_names_it(
    lab, slides, tmp_path, monkeypatch, caplog
):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    lab.proxy.fault = lambda request: DENIED if request.key.endswith(".log") else None
    report = tile(slides, lab.home / "cohort")
    (bad,) = (each for each in report.results if each.status == "failed")
    assert bad.log is None
    (left,) = (tmp_path / "temporary").glob("slidetile-logs-*/bad.log")
    assert "failed: " in left.read_text()
    assert f"are in {left.parent}" in caplog.text
    assert left.parent.stat().st_mode & 0o777 == 0o700
    lab.proxy.clear()
    tile(slides, lab.home / "cohort")
    assert len(list((tmp_path / "temporary").iterdir())) == 1


@pytest.mark.slow
def test_workers_of_a_cluster_tile_into_a_bucket(lab, slides, long_slide, tmp_path, tree):
    """Addresses and their options travel with the jobs; a giant is written in parts."""
    pytest.importorskip("distributed", reason="the extra cluster is not installed")
    from slidetile.cohort.engines.clusters import scheduler_client

    shutil.copy(long_slide, slides / "giant.svs")
    recipe = st.Recipe(codec="zstd")
    workers = tmp_path / "workers"
    workers.mkdir()
    with closing(Cluster(workers, 2)) as cluster, scheduler_client(cluster.address) as client:
        report = st.tile_slides(
            [slides], lab.home / "cohort", recipe, client=client, split_tiles=12
        )
    assert statuses(report) == {"a": "ok", "b": "ok", "bad": "failed", "giant": "ok"}
    assert ends(st.read_slides(lab.home / "cohort")) == statuses(report)
    local = st.tile_slide(slides / "giant.svs", tmp_path / "giant.zarr", recipe)
    assert len(local) > 12
    assert lab.tree(lab.home / "cohort" / "giant.zarr") == tree(local.path)
    (bad,) = (each for each in report.results if each.key == "bad")
    assert b"failed: " in read_object(lab.home / "cohort" / bad.log, 1 << 20)


def test_parts_of_an_array_do_their_own_slides(lab, slides):
    cohort = lab.home / "cohort"
    both = [tile(slides, cohort, part=f"{number}/2") for number in (1, 2)]
    found = sorted(key for report in both for key in statuses(report))
    assert found == ["a", "b", "bad"]
    assert set(ends(st.read_slides(cohort))) == set(found)
    assert "summary.csv" in names(cohort)


def test_processes_of_its_own_have_the_options_and_nothing_written_has_them(lab, slides, caplog):
    cohort = lab.home / "cohort"
    remote = [lab.put(slides / name, f"slides/{name}") for name in ("a.svs", "b.svs", "bad.svs")]
    caplog.set_level("DEBUG")
    report = tile(lab.home / "slides", cohort, processes=2)
    assert statuses(report) == {"a": "ok", "b": "ok", "bad": "failed"}
    table = st.read_slides(cohort)
    assert table["slide"].to_pylist() == list(map(str, remote))
    assert all(each is not None for each in table["peak_memory_bytes"].to_pylist()[:2])
    secret = OPTIONS["secret_access_key"]
    assert all(secret.encode() not in data for data in lab.tree(lab.home).values())
    assert secret not in caplog.text
    assert secret not in repr(report)


def test_a_slide_that_crashes_its_process_has_a_log_in_the_bucket(lab, slides):
    cohort = lab.home / "cohort"
    recipe = st.Recipe(codec="raw", detector=crash)
    report = st.tile_slides([slides / "a.svs"], cohort, recipe, processes=1, retries=1)
    (result,) = report.results
    assert result.status == "failed"
    log = read_object(cohort / result.log, 1 << 20).decode()
    assert log.count("failed: ") == result.attempts
    assert "Fatal Python error" in log


def crash(*_):
    os.kill(os.getpid(), signal.SIGSEGV)


@pytest.mark.slow
def test_networks_that_fail_now_and_then_change_no_table(lab, slides):
    cohort, count = lab.home / "cohort", [0]

    def judge(_):
        count[0] += 1
        return Fault(status=503, code="SlowDown") if count[0] % 5 == 0 else None

    lab.proxy.fault = judge
    report = tile(slides, cohort)
    assert statuses(report) == {"a": "ok", "b": "ok", "bad": "failed"}
    lab.proxy.clear()
    assert ends(st.read_slides(cohort)) == statuses(report)
    assert not [name for name in without_stores(cohort) if "/rows" in name or "owner" in name]


def run(cli, lab, slides, *words):
    pairs = [f"--storage-option={k}={v}" for k, v in OPTIONS.items()]
    pairs += [f"--storage-option=endpoint={lab.proxy.endpoint}", "--storage-option=max_retries=1"]
    return cli("batch", slides, "-o", lab.home / "cohort", *CODEC, "--processes", 0, *pairs, *words)


def test_a_bucket_that_forbids_writing_is_told_in_one_line_before_a_slide_is_read(lab, slides, cli):
    lab.proxy.fault = lambda request: DENIED if request.method in CHANGES else None
    ended = run(cli, lab, slides)
    assert ended.exit_code == 1
    assert len(ended.stderr.splitlines()) == 1
    assert "access is denied" in ended.stderr
    assert OPTIONS["secret_access_key"] not in ended.output + ended.stderr
    assert not [each for each in lab.proxy.requests if "a.zarr" in each.key]
    lab.proxy.clear()
    assert names(lab.home) == set()


def test_a_bucket_that_forbids_listing_is_told_with_the_right_that_is_needed(lab, slides, cli):
    lab.proxy.fault = lambda request: DENIED if "list-type" in request.query else None
    ended = run(cli, lab, slides)
    assert ended.exit_code == 1
    assert len(ended.stderr.splitlines()) == 1
    assert "s3:ListBucket" in ended.stderr


def test_an_endpoint_that_vanishes_costs_no_finished_store(lab, slides, cli, tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))  # the logs stay there
    gone = []

    def judge(request):
        if request.method == "PUT" and request.key.endswith("a.zarr/zarr.json"):
            gone.append(request)
            return None
        return Fault(status=503) if gone else None

    lab.proxy.fault = judge
    ended = run(cli, lab, slides)
    assert ended.exit_code == 1
    assert "could not be written" in ended.stderr
    assert "run the same command again" in ended.stderr
    lab.proxy.clear()
    assert st.open_store(lab.home / "cohort" / "a.zarr").codec == "raw"
    again = tile(slides, lab.home / "cohort")
    assert statuses(again) == {"a": "already done", "b": "ok", "bad": "failed"}


def test_a_slide_of_a_manifest_in_a_bucket_is_found_beside_it(lab, sample):
    lab.put(sample, "slides/a.svs")
    lab.put(sample, "other/b.svs")
    text = f"path,id,mpp,stain\nslides/a.svs,one,0.5,HE\n../other/b.svs,,,\n{sample},three,,\n"
    manifest = lab.home / "lists" / "cohort.csv"
    text = text.replace("slides/", "../slides/")
    write_object(manifest, [text.encode()])
    entries = read_manifest(manifest)
    slides = [lab.home / "slides" / "a.svs", lab.home / "other" / "b.svs", sample]
    assert [each.slide for each in entries] == slides
    report = tile_inputs([manifest], lab.home / "cohort")
    assert statuses(report) == {"one": "ok", "b": "ok", "three": "ok"}
    table = st.read_slides(lab.home / "cohort")
    assert table["stain"].to_pylist() == ["", "HE", ""]
    assert table["mpp_source"].to_pylist()[1] == "manifest"

    parquet = pa.BufferOutputStream()
    pq.write_table(pa.table({"path": ["../slides/a.svs"], "id": ["p"]}), parquet)
    write_object(manifest.with_suffix(".parquet"), [parquet.getvalue().to_pybytes()])
    (entry,) = read_manifest(manifest.with_suffix(".parquet"))
    assert (entry.id, entry.slide) == ("p", slides[0])


def tile_inputs(inputs, cohort):
    return st.tile_slides(inputs, cohort, st.Recipe(codec="raw"), processes=0)


@pytest.mark.slow
def test_names_of_any_kind_are_keys_in_a_bucket(lab, sample, tmp_path):
    odd = ["ä b", "c#1?x=2", "d%20e", "f~'\"&+;", "{g}|^`", "=h()", "i*[j]"]
    for name in odd:
        shutil.copy(sample, tmp_path / f"{name}.svs")
    (tmp_path / "bad%.svs").write_bytes(b"no slide")
    report = tile_inputs([tmp_path], lab.home / "cohort")
    assert statuses(report) == {**dict.fromkeys(odd, "ok"), "bad%": "failed"}
    table = st.read_slides(lab.home / "cohort")
    assert set(table["key"].to_pylist()) == set(statuses(report))
    for each in table.to_pylist():
        if each["store"]:
            assert len(st.open_store(each["store"])) == each["tiles"]
        else:
            assert read_object(lab.home / "cohort" / each["log"], 1 << 20)
    again = tile_inputs([tmp_path], lab.home / "cohort")
    assert statuses(again) == {**dict.fromkeys(odd, "already done"), "bad%": "failed"}


def test_a_web_server_is_no_place_for_stores(sample):
    with pytest.raises(OSError, match="read only"):
        st.tile_slides([sample], "https://localhost:1/cohort", processes=0)


def test_faults_of_a_manifest_in_a_bucket_have_their_lines(lab):
    manifest = lab.home / "cohort.csv"
    with pytest.raises(CohortError, match="no such object"):
        read_manifest(manifest)
    write_object(manifest, [b"path,annotations\n../../../x.svs,\na.svs,a.geojson\n"])
    with pytest.raises(CohortError, match=r"line 2 has a path that leads out.*line 3 has annot"):
        read_manifest(manifest)


def test_a_glob_matches_objects_as_it_does_files(lab, sample):
    for name in ("a.svs", "b.svs", "c.tiff", ".d.svs", "deep/e.svs", "x.zarr/f.svs"):
        lab.put(sample, f"slides/{name}")
    assert keys(lab.home / "slides" / "*.svs") == ["a.svs", "b.svs"]
    assert keys(lab.home / "slides" / "[ac].*") == ["a.svs", "c.tiff"]
    assert keys(lab.home / "slides" / "**" / "*.svs") == ["a.svs", "b.svs", "deep/e.svs"]
    assert keys(lab.home / "sl*" / "?.tiff") == ["c.tiff"]
    lab.proxy.clear()
    collect([lab.home / "slides" / "*.svs"])
    assert len(lab.proxy.requests) == 2  # whether an object is called so, and the listing
    with pytest.raises(CohortError, match="nothing matches"):
        collect([lab.home / "slides" / "*.ndpi"])
    write_object(lab.home / "slides" / "g[1].svs", [sample.read_bytes()])
    assert keys(lab.home / "slides" / "g[1].svs") == ["g[1].svs"]


def keys(pattern):
    found = (entry.slide.key.partition("/slides/")[2] for entry in collect([pattern]))
    return list(found)

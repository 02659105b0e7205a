"""Batches whose bucket stops answering: they end soon, and lose nothing."""

import json
import shutil
import tempfile
from pathlib import Path

import pytest
from object_storage import OPTIONS, Fault

import slidetile as st
from slidetile.cloud.objects import objects_below
from slidetile.cohort.layout import CohortFolder
from slidetile.cohort.table.kept_rows import keep_rows, put_kept_rows

RAW = st.Recipe(codec="raw")
EXPIRED = Fault(status=403, code="ExpiredToken")
DENIED = Fault(status=403, code="AccessDenied")
NAMES = "abcdef"


def silence(_):
    """Close the connection without a word, as a server does that is being stopped."""
    raise ConnectionResetError


ENDS = {
    "gone": (silence, "its server cannot be reached"),
    "expired": (lambda _: EXPIRED, "the credentials have expired"),
    "denied": (lambda _: DENIED, "access is denied"),
    "failing": (lambda _: Fault(status=500), "its server fails"),
}


class After:
    """Lets requests pass until one ends so, and that too; then all others have the fault."""

    def __init__(self, fault, ending):
        self.fault, self.ending, self.is_over = fault, ending, False

    def __call__(self, request):
        if self.is_over:
            return self.fault(request)
        self.is_over = request.method == "PUT" and request.key.endswith(self.ending)
        return None


@pytest.fixture
def slides(sample, tmp_path):
    folder = tmp_path / "slides"
    folder.mkdir()
    for name in NAMES:
        shutil.copy(sample, folder / f"{name}.svs")
    return folder


@pytest.fixture(autouse=True)
def temporary(tmp_path, monkeypatch):
    """A folder for the logs that stay."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def tile(inputs, out, **options):
    return st.tile_slides(inputs, out, RAW, **{"processes": 0, **options})


def statuses(report):
    return {each.key: each.status for each in report.results}


def ends(cohort):
    table = st.read_slides(cohort)
    return dict(zip(table["key"].to_pylist(), table["status"].to_pylist(), strict=True))


@pytest.mark.parametrize("how", ENDS)
def test_a_batch_ends_with_the_first_slide_that_fails_by_its_bucket(lab, slides, how):
    cohort, seen = lab.home / "cohort", []
    fault, sentence = ENDS[how]
    lab.proxy.fault = After(fault, "b.zarr/zarr.json")
    with pytest.raises(OSError, match=sentence) as ended:
        tile([slides], cohort, on_result=seen.append)
    assert [(each.key, each.status) for each in seen] == [("a", "ok"), ("b", "failed")]
    assert "slides not begun: 4" in str(ended.value)
    assert "run the same command again" in str(ended.value)
    assert not [each for each in lab.proxy.requests if "/c.zarr" in each.key]
    lab.proxy.clear()
    assert ends(cohort) == {"a": "ok"}
    assert statuses(tile([slides], cohort)) == {
        **dict.fromkeys("ab", "already done"),
        **dict.fromkeys("cdef", "ok"),
    }
    assert set(ends(cohort)) == set(NAMES)


def test_rows_that_could_not_be_put_are_kept_and_put_by_the_next_run(lab, slides):
    cohort = lab.home / "cohort"
    lab.proxy.fault = After(silence, "b.zarr/zarr.json")
    with pytest.raises(OSError, match=r"kept in (\S+) for the next run") as ended:
        tile([slides], cohort)
    (kept,) = (word for word in str(ended.value).split() if "slidetile-rows-" in word)
    lab.proxy.clear()
    head, row = map(json.loads, Path(kept).read_text().splitlines())
    assert head == {"rows_of": str(cohort)}
    assert (row["key"], row["status"]) == ("b", "failed")
    assert row["log"] is None
    tile([slides / "c.svs"], cohort)
    assert ends(cohort) == {"a": "ok", "b": "failed", "c": "ok"}
    assert not Path(kept).exists()
    left = [each.name for each, _ in objects_below(cohort / "logs")]
    assert not [name for name in left if "rows" in name or "probe" in name]


def test_rows_that_are_put_twice_are_one(lab, tmp_path):
    run = CohortFolder(lab.home / "cohort").run("20200101T000000000000Z-00000000")
    line = json.dumps({"key": "a", "slide": "/a", "status": "ok", "ended": "2020"}).encode() + b"\n"
    path = keep_rows(run, [line])
    assert path.parent.stat().st_mode & 0o777 == 0o700
    shutil.copy(path, tmp_path / "again")
    put_kept_rows(run.cohort)
    assert not path.exists()
    shutil.copy(tmp_path / "again", path)
    put_kept_rows(run.cohort)
    assert ends(run.cohort.path) == {"a": "ok"}
    put_kept_rows(CohortFolder(tmp_path / "local"))


def test_a_store_that_cannot_be_reached_by_itself_does_not_end_a_batch(lab, slides):
    cohort = lab.home / "cohort"
    inputs = [slides / "a.svs", slides / "b.svs"]
    tile(inputs, cohort)
    lab.proxy.fault = lambda each: silence(each) if "a.zarr" in each.key + each.query else None
    assert statuses(tile(inputs, cohort)) == {"a": "failed", "b": "already done"}


def test_a_bucket_that_is_gone_before_a_slide_is_begun_ends_the_batch(lab, slides):
    cohort, seen = lab.home / "cohort", []
    tile([slides], cohort)
    lab.proxy.clear()
    lab.proxy.fault = After(silence, "run.json")
    with pytest.raises(OSError, match=r"cannot be reached.*slides not begun: 6"):
        tile([slides], cohort, on_result=seen.append)
    assert seen == []
    lab.proxy.clear()
    assert set(statuses(tile([slides], cohort)).values()) == {"already done"}


@pytest.mark.parametrize("how", ["gone", "expired"])
def test_slides_of_a_bucket_that_is_gone_are_not_begun_and_others_are(lab, slides, tmp_path, how):
    for name in NAMES:
        lab.put(slides / f"{name}.svs", f"slides/{name}.svs")
    fault, sentence = ENDS[how]
    lab.proxy.fault = lambda each: fault(each) if each.method in ("GET", "HEAD") else None
    inputs = [*(lab.home / "slides" / f"{name}.svs" for name in NAMES), slides / "f.svs"]
    seen = []
    with pytest.raises(OSError, match=sentence):
        tile(inputs, tmp_path / "out", on_result=seen.append)
    found = {each.slide: each.status for each in seen}
    assert found.pop(str(slides / "f.svs")) == "ok"
    assert len(found) == (1 if how == "gone" else 3)
    assert set(found.values()) == {"failed"}
    assert (tmp_path / "out" / "summary.csv").is_file()
    assert len(ends(tmp_path / "out")) == len(seen)
    lab.proxy.clear()
    again = tile(inputs, tmp_path / "out")
    assert sorted(statuses(again).values()) == ["already done", *["ok"] * 6]


def test_slides_that_are_denied_by_themselves_do_not_end_a_batch(lab, slides, tmp_path):
    for name in NAMES:
        lab.put(slides / f"{name}.svs", f"slides/{name}.svs")
    lab.proxy.fault = lambda each: None if each.key.endswith(("f.svs", "probe")) else denied(each)
    report = tile([lab.home / "slides"], tmp_path / "out")
    assert statuses(report) == {**dict.fromkeys("abcde", "failed"), "f": "ok"}
    assert all("access is denied" in each.reason for each in report.failed)


def denied(request):
    return DENIED if request.key.endswith(".svs") else None


def test_retries_end_with_the_bucket(lab, slides):
    seen = []
    lab.proxy.fault = After(silence, "run.json")
    with pytest.raises(OSError, match="slides not begun: 5"):
        tile([slides], lab.home / "cohort", retries=5, on_result=seen.append)
    assert [(each.key, each.attempts) for each in seen] == [("a", 1)]


@pytest.mark.slow
def test_processes_that_tile_are_ended_with_the_batch(lab, slides):
    cohort = lab.home / "cohort"
    lab.proxy.fault = After(silence, "a.zarr/zarr.json")
    with pytest.raises(OSError, match="cannot be reached"):
        tile([slides], cohort, processes=2)
    lab.proxy.clear()
    assert set(statuses(tile([slides], cohort, processes=2)).values()) <= {"ok", "already done"}


def test_the_command_says_so_in_one_line_and_ends_with_1(lab, slides, cli):
    pairs = [f"--storage-option={key}={value}" for key, value in OPTIONS.items()]
    pairs += [f"--storage-option=endpoint={lab.proxy.endpoint}", "--storage-option=max_retries=1"]
    lab.proxy.fault = After(silence, "a.zarr/zarr.json")
    cohort = lab.home / "cohort"
    ended = cli("batch", slides, "-o", cohort, "--codec", "raw", "--processes", 0, *pairs)
    assert ended.exit_code == 1
    (told,) = (line for line in ended.stderr.splitlines() if line.startswith("error: "))
    assert "its server cannot be reached" in told
    assert "slides not begun: 5" in told
    assert OPTIONS["secret_access_key"] not in ended.output + ended.stderr


@pytest.mark.slow
def test_a_slide_of_a_bucket_that_hangs_is_ended_by_its_time_limit(lab, slides):
    """Its claim and its unfinished store lie in the bucket, and the next run goes on at once."""
    remote = [lab.put(slides / f"{name}.svs", f"slides/{name}.svs") for name in "ab"]
    hangs = Fault(pause_s=600)
    lab.proxy.fault = lambda each: hangs if each.key.endswith("a.svs") and each.range else None
    cohort = lab.home / "cohort"
    report = tile(remote, cohort, processes=1, timeout_s=20)
    assert statuses(report) == {"a": "failed", "b": "ok"}
    assert "took longer than 20 s" in report.results[0].reason
    lab.proxy.clear()
    assert statuses(tile(remote, cohort, processes=1)) == {"a": "ok", "b": "already done"}

"""What is shown of a batch while it runs: lines for logs, JSON for collectors, bars for people."""

import io
import json
import shutil
from pathlib import Path

import pytest

from slidetile.cli import batch_progress
from slidetile.cli.batch_progress import Pace, PlainBatch, show_batch
from slidetile.cohort.result import SlideResult
from slidetile.runtime.governor import MemoryUse
from slidetile.writing.options import Progress

MEMORY = MemoryUse(peak_bytes=1, budget_bytes=1, throttled=0)


def result(key, status="ok", **facts):
    return SlideResult(key=key, slide=f"{key}.svs", status=status, **facts)


def half(tiles):
    return Progress(
        shards_done=1, shards_total=2, tiles_total=tiles, bytes_written=1, memory=MEMORY
    )


def test_failures_are_told_at_once_and_the_rest_at_most_a_line_a_second(capsys):
    plain = PlainBatch(Pace(3000, 1024), Path("my/stores"))
    for number in range(2998):
        plain.result(result(f"done-{number}", "already done"))
    plain.result(result("bad", "failed", reason="it is no slide", log="logs/run/bad.log"))
    plain.result(result("new", tiles=10, seconds=2.0))
    plain.end()
    first, failed, last = capsys.readouterr().err.splitlines()
    assert first.startswith("done-0.svs: already done")
    assert failed.startswith("bad.svs: failed: it is no slide (see my/stores/logs/run/bad.log)")
    assert last.startswith("3,000/3,000 slides, 1 failed, ")
    assert "2,997 already done, 1 ok, the last: new.svs" in last


def test_a_slide_that_takes_long_is_told_now_and_then(capsys, monkeypatch):
    monkeypatch.setattr(batch_progress, "SECONDS_WITHOUT_LINES", 0.0)
    plain = PlainBatch(Pace(2, 1000), Path("stores"))
    plain.progress("long.svs", half(40))
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("0/2 slides, ")
    assert " MP/s, about " in line
    assert line.endswith("; long.svs: 20/40 tiles")


def test_the_pace_counts_pixels_of_slides_done_and_in_hand():
    pace = Pace(4, 1000)
    assert (pace.slides_done, pace.seconds_left) == (0, None)
    pace.progress("a.svs", half(10))
    assert pace.slides_done == 0.5
    assert pace.mp_per_s > 0
    pace.result(result("a", tiles=10))
    pace.result(result("b", "already done", tiles=99))
    assert (pace.done, pace.slides_done) == (2, 2)
    assert pace.seconds_left is not None


def test_json_events(capsys):
    with show_batch(Path("stores"), quiet=False, slides=1, tile_px=512, as_log=True) as shown:
        shown.progress("a.svs", half(10))
        shown.result(result("a", tiles=10, columns={"patient": "P1"}))
    (line,) = capsys.readouterr().err.splitlines()
    event = json.loads(line)
    assert (event["event"], event["key"], event["status"]) == ("slide", "a", "ok")
    assert (event["slides_done"], event["columns"]) == (1, {"patient": "P1"})


def test_log_json_is_json_in_every_line(command, sample, damaged_sample, tmp_path):
    slides = tmp_path / "slides"
    slides.mkdir()
    shutil.copy(damaged_sample, slides / "damaged.svs")
    shutil.copy(sample, slides / "sample.svs")
    (slides / "text.svs").write_text("no slide")
    (slides / "notes.txt").write_text("left out")
    done = command("-v", "batch", slides, "-o", tmp_path / "out", "--log-json")
    assert done.exit_code == 1
    events = [json.loads(line) for line in done.stderr.splitlines()]
    slides_told = {each["key"]: each["status"] for each in events if each["event"] == "slide"}
    assert slides_told == {"damaged": "unreadable tiles", "sample": "ok", "text": "failed"}
    logged = [each for each in events if each["event"] == "log"]
    assert any("left out" in each["message"] for each in logged)
    assert all(each["time"].endswith("Z") for each in events)
    assert done.stdout.endswith(f"summary: {tmp_path / 'out' / 'summary.csv'}\n")


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize("status", ["ok", "already done"])
def test_a_terminal_has_a_bar_for_all_and_one_for_each_slide_in_hand(monkeypatch, status):
    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "160")
    with show_batch(Path("stores"), quiet=False, slides=2, tile_px=1000) as shown:
        shown.progress("folder/a.svs", half(10))
        shown.result(result("b", status, tiles=10))
        shown.result(result("c", "failed", reason="no"))
    text = terminal.getvalue()
    assert "slides" in text
    assert "a.svs" in text
    assert "1 failed" in text
    assert "MP/s" in text
    assert ("b.svs: ok" in text) == (status == "ok")
    assert "c.svs: failed: no" in text

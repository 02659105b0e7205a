"""With --log-json every line on the error stream is JSON, whatever goes wrong."""

import json
import signal
import subprocess
import sys

import pytest
from patience import PATIENCE_S, wait_until

PROGRAM = [sys.executable, "-c", "from slidetile.cli.commands import main; main()"]


def events(text):
    return [json.loads(line) for line in text.splitlines()]


WRONG = {
    "an option that is none": ["--tiles", "3"],
    "an option's value": ["--processes", "few"],
    "options that contradict": ["--timeout", "3", "--processes", "0"],
    "no output": [],
}


@pytest.mark.parametrize("more", WRONG.values(), ids=WRONG)
def test_wrong_usage_is_an_event(cli, sample, tmp_path, more):
    where = ["-o", tmp_path / "out"] if more else []
    result = cli("batch", sample, *where, *more, "--log-json")
    assert result.exit_code == 2
    (event,) = events(result.stderr)
    assert (event["event"], event["level"], event["type"]) == ("error", "error", "UsageError")
    assert event["message"]
    assert result.stdout == ""


@pytest.mark.parametrize("text", ["path\n", "slide\na.svs\n", "path,id\na.svs,x\nb.svs,x\n"])
def test_a_manifest_that_cannot_be_used_is_an_event(cli, tmp_path, text):
    (tmp_path / "cohort.csv").write_text(text)
    result = cli("batch", tmp_path / "cohort.csv", "-o", tmp_path / "out", "--log-json")
    assert result.exit_code == 1
    (event,) = events(result.stderr)
    assert (event["event"], event["type"]) == ("error", "CohortError")
    assert "cohort.csv" in event["message"]


def test_what_is_found_wrong_before_anything_is_read_is_an_event(cli, sample, tmp_path):
    (tmp_path / "out").write_text("no folder")
    result = cli("batch", sample, "-o", tmp_path / "out", "--log-json", "--json")
    assert result.exit_code == 1
    (event,) = events(result.stderr)
    assert event["type"] == "NotADirectoryError"
    assert json.loads(result.stdout)["error"]["message"] == event["message"]


def test_settings_of_a_file_are_events_too(cli, tmp_path):
    (tmp_path / "cohort.csv").write_text("path\nnone.svs\n")
    (tmp_path / "slidetile.toml").write_text("log-json = true\nprocesses = 0\n")
    result = cli("batch", tmp_path / "cohort.csv", "-o", tmp_path / "out")
    first, *others = events(result.stderr)
    assert first["event"] == "message"
    assert first["message"].startswith(f"settings of {tmp_path / 'slidetile.toml'}: ")
    assert [each["status"] for each in others if each["event"] == "slide"] == ["failed"]
    result = cli("batch", tmp_path / "cohort.csv", "-o", tmp_path / "out", "--no-log-json")
    assert result.stderr.startswith("settings of ")


def test_a_bug_is_events_with_its_traceback(cli, sample, tmp_path, monkeypatch):
    def broken(*_, **__):
        raise ZeroDivisionError("of ours")

    monkeypatch.setattr("slidetile.cohort.cohort.collect", broken)
    result = cli("batch", sample, "-o", tmp_path / "out", "--log-json")
    assert result.exit_code == 1
    log, error = events(result.stderr)
    assert "ZeroDivisionError: of ours" in log["traceback"]
    assert (error["event"], error["type"]) == ("error", "ZeroDivisionError")


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_interruption_is_an_event(long_slide, tmp_path, number):
    out = tmp_path / "out"
    line = [*PROGRAM, "batch", long_slide, "-o", out, "--codec", "zstd", "--log-json"]
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # else it inherits ignorance
    try:
        process = subprocess.Popen(list(map(str, line)), stderr=subprocess.PIPE, text=True)
    finally:
        signal.signal(signal.SIGINT, before)
    try:
        wait_until(lambda: list(out.glob("*.partial")))
        process.send_signal(number)
        _, told = process.communicate(timeout=PATIENCE_S)
    finally:
        process.kill()
    assert process.returncode == 128 + number
    *_, last = events(told)
    assert last["event"] == "interrupted"
    assert last["message"].startswith("interrupted: the batch continues where it stopped")

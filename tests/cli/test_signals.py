"""Ctrl-C, SIGTERM and the end of a terminal: over within a second, nothing lost or left behind.

"Within a second" is what a machine with nothing else to do must keep; one that is busy with other
tests gets `STOPPED_S`.
"""

import csv
import os
import shutil
import signal
import subprocess
import sys
import time

import psutil
import pytest
from patience import PATIENCE_S, wait_until

import slidetile as st

STOPPED_S = 5.0

SIGNALS = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]
PROGRAM = [sys.executable, "-c", "from slidetile.cli.commands import main; main()"]


@pytest.fixture(autouse=True)
def _heard_by_children():
    """Catch SIGINT here, so that what is begun here does not inherit that it is ignored.

    A shell has it ignored by whatever it begins in the background, pytest included; a signal that
    a process catches is one whose default its children get.
    """
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def begin():
    """Begin a process of its own group."""
    begun = []

    def run(*command):
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        begun.append(subprocess.Popen(list(map(str, command)), start_new_session=True, **pipes))
        return begun[-1]

    yield run
    for process in begun:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def stop(process, number, *, whole_group=False):
    """Send a signal and wait for the end, which must come soon; return the two outputs."""
    begun = time.monotonic()
    if whole_group:  # as a terminal does
        os.killpg(process.pid, number)
    else:
        process.send_signal(number)
    told = process.communicate(timeout=PATIENCE_S)
    assert time.monotonic() - begun < STOPPED_S
    assert process.returncode == 128 + number
    return told


def shards(partial):
    return [path for path in partial.rglob("c/**/*") if path.is_file() and path.suffix != ".tmp"]


@pytest.mark.slow
@pytest.mark.parametrize("number", SIGNALS)
def test_a_run_stops_and_the_same_command_continues(
    begin, command, long_slide, long_trees, tree, tmp_path, number
):
    out, partial = tmp_path / "x.zarr", tmp_path / "x.zarr.partial"
    # Copying is over before a signal arrives.
    arguments = ["tile", long_slide, "-o", out, "--codec", "zstd"]
    process = begin(*PROGRAM, *arguments)
    wait_until(lambda: len(shards(partial)) >= 3)
    told = stop(process, number)
    assert told == (
        "",
        f"interrupted: {out} continues where it stopped: run the same command again\n",
    )
    assert os.listdir(tmp_path) == ["x.zarr.partial"]  # noqa: PTH208  names only
    kept = {path: path.stat().st_ino for path in shards(partial)}
    assert command(*arguments).exit_code == 0
    done = {path.relative_to(out): path.stat().st_ino for path in shards(out)}
    changed = [p for p, inode in kept.items() if done[p.relative_to(partial)] != inode]
    assert len(changed) < len(kept)
    assert tree(out) == long_trees["zstd"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("reader", "number"), [("tiff", signal.SIGINT), ("openslide", signal.SIGTERM)]
)
def test_it_stops_while_the_overview_is_read(begin, long_slide, tmp_path, reader, number):
    arguments = ["tile", long_slide, "-o", tmp_path / "x.zarr", "--tissue-mpp", "0.5"]
    process = begin(*PROGRAM, *arguments, "--reader", reader)
    me = psutil.Process(process.pid)
    wait_until(lambda: any(file.path == str(long_slide) for file in me.open_files()))
    _, told = stop(process, number)
    assert told.startswith("interrupted: ")
    assert told.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
@pytest.mark.parametrize("number", SIGNALS)
def test_it_stops_while_a_store_is_verified(begin, command, long_slide, tmp_path, number):
    out = tmp_path / "x.zarr"
    assert command("tile", long_slide, "-o", out, "--codec", "zstd").exit_code == 0
    process = begin(*PROGRAM, "verify", out, "--deep", "--slide", long_slide)
    me = psutil.Process(process.pid)
    wait_until(lambda: any(file.path == str(long_slide) for file in me.open_files()))
    wait_until(lambda: me.num_threads() > 3)  # it decodes
    assert stop(process, number) == ("", "interrupted\n")


@pytest.mark.slow
def test_a_restart_says_to_leave_that_out(begin, long_slide, tmp_path):
    process = begin(*PROGRAM, "tile", long_slide, "-o", tmp_path / "x.zarr", "--restart")
    wait_until((tmp_path / "x.zarr.partial").exists)
    _, told = stop(process, signal.SIGINT)
    assert told.endswith(": run the same command again, without --restart\n")


DISGUISED = """
import os, signal, time
from slidetile.cli.commands import main

@main.command()
def disguise():
    try:
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(60)
    except KeyboardInterrupt as error:
        raise OSError("argument 1: KeyboardInterrupt") from error  # as ctypes does

main(["disguise"])
"""


def test_an_interrupt_that_a_library_disguised_is_still_one(begin):
    process = begin(sys.executable, "-c", DISGUISED)
    assert process.communicate(timeout=PATIENCE_S) == ("", "interrupted\n")
    assert process.returncode == 128 + signal.SIGTERM


DEAF = """
import hashlib
from slidetile.cli.interrupt import Interruptible
with Interruptible(lambda: "last words"):
    while True:
        try:
            print("begun", flush=True)
            hashlib.pbkdf2_hmac("sha256", b"", b"", 10**9)  # minutes in C: a vendor's library
        except KeyboardInterrupt:
            pass
"""


@pytest.mark.parametrize("number", SIGNALS)
def test_it_stops_while_a_library_hears_nothing(begin, number):
    process = begin(sys.executable, "-c", DEAF)
    assert process.stdout.readline() == "begun\n"
    _, told = stop(process, number)
    assert told == "last words\n"


HASTY = """
import signal, sys, time
from slidetile.cli.interrupt import Interruptible
before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
for _ in range(3):
    with Interruptible(str):
        pass
assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before
signal.signal(signal.SIGINT, signal.SIG_IGN)  # as under nohup
with Interruptible(str) as interruptible:
    signal.raise_signal(signal.SIGINT)
    try:
        signal.raise_signal(signal.SIGTERM)
    except KeyboardInterrupt:
        signal.raise_signal(signal.SIGTERM)  # a second one does not disturb
        sys.exit(interruptible.exit_code)
"""


def test_handlers_are_put_back_and_ignored_signals_stay_ignored(begin):
    process = begin(sys.executable, "-c", HASTY)
    assert process.communicate(timeout=PATIENCE_S) == ("", "")
    assert process.returncode == 143


def is_gone(process):
    try:
        return process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


@pytest.fixture
def slides(long_slide, sample, tmp_path):
    folder = tmp_path / "slides"
    folder.mkdir()
    shutil.copy(sample, folder / "a.svs")
    for name in "bcd":
        (folder / f"{name}.svs").symlink_to(long_slide)
    return folder


def _has_ended(out):
    try:
        return st.read_slides(out).num_rows > 0
    except st.CohortError:  # the batch has not begun
        return False


@pytest.mark.slow
@pytest.mark.parametrize(
    ("number", "whole_group"),
    [(signal.SIGINT, True), (signal.SIGTERM, False), (signal.SIGHUP, True)],
)
def test_a_batch_stops_with_its_children(begin, slides, tmp_path, number, whole_group):
    out = tmp_path / "out"
    process = begin(*PROGRAM, "batch", slides, "-o", out, "--processes", "2", "--codec", "zstd")
    wait_until(lambda: _has_ended(out) and list(out.glob("*.partial")))
    children = psutil.Process(process.pid).children(recursive=True)
    _, told = stop(process, number, whole_group=whole_group)
    wait_until(lambda: all(map(is_gone, children)))
    assert len(children) >= 2
    *_, last = told.splitlines()
    assert last == ("interrupted: the batch continues where it stopped: run the same command again")
    with (out / "summary.csv").open(newline="", encoding="utf-8") as file:
        done = [row["key"] for row in csv.DictReader(file)]
    assert done
    assert sorted(path.stem for path in out.glob("*.zarr")) == done
    left = {path.name for path in out.iterdir()} - {"summary.csv"}
    assert not [name for name in left if "owner" in name]
    assert any(name.endswith(".partial") for name in left)


@pytest.mark.slow
def test_children_end_with_a_parent_that_is_killed(begin, slides, tmp_path):
    out = tmp_path / "out"
    process = begin(*PROGRAM, "batch", slides, "-o", out, "--codec", "zstd")
    wait_until(lambda: list(out.glob("*.partial")))
    children = psutil.Process(process.pid).children(recursive=True)
    begun = time.monotonic()
    process.kill()
    wait_until(lambda: all(map(is_gone, children)))
    assert time.monotonic() - begun < STOPPED_S
    assert not list(out.glob("*.owner"))

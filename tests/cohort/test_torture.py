"""A cohort with faults, tiled by two batches side by side in one folder that are killed again and
again: at the end every row is true, and every store is as an undisturbed run writes it."""

import csv
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

PROGRAM = [sys.executable, "-c", "from slidetile.cli.commands import main; main()"]
KILLS = 30


@pytest.fixture
def cohort(tmp_path, sample, damaged_sample):
    """Six good slides, one with a damaged tile, and five files that are no slides."""
    folder = tmp_path / "cohort"
    folder.mkdir()
    for number in range(6):
        shutil.copy(sample, folder / f"good-{number}.svs")
    shutil.copy(damaged_sample, folder / "one-damaged-tile.svs")
    data = sample.read_bytes()
    (folder / "cut.svs").write_bytes(data[: len(data) // 3])
    (folder / "empty.svs").touch()
    (folder / "text.svs").write_text("no slide\n" * 100)
    (folder / "zeros.svs").write_bytes(data[:8] + bytes(len(data) - 8))
    os.mkfifo(folder / "fifo.svs")
    return folder


def batch(cohort, out, **options):
    command = [*PROGRAM, "batch", cohort, "-o", out, "--processes", "2"]
    return subprocess.Popen(
        list(map(str, command)), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, **options
    )


def rows_of(out):
    with (out / "summary.csv").open(newline="") as file:
        return {Path(row["slide"]).name: row for row in csv.DictReader(file)}


def end(process):
    """Wait for a batch, and return its exit code."""
    process.communicate(timeout=300)
    return process.returncode


@pytest.mark.torture
def test_two_killed_batches_in_one_folder(cohort, tree, tmp_path):
    begin = time.perf_counter()
    assert end(batch(cohort, tmp_path / "undisturbed")) == 1
    life = time.perf_counter() - begin
    chance, out = random.Random(3), tmp_path / "out"  # noqa: S311  not for secrets
    running = [batch(cohort, out, start_new_session=True) for _ in range(2)]
    for _ in range(KILLS):
        time.sleep(chance.uniform(0.1, life / 2))
        victim = chance.randrange(2)
        if running[victim].poll() is None:
            os.killpg(running[victim].pid, signal.SIGKILL)
        running[victim].communicate()
        if chance.random() < 0.3:  # all stores are gone: begin anew
            shutil.rmtree(out, ignore_errors=True)
        running[victim] = batch(cohort, out, start_new_session=True)
    for process in running:
        end(process)
    assert end(batch(cohort, out)) == 1
    undisturbed, rows = rows_of(tmp_path / "undisturbed"), rows_of(out)
    assert rows.keys() == undisturbed.keys() == {path.name for path in cohort.iterdir()}
    for name, row in rows.items():
        assert row["status"] in {undisturbed[name]["status"], "already done"}, row
        assert (row["tiles"], row["unreadable"]) == (
            undisturbed[name]["tiles"],
            undisturbed[name]["unreadable"],
        )
    stores = {path.name for path in (tmp_path / "undisturbed").glob("*.zarr")}
    assert {path.name for path in out.glob("*.zarr")} == stores
    for name in stores:
        assert tree(out / name) == tree(tmp_path / "undisturbed" / name)
    left = {path.name for path in out.iterdir()} - stores - {"summary.csv"}
    assert not {name for name in left if name.endswith((".partial", ".tmp", ".replaced"))}

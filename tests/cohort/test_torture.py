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

import numpy as np
import psutil
import pytest
import tifffile

import slidetile as st

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
    left = {path.name for path in out.rglob("*")} - stores
    assert not {name for name in left if name.endswith((".partial", ".tmp", ".replaced"))}


ACTING = """
import ctypes, os, sys, time

def detect(image):
    height, width = image.shape[:2]
    if height > 2 * width:
        ctypes.string_at(0)
    if width > 2 * height:
        time.sleep(600)
    if height > width:
        held = bytearray(1500 << 20)
        for place in range(0, len(held), 4096):
            held[place] = 1
    if height == width:
        sys.exit(3)
    return image[..., 0] < 200
"""

SIZES = {"crash": (256, 768), "hang": (768, 256), "hungry": (512, 640), "exit": (512, 512)}


@pytest.mark.torture
def test_a_cohort_with_every_fault_whose_workers_are_killed(cohort, tree, tmp_path):
    (tmp_path / "acting.py").write_text(ACTING)
    for name, (width, height) in SIZES.items():
        pixels = np.full((height, width, 3), 255, np.uint8)
        path = cohort / f"{name}.tiff"
        tifffile.imwrite(path, pixels, tile=(64, 64), photometric="rgb", metadata=None)
    (cohort / "cohort.csv").write_text(
        "path,id\n"
        + "".join(f"{path.name},{path.stem}\n" for path in sorted(cohort.iterdir()))
        + "missing.svs,missing\n"
    )
    out = tmp_path / "out"
    command = [*PROGRAM, "batch", cohort / "cohort.csv", "-o", out, "--processes", "2"]
    command += ["--timeout", "25", "--memory", "1500MB", "--retry", "9"]
    command += ["--detector", "acting:detect"]
    running = subprocess.Popen(
        list(map(str, command)),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
    )
    chance, killed = random.Random(5), 0  # noqa: S311  not for secrets
    while running.poll() is None and killed < 12:
        time.sleep(chance.uniform(0.5, 3))
        workers = psutil.Process(running.pid).children() if running.poll() is None else []
        workers = [each for each in workers if "spawn_main" in " ".join(each.cmdline())]
        if workers:
            chance.choice(workers).kill()
            killed += 1
    assert end(running) == 1
    assert killed
    rows = {row["key"]: row for row in st.read_slides(out).to_pylist()}
    assert len(rows) == len(list(cohort.iterdir()))  # cohort.csv is none, "missing" is one
    kinds = {
        "crash": "ProcessDiedError",
        "hang": "TimeoutError",
        "hungry": "MemoryError",
        "exit": "ForeignExitError",
    }
    for key, kind in kinds.items():
        assert rows[key]["status"] == "failed"
        assert rows[key]["error_type"] in (kind, "ProcessDiedError"), rows[key]
    good = [key for key in rows if key.startswith("good-")]
    assert [rows[key]["status"] for key in good] == ["ok"] * 6
    whole = st.tile_slide(cohort / "good-0.svs", tmp_path / "whole.zarr", detector(tmp_path))
    for key in good:
        assert tree(out / f"{key}.zarr").keys() == tree(whole.path).keys()
        assert st.verify_store(out / f"{key}.zarr", deep=True) == ()


def detector(folder):
    """The recipe of that batch."""
    sys.path.insert(0, str(folder))
    try:
        from acting import detect
    finally:
        sys.path.remove(str(folder))
    return st.Recipe(detector=detect)

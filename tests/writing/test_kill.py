"""Killed at any moment, again and again: the same command goes on, and the bytes are the same."""

import random
import subprocess
import sys
import time

import dicom_files
import pytest
from pydicom.uid import generate_uid

import slidetile as st

PROGRAM = [sys.executable, "-c", "from slidetile.cli.commands import main; main()"]

WORKERS = 2
IN_FLIGHT = 4 * WORKERS
"""Tasks at once, as `slidetile.writing.write` allows with so many workers and memory enough."""


def shards(partial):
    """The whole shard files of an unfinished store; a rewritten one has another inode."""
    found = partial.glob("[0-9]*/c/**/*") if partial.is_dir() else ()
    return {
        str(path.relative_to(partial)): (path.stat().st_ino, path.stat().st_mtime_ns)
        for path in found
        if path.is_file() and path.suffix != ".tmp"
    }


class Victim:
    """A command that is killed and begun again until it has finished."""

    def __init__(self, slide, out, kind):
        self.out, self.partial = out, out.with_name(out.name + ".partial")
        options = ["--codec", "jpeg", "--mpp", "0.5"] if kind == "mpp" else ["--codec", kind]
        arguments = ["tile", slide, "-o", out, *options, "--workers", str(WORKERS)]
        self.command = [*PROGRAM, *map(str, arguments)]
        self.kept = {}
        self.redone = []

    def run(self, seconds=None):
        """Run it, at most for a time; return whether it finished."""
        process = subprocess.Popen(
            self.command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        )
        try:
            _, told = process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
        else:
            assert process.returncode == 0, told
        finished = self.out.exists()  # a kill may come between the rename and the end
        now = shards(self.out if finished else self.partial)
        assert self.kept.keys() <= now.keys()
        self.redone.append(sum(now[name] != stamp for name, stamp in self.kept.items()))
        self.kept = {} if finished else now
        return finished


def torment(slide, out, kind, moments, whole, tree):
    """Kill runs at these moments; return how many kills hit a store half written."""
    victim, hits = Victim(slide, out, kind), 0
    for seconds in [*moments, None]:
        finished = victim.run(seconds)
        hits += bool(victim.kept)
        if finished:
            assert tree(out) == whole
            out.rename(out.with_name(f"{out.name}-{len(victim.redone)}"))
    assert finished
    assert max(victim.redone) <= IN_FLIGHT
    return hits


def moments(slide, tmp_path, kind, count, seed, earliest):
    """Random moments of a run's life, from a share of it on."""
    begin = time.perf_counter()
    assert Victim(slide, tmp_path / "timed.zarr", kind).run()
    life = time.perf_counter() - begin
    chance = random.Random(seed)  # noqa: S311  not for secrets
    return [chance.uniform(earliest * life, life) for _ in range(count)]


KILLS = [("native", 2), ("zstd", 3), ("jpeg", 3), ("jxl", 2), ("mpp", 2)]


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "count"), KILLS)
def test_a_few_kills(long_slide, long_trees, tree, tmp_path, kind, count):
    # The first part of a run's life goes into starting Python: nothing to lose there.
    when = moments(long_slide, tmp_path, kind, count=count, seed=5, earliest=0.5)
    torment(long_slide, tmp_path / "x.zarr", kind, when, long_trees[kind], tree)


@pytest.fixture
def dicom_series(long_slide, tmp_path):
    """The drawn slide as a DICOM series: its own JPEG tiles, two levels in two files."""
    series, folder = generate_uid(), tmp_path / "series"
    folder.mkdir()
    with st.open_slide(long_slide) as slide:
        for number, level in enumerate(slide.levels[:2]):
            native = slide.native_tiles(number)
            tiles = [(x, y) for y in range(native.rows) for x in range(native.columns)]
            dicom_files.write(
                folder / f"{number}.dcm",
                native.fetch(tiles).streams(),
                size=level.size,
                frame=(native.tile_width_px, native.tile_height_px),
                mpp=slide.mpp[0] * level.downsample[0],
                series=series,
                table="empty",
            )
    return folder


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "count"), [("native", 2), ("zstd", 2)])
def test_a_few_kills_of_dicom(dicom_series, tree, tmp_path, kind, count):
    store = st.tile_slide(dicom_series, tmp_path / "whole.zarr", st.Recipe(codec=kind))
    when = moments(dicom_series, tmp_path, kind, count=count, seed=7, earliest=0.5)
    torment(dicom_series, tmp_path / "x.zarr", kind, when, tree(store.path), tree)


@pytest.mark.torture
@pytest.mark.parametrize(
    ("codec", "slide"),
    [("native", "wide_slide"), ("zstd", "long_slide"), ("jpeg", "long_slide")],
)
def test_fifty_kills(request, tree, tmp_path, codec, slide):
    path = request.getfixturevalue(slide)
    recipe = st.Recipe(codec=codec)
    whole = tree(st.tile_slide(path, tmp_path / "undisturbed.zarr", recipe).path)
    when = moments(path, tmp_path, codec, count=50, seed=1, earliest=0.0)
    hits = torment(path, tmp_path / "x.zarr", codec, when, whole, tree)
    assert hits > 5

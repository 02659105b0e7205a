"""With --durable everything is on the disk before the store gets its name."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import slidetile as st

TRACED = ["strace", "-f", "-y", "-e", "trace=fsync,fdatasync,sync,syncfs,rename,renameat,renameat2"]


@pytest.fixture(autouse=True, scope="module")
def _needs_strace(tmp_path_factory):
    if shutil.which("strace") is None:
        pytest.skip("strace is not installed")
    log = tmp_path_factory.mktemp("strace") / "log"
    done = subprocess.run([*TRACED, "-o", log, "true"], capture_output=True, check=False)
    if done.returncode:
        pytest.skip("strace may not trace here")


@pytest.fixture
def traced(tmp_path):
    """Run the command; return its syncs and renames, in their order: ("sync", path), (from, to)."""

    def run(*arguments):
        log = tmp_path / "strace.log"
        program = [sys.executable, "-c", "from slidetile.cli.commands import main; main()"]
        command = [*TRACED, "-o", log, *program, *map(str, arguments)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return list(parse(log.read_text()))

    return run


def parse(log):
    """Yield the calls of a log when they return; those of other threads may come in between."""
    begun = {}
    for line in log.splitlines():
        thread, told = line.split(maxsplit=1)
        if told.endswith("<unfinished ...>"):
            begun[thread] = told
        elif told.endswith("= 0"):
            call = begun.pop(thread) if "resumed>" in told else told
            name, _, arguments = call.partition("(")
            assert name in ("fsync", "rename")
            path = re.search("<(/[^>]*)>", arguments)
            yield ("sync", path[1]) if path else tuple(re.findall('"([^"]*)"', arguments))


def check(calls, store):
    """Every file and folder of a store was synced before its rename, and the one above after it."""
    partial = f"{store}.partial"
    end = calls.index((partial, str(store)))
    synced = set()
    for call in calls[:end]:
        if call[0] == "sync" or call[0] in synced:  # files are synced under a temporary name
            synced.add(call[1])
    made = [store, *Path(store).rglob("*")]
    expected = {str(path).replace(str(store), partial, 1) for path in made}
    assert expected - synced == set()
    folders = {str(path).replace(str(store), partial, 1) for path in made if path.is_dir()}
    last = {call[1]: number for number, call in enumerate(calls[:end]) if call[0] == "sync"}
    renamed = [n for n, call in enumerate(calls[:end]) if call[0] != "sync"]
    assert all(last[folder] > renamed[-1] for folder in folders)
    assert ("sync", str(store.parent)) in calls[end:]


@pytest.mark.parametrize("codec", ["native", "zstd"])
def test_everything_is_synced_before_the_rename(traced, sample, tmp_path, codec):
    store = tmp_path / "new" / "x.zarr"
    calls = traced("tile", sample, "-o", store, "--tile-size", "512", "--codec", codec, "--durable")
    check(calls, store)
    assert ("sync", str(tmp_path)) in calls  # where the folder `new` was made


class Interrupted(Exception):  # noqa: N818  no error: a test's way to stop
    """Stops a run."""


def test_what_an_interrupted_run_has_left_is_synced_too(traced, sample, tmp_path):
    store = tmp_path / "x.zarr"

    def stop(progress):
        if progress.shards_done >= 4:
            raise Interrupted

    recipe = st.Recipe(codec="zstd", tile=st.TileSpec(size=512))
    with pytest.raises(Interrupted):
        st.tile_slide(sample, store, recipe, on_progress=stop)
    calls = traced(
        "tile", sample, "-o", store, "--tile-size", "512", "--codec", "zstd", "--durable"
    )
    check(calls, store)


def test_batch_is_durable_as_well(traced, sample, tmp_path):
    calls = traced("batch", sample, "-o", tmp_path / "out", "--durable")
    check(calls, tmp_path / "out" / "sample.zarr")


def test_without_it_nothing_is_synced(traced, sample, tmp_path):
    calls = traced("tile", sample, "-o", tmp_path / "x.zarr")
    assert [call for call in calls if call[0] == "sync"] == []


def test_the_bytes_are_the_same(sample, tmp_path, tree):
    for durable in (False, True):
        st.tile_slide(
            sample, tmp_path / f"{durable}.zarr", options=st.WriteOptions(durable=durable)
        )
    assert tree(tmp_path / "True.zarr") == tree(tmp_path / "False.zarr")

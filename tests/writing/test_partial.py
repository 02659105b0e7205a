"""An unfinished store: one run at a time writes it, and it is finished once."""

import signal
import subprocess
import sys
import threading

import numpy as np
import pytest
from claims import QUICK, hold_elsewhere
from patience import wait_until

import slidetile as st
from slidetile.writing.partial import PartialFolder


def test_one_that_was_taken_over_writes_and_renames_nothing_more(tmp_path):
    store = tmp_path / "x.zarr"
    with PartialFolder(store, times=QUICK) as folder:
        folder.write("zarr.json", [b"{}"])
        hold_elsewhere(tmp_path / "x.zarr.owner", silent_s=0)
        wait_until(lambda: folder._claim._is_lost)
        with pytest.raises(st.StoreBusyError, match="may no longer write"):
            folder.write("b", [b"b"])
        with pytest.raises(st.StoreBusyError):
            folder.finish()
        with pytest.raises(st.StoreBusyError):
            folder.discard()
    assert not store.exists()
    assert [path.name for path in folder.path.iterdir()] == ["zarr.json"]


def test_a_store_finished_by_another_meanwhile_is_not_replaced(tmp_path):
    store = tmp_path / "x.zarr"
    with PartialFolder(store) as folder:
        folder.write("zarr.json", [b"{}"])
        store.mkdir()
        with pytest.raises(st.StoreExistsError):
            folder.finish()
    assert list(store.iterdir()) == []


@pytest.fixture
def slide():
    return st.ArraySlide(np.random.default_rng(0).integers(0, 255, (2100, 2100, 3), np.uint8))


@pytest.fixture
def plan(slide):
    spec = st.TileSpec(size=512, min_tissue_fraction=0)
    return st.plan_tiles(slide, st.find_tissue(slide), spec)


@pytest.mark.parametrize("error", [ZeroDivisionError, KeyboardInterrupt])
def test_a_run_that_ends_in_an_error_lets_the_next_one_continue(tmp_path, slide, plan, error):
    def fail(progress):
        if progress.shards_done:
            raise error

    before = set(threading.enumerate())
    with pytest.raises(error):
        st.write_tiles(slide, plan, tmp_path / "x.zarr", on_progress=fail)
    assert [path.name for path in tmp_path.iterdir()] == ["x.zarr.partial"]
    wait_until(lambda: {t.name for t in set(threading.enumerate()) - before} <= {"slidetile_claim"})
    st.write_tiles(slide, plan, tmp_path / "x.zarr")
    assert [path.name for path in tmp_path.iterdir()] == ["x.zarr"]


@pytest.mark.parametrize("existing", ["continue", "restart", "overwrite"])
def test_two_threads_cannot_write_one_store(tmp_path, slide, plan, existing):
    path = tmp_path / "x.zarr"
    seen = []

    def again(_):
        if not seen:
            seen.append(sorted((tmp_path / "x.zarr.partial").rglob("*")))
            with pytest.raises(st.StoreBusyError, match="this process: wait"):
                st.write_tiles(slide, plan, path, options=st.WriteOptions(existing=existing))
            assert sorted((tmp_path / "x.zarr.partial").rglob("*")) >= seen[0]

    store = st.write_tiles(slide, plan, path, on_progress=again)
    assert len(store) == len(plan)


def test_the_second_command_says_who_is_at_it(command, sample, tree, tmp_path):
    out, partial = tmp_path / "x.zarr", tmp_path / "x.zarr.partial"
    program = "from slidetile.cli.commands import main; main()"
    arguments = ["tile", sample, "-o", out, "--tile-size", "256", "--codec", "zstd"]
    first = subprocess.Popen(
        [sys.executable, "-c", program, *arguments], stdout=subprocess.DEVNULL, text=True
    )
    wait_until((partial / "unfinished.json").exists)
    first.send_signal(signal.SIGSTOP)
    held = tree(partial)
    for more in ([], ["--restart"]):
        second = command(*arguments, *more)
        assert second.exit_code == 1
        assert second.stderr.startswith(f"error: {out} is being written by process {first.pid} on ")
    assert tree(partial) == held
    first.send_signal(signal.SIGCONT)
    assert first.wait(timeout=60) == 0
    recipe = st.Recipe(tile=st.TileSpec(size=256), codec="zstd")
    assert tree(out) == tree(st.tile_slide(sample, tmp_path / "y.zarr", recipe).path)
    assert not list(tmp_path.glob("*.owner*"))

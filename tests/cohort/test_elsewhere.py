"""Slides that another run is tiling: waited for, and not failed."""

import json
import logging
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
from batches import tile_here
from patience import PATIENCE_S, wait_until

import slidetile as st
from slidetile.format.names import owner_path
from slidetile.runtime.claim import Claim

SMALL = st.Recipe(tile=st.TileSpec(size=512))
PROGRAM = [sys.executable, "-c", "from slidetile.cli.commands import main; main()"]


@pytest.fixture
def held(tmp_path):
    """The claim of a run that is tiling the sample."""
    store = tmp_path / "out" / "sample.zarr"
    store.parent.mkdir()
    claim = Claim(owner_path(store))
    yield claim
    claim.release()


@pytest.mark.parametrize("processes", [0, 1])
def test_a_slide_that_another_run_gives_up_is_tiled(held, sample, tmp_path, caplog, processes):
    other = shutil.copy(sample, tmp_path / "other.svs")
    seen = []
    with ThreadPoolExecutor(1) as pool, caplog.at_level(logging.WARNING):
        run = pool.submit(
            *(tile_here, [sample, other], tmp_path / "out", SMALL),
            processes=processes,
            on_result=lambda result: seen.append(result.key),
        )
        wait_until(lambda: "another run is tiling" in caplog.text)
        assert seen == ["other"]  # nothing waited for it
        held.release()
        results = run.result(PATIENCE_S).results
    assert [(each.key, each.status, each.attempts, each.log) for each in results] == [
        ("sample", "ok", 1, None),
        ("other", "ok", 1, None),
    ]
    assert "waited for: 1, such as" in caplog.text
    assert [each["status"] for each in st.read_slides(tmp_path / "out").to_pylist()] == ["ok"] * 2


def test_a_slide_that_another_run_has_finished_is_already_done(held, sample, tmp_path, caplog):
    out = tmp_path / "out"
    elsewhere = st.tile_slide(sample, tmp_path / "elsewhere.zarr", SMALL)
    with ThreadPoolExecutor(1) as pool, caplog.at_level(logging.WARNING):
        run = pool.submit(tile_here, [sample], out, SMALL)
        wait_until(lambda: "another run is tiling" in caplog.text)
        elsewhere.path.rename(out / "sample.zarr")
        held.release()
        (result,) = run.result(PATIENCE_S).results
    assert result.status == "already done"


@pytest.mark.slow
def test_two_runs_of_the_very_same_slides_both_end_well(long_slide, sample, tmp_path):
    slides, out = tmp_path / "slides", tmp_path / "out"
    slides.mkdir()
    shutil.copy(sample, slides / "a.svs")
    for name in "bcd":
        (slides / f"{name}.svs").symlink_to(long_slide)
    line = [*PROGRAM, "batch", slides, "-o", out, "--codec", "zstd", "--processes", "1", "--json"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    both = [subprocess.Popen(list(map(str, line)), **pipes) for _ in range(2)]
    told = [process.communicate(timeout=2 * PATIENCE_S) for process in both]
    assert [process.returncode for process in both] == [0, 0]
    rows = [json.loads(text)["slides"] for text, _ in told]
    for first, second in zip(*rows, strict=True):
        assert {first["status"], second["status"]} == {"ok", "already done"}
    for key in "abcd":
        assert not st.verify_store(out / f"{key}.zarr")


def test_a_store_that_another_run_finishes_meanwhile_is_done(sample, tmp_path):
    """The other one is done between the look at what is there and the claim."""
    out = tmp_path / "one.zarr"

    def meanwhile(_):
        if not out.exists():
            st.tile_slide(sample, out)

    store = st.tile_slide(sample, out, on_plan=meanwhile)
    assert store.path == out
    with pytest.raises(st.OutdatedStoreError, match="with other settings"):
        st.tile_slide(sample, out, st.Recipe(codec="zstd"), on_plan=meanwhile)
    other = tmp_path / "two.zarr"

    def differently(_):
        st.tile_slide(sample, other, st.Recipe(codec="jpeg"))

    with pytest.raises(st.OutdatedStoreError, match="with other settings"):
        st.tile_slide(sample, other, on_plan=differently)

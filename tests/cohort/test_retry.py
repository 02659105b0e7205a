"""What is tried again, and what is not; what the machine has room for; parts of an array."""

import errno
import logging
import os
import shutil
import signal

import pytest
from batches import tile_here
from hypothesis import given
from hypothesis import strategies as some

import slidetile as st
from slidetile.cohort.part import Part
from slidetile.cohort.retry import may_pass
from slidetile.cohort.sizing import Sizing
from slidetile.runtime.processes import ProcessDiedError

SMALL = st.Recipe(tile=st.TileSpec(size=512))


def caused(error, cause):
    error.__cause__ = cause
    return error


PASSING = [
    OSError(errno.EIO, "Input/output error"),
    OSError(errno.ESTALE, "Stale file handle"),
    TimeoutError(errno.ETIMEDOUT, "Connection timed out"),
    ProcessDiedError("its process died of signal 9"),
    st.StoreBusyError("another"),
    caused(st.SlideReadError("could not be read"), OSError(errno.EIO, "Input/output error")),
]
LASTING = [
    FileNotFoundError(errno.ENOENT, "No such file"),
    PermissionError(errno.EACCES, "Permission denied"),
    OSError(errno.ENOSPC, "No space left on device"),
    st.UnsupportedSlideError("no such format"),
    st.SlideReadError("does not exist"),
    TimeoutError("it took longer than 5 s"),
    MemoryError("too much"),
    ZeroDivisionError("a bug"),
]


@pytest.mark.parametrize("error", PASSING, ids=str)
def test_what_may_pass(error):
    assert may_pass(error)


@pytest.mark.parametrize("error", LASTING, ids=str)
def test_what_cannot_pass(error):
    assert not may_pass(error)


def test_an_error_that_is_its_own_cause_ends_the_search():
    error, other = ValueError("a"), ValueError("b")
    error.__context__, other.__context__ = other, error
    assert not may_pass(error)


DETECTOR = """
import errno, os, signal
from pathlib import Path

HERE = Path(__file__).parent

def times():
    with (HERE / "tries").open("a") as file:
        file.write("x")
    return len((HERE / "tries").read_text())

def io_error(image):
    if times() < 3:
        raise OSError(errno.EIO, "Input/output error")
    return image[..., 0] < 200

def killed(image):
    if times() < 2:
        os.kill(os.getpid(), signal.SIGKILL)
    return image[..., 0] < 200

def bug(image):
    times()
    raise ValueError("a bug")

def hungry(image):
    held = bytearray(900 << 20)
    for place in range(0, len(held), 4096):
        held[place] = 1
    return image[..., 0] < 200
"""


@pytest.fixture
def tried(tmp_path, monkeypatch):
    """A module of detectors that fail at first, and what tells how often they were called."""
    (tmp_path / "failing_detectors.py").write_text(DETECTOR)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(__import__("sys").modules, "failing_detectors", raising=False)

    def count():
        return len((tmp_path / "tries").read_text())

    return count


def test_a_failure_that_passes_is_tried_again(sample, tried, tmp_path, caplog):
    from failing_detectors import io_error

    recipe = st.Recipe(tile=SMALL.tile, detector=io_error)
    seen = []
    with caplog.at_level(logging.WARNING):
        report = tile_here([sample], tmp_path / "o", recipe, retries=2, on_result=seen.append)
    (result,) = report.results
    assert (result.status, result.attempts, tried()) == ("ok", 3, 3)
    assert seen == [result]
    assert caplog.text.count("failed and is tried again: Input/output error") == 2
    assert st.read_slides(tmp_path / "o")["attempts"].to_pylist() == [3]


def test_it_is_tried_no_more_often_than_asked_for(sample, tried, tmp_path):
    from failing_detectors import io_error

    recipe = st.Recipe(tile=SMALL.tile, detector=io_error)
    (result,) = tile_here([sample], tmp_path / "o", recipe, retries=1).results
    assert (result.status, result.attempts, tried()) == ("failed", 2, 2)
    (result,) = tile_here([sample], tmp_path / "o", recipe).results  # the next run tries anyway
    assert result.status == "ok"


def test_what_cannot_pass_is_not_tried_again(sample, tried, tmp_path):
    from failing_detectors import bug

    recipe = st.Recipe(tile=SMALL.tile, detector=bug)
    report = tile_here([sample, tmp_path / "none.svs"], tmp_path / "o", recipe, retries=5)
    assert [result.attempts for result in report.results] == [1, 1]
    assert tried() == 1


@pytest.mark.usefixtures("tried")
def test_a_killed_process_is_tried_again_after_the_others(sample, tmp_path):
    from failing_detectors import killed

    other = tmp_path / "z.svs"
    shutil.copy(sample, other)
    order = []
    recipe = st.Recipe(tile=SMALL.tile, detector=killed)
    report = st.tile_slides(
        *([sample, other], tmp_path / "o", recipe),
        processes=1,
        retries=1,
        on_result=lambda result: order.append(result.key),
    )
    assert [result.status for result in report.results] == ["ok", "ok"]
    assert [result.attempts for result in report.results] == [2, 1]
    assert order == ["z", "sample"]
    assert signal.SIGKILL == 9


@pytest.mark.slow
@pytest.mark.usefixtures("tried")
def test_a_slide_that_holds_more_than_its_share_ends_alone(sample, tmp_path):
    from failing_detectors import hungry

    other = tmp_path / "z.svs"
    other.write_text("no slide")
    recipe = st.Recipe(tile=SMALL.tile, detector=hungry)
    options = st.WriteOptions(memory_bytes=512 << 20)
    report = st.tile_slides([sample, other], tmp_path / "o", recipe, processes=1, options=options)
    bad, _ = report.results
    assert (bad.status, bad.error_type) == ("failed", "MemoryError")
    assert "more than the 671 MB of its share, so it was ended" in bad.reason
    assert not (tmp_path / "o" / "sample.zarr").exists()


def sizing(cores, gigabytes, **more):
    return Sizing(cores=cores, available_bytes=int(gigabytes * 1e9), **more)


def test_slides_at_once_are_what_memory_and_cores_allow():
    assert sizing(8, 100).slides_at_once() == 8
    assert sizing(8, 10).slides_at_once() == 2  # 10 × 0.7 ÷ (3 × 1.07)
    assert sizing(8, 0.1).slides_at_once() == 1
    assert sizing(8, 0.1, processes=5).slides_at_once() == 5


def test_the_measured_peak_of_a_slide_decides():
    machine = sizing(16, 24)
    machine.measured(None)
    assert machine.slides_at_once() == 5
    machine.measured(400_000_000)
    assert machine.slides_at_once() == 14  # 24 × 0.7 ÷ 1.2
    machine.measured(2_000_000_000)
    assert machine.slides_at_once() == 2
    machine.measured(100_000_000)  # the largest counts
    assert machine.slides_at_once() == 2
    assert (machine.workers(), machine.share_bytes()) == (8, 12_000_000_000)


@given(
    cores=some.integers(1, 500),
    available=some.integers(1, 10**13),
    peak=some.integers(1, 10**12),
)
def test_shares_never_exceed_what_there_is(cores, available, peak):
    machine = Sizing(cores=cores, available_bytes=available)
    machine.measured(peak)
    at_once = machine.slides_at_once()
    assert 1 <= at_once <= cores
    assert at_once * machine.share_bytes() <= max(available, at_once)
    assert at_once == 1 or 3 * peak * at_once <= 0.7 * available
    assert 1 <= machine.workers() * at_once <= max(cores, at_once)


@given(keys=some.sets(some.text(min_size=1), max_size=50), count=some.integers(1, 40))
def test_each_slide_is_in_one_part(keys, count):
    parts = [Part(number, count) for number in range(1, count + 1)]
    for key in keys:
        assert sum(part.has(key) for part in parts) == 1


@pytest.mark.parametrize("text", ["0/4", "5/4", "1/0", "x", "1", "1/4/2", "-1/4", "1/1000000"])
def test_what_is_no_part(text):
    with pytest.raises(ValueError, match="part"):
        Part.parse(text)
    assert str(Part.parse(" 3/16 ")) == "3/16"


def test_parts_side_by_side_make_what_one_run_makes(sample, tree, tmp_path):
    slides = tmp_path / "slides"
    slides.mkdir()
    for name in "abcdef":
        os.link(sample, slides / f"{name}.svs")
    reports = [
        tile_here([slides], tmp_path / "parts", SMALL, part=f"{number}/3") for number in (1, 2, 3)
    ]
    whole = tile_here([slides], tmp_path / "whole", SMALL)
    keys = [sorted(result.key for result in report.results) for report in reports]
    assert sorted(key for part in keys for key in part) == list("abcdef")
    assert max(map(len, keys)) < 6
    for name in "abcdef":
        assert tree(tmp_path / "parts" / f"{name}.zarr") == tree(
            tmp_path / "whole" / f"{name}.zarr"
        )
    assert st.read_slides(tmp_path / "parts")["key"].to_pylist() == list("abcdef")
    assert len(whole.results) == 6


def test_a_part_without_slides_is_no_failure(cli, sample, tmp_path):
    codes = {cli("batch", sample, "-o", tmp_path, "--part", f"{n}/3").exit_code for n in (1, 2, 3)}
    assert codes == {0}
    assert cli("batch", sample, "-o", tmp_path, "--part", "4/3").exit_code == 2

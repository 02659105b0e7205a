"""Code that is not ours: it neither ends the process nor moves it."""

import os
import shutil
import sys
from pathlib import Path

import pytest

from slidetile.runtime.foreign import ForeignExitError, folder_kept, foreign


@pytest.mark.parametrize("wanted", [SystemExit(0), SystemExit("bye"), GeneratorExit()])
def test_what_would_end_the_program_becomes_an_error(wanted):
    match = "The detector x wanted to end the program"
    with pytest.raises(ForeignExitError, match=match), foreign("The detector x"):
        raise wanted


@pytest.mark.parametrize("kind", [ValueError, KeyboardInterrupt])
def test_errors_and_interrupts_stay_what_they_are(kind):
    with pytest.raises(kind), foreign("The detector x"):
        raise kind


def test_exits_by_name():
    with pytest.raises(ForeignExitError, match="SystemExit: 3"), foreign("It"):
        sys.exit(3)


def test_the_folder_is_kept(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    gone = tmp_path / "gone"
    gone.mkdir()
    with folder_kept():
        os.chdir(gone)
        gone.rmdir()
    assert Path.cwd() == tmp_path
    with pytest.raises(FileNotFoundError), folder_kept():
        _move_and_fail()
    assert Path.cwd() == tmp_path


def _move_and_fail():
    os.chdir("/")
    os.chdir("/nowhere")


def test_a_folder_that_is_gone_is_no_hindrance(tmp_path, monkeypatch):
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    shutil.rmtree(gone)
    with folder_kept():
        os.chdir(tmp_path)
    monkeypatch.chdir(tmp_path)

"""A file as memory of one's own."""

import os
import signal
import subprocess
import sys

import pytest

from slidetile.runtime.maps import private_map


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"slide" * 2000)
    return path


def mapped(path):
    file = os.open(path, os.O_RDONLY)
    try:
        return private_map(file)
    finally:
        os.close(file)


def test_what_is_written_stays_in_memory(path):
    first, second = mapped(path), mapped(path)
    first[:5] = b"other"
    assert bytes(second) == path.read_bytes() == b"slide" * 2000
    assert first[:10] == b"otherslide"


def test_it_outlives_the_file(path):
    held = mapped(path)
    path.unlink()
    assert held[-5:] == b"slide"


def test_what_cannot_be_mapped_is_none(path):
    path.write_bytes(b"")
    assert mapped(path) is None
    ends = os.pipe()
    try:
        assert private_map(ends[0]) is None
    finally:
        for end in ends:
            os.close(end)


CUT = """
import os, sys
from slidetile.runtime.maps import private_map

file = os.open(sys.argv[1], os.O_RDWR)
held = private_map(file)
os.truncate(file, 0)
print("cut", flush=True)
held[0]
print("never")
"""


def test_a_file_that_is_cut_under_it_ends_the_process(path):
    """The reason why nothing maps a slide: no Python code hears of it."""
    line = [sys.executable, "-c", CUT, str(path)]
    done = subprocess.run(line, check=False, capture_output=True, text=True)
    assert done.stdout == "cut\n"
    assert -done.returncode in (signal.SIGBUS, signal.SIGSEGV)

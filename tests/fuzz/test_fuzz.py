"""Two thousand mutants of slides, stores and region files: none crashes, lies, or takes too much.

`make fuzz` reads a hundred thousand.
"""

import subprocess
import sys

import pytest
from fuzz import odd, seeds, tiffs
from paths import ROOT


@pytest.mark.slow
def test_two_thousand_inputs(tmp_path):
    command = [sys.executable, "-m", "fuzz", "--inputs", "2000", "--keep", tmp_path / "kept"]
    run = subprocess.run(
        [*map(str, command), "--processes", "2"],
        cwd=ROOT / "tests",
        check=False,
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stdout + run.stderr


def test_inputs_are_the_same_each_time(tmp_path):
    seeds.make_seeds(tmp_path / "a")
    seeds.make_seeds(tmp_path / "b")
    first, second = ((tmp_path / name / "slides" / "aperio.svs") for name in "ab")
    assert first.read_bytes() == second.read_bytes()
    changed = [tiffs.mutate(odd.Random(f"slide {n}"), first.read_bytes()) for n in (1, 1, 2)]
    assert changed[0] == changed[1] != changed[2]


def test_a_finding_is_reported(tmp_path):
    """A judge that raises, one that dies and one that takes too much: each is a finding."""
    broken = tmp_path / "fuzz_broken.py"
    broken.write_text(
        "import os, sys, fuzz.judges as judges\n"
        "class Broken:\n"
        "    def __init__(self, folder): pass\n"
        "    def judge(self, number, folder, mark):\n"
        "        if number == 0: raise KeyError('x')\n"
        "        if number == 1: os.abort()\n"
        "        if number == 2: bytearray(3 << 30)\n"
        "        return judges.RIGHT\n"
        "judges.KINDS['slide'] = Broken\n"
        "from fuzz.worker import main\n"
        "from pathlib import Path\n"
        "main('slide', int(sys.argv[1]), 4, 1, Path(), Path(sys.argv[2]))\n"
    )
    told = [
        subprocess.run(
            [sys.executable, broken, str(first), str(tmp_path / "own")],
            env={"PYTHONPATH": str(ROOT / "tests"), "PATH": "/usr/bin:/bin"},
            check=False,
            capture_output=True,
            text=True,
        )
        for first in (0, 2)
    ]
    assert "end FINDING KeyError" in told[0].stdout
    assert told[0].returncode < 0
    assert told[0].stdout.endswith("begin 1\n")
    assert "end FINDING more than 1024 MB" in told[1].stdout
    assert told[1].stdout.endswith("end right\n")

"""What the table of programs says of those that are light: it is tried again.

`make programs` writes the table, of all programs; here are those that lie beside the tests.
"""

import hashlib
import json
import shutil
import subprocess
import sys
from functools import cache

import numpy as np
import pytest
from paths import ROOT
from served_stores import CODECS
from serving_process import served

import slidetile as st

PROGRAMS = ROOT / "tests/programs"
READERS = {
    "zarr-python": [sys.executable, PROGRAMS / "readers.py", "zarr_python"],
    "tensorstore": [sys.executable, PROGRAMS / "readers.py", "tensorstore"],
    "zarrs": [sys.executable, PROGRAMS / "readers.py", "zarrs"],
    "zarrita.js": ["node", PROGRAMS / "readers.mjs", "zarrita"],
}
DISK = ("zstd", "raw", "native", "jpeg", "jxl", "named")


@pytest.fixture(scope="module")
def stores(folder, tmp_path_factory):
    place = tmp_path_factory.mktemp("programs")
    for codec in CODECS:
        shutil.copytree(folder / f"{codec}.zarr", place / f"{codec}.zarr")
    shutil.copytree(folder / "native.zarr", place / "named.zarr")
    st.rename_codec(place / "named.zarr")
    return place


@cache
def sums(path):
    store = st.open_store(path)
    whole = st.Region(x=0, y=0, width=store.levels[0].width, height=store.levels[0].height)
    arrays = np.moveaxis(store.read_region(whole), -1, 0), store.tissue
    return [hashlib.sha256(np.ascontiguousarray(each)).hexdigest() for each in arrays]


def row(program):
    text = (ROOT / "docs/how-to/other-programs.md").read_text()
    (line,) = (each for each in text.splitlines() if each.startswith(f"| {program}"))
    return [cell.strip() for cell in line.strip("| ").split("|")][1:]


@pytest.mark.slow
@pytest.mark.parametrize("program", READERS)
def test_the_table_says_what_a_program_reads(stores, program):
    if program == "zarrita.js" and not (PROGRAMS / "node_modules").exists():
        pytest.skip("zarrita.js is not here: make programs installs it")
    with served(stores) as told:
        addresses = [told["address"] + f"{codec}.zarr" for codec in CODECS]
        places = [*(stores / f"{codec}.zarr" for codec in DISK), *addresses]
        done = subprocess.run(
            [*READERS[program], *places], capture_output=True, text=True, check=True
        )
    found = [json.loads(each) for each in done.stdout.splitlines()]
    *disk, over, labels = row(program)
    expected = [*disk, *[over] * len(CODECS)]
    for place, facts, cell in zip(places, found, expected, strict=True):
        opens = [facts.get("image"), facts.get("tissue")] == sums(
            stores / str(place).rpartition("/")[2]
        )
        assert opens == (cell in ("yes", "with slidetile")), (place, facts)
        assert opens or "error" in facts
    assert labels == "yes"

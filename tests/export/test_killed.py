"""An export that is killed at any of its steps: what comes next needs no hands.

The steps are those that change names: Python tells of each before it is done. A process of one
thread makes a process for each kill, and for each run after it.
"""

import json
import subprocess
import sys

import pytest

import slidetile as st

SCRIPT = """
import os, shutil, sys, traceback
from pathlib import Path
import slidetile as st
import slidetile.export.dicom.write, slidetile.export.ome_tiff.write, slidetile.export.shards
import slidetile.export.samples, slidetile.export.placed_windows, pydicom, imagecodecs, pyarrow

STEPS = {"os.rename", "os.remove", "os.rmdir", "os.mkdir", "shutil.rmtree"}
store, folder, kind, every = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3], int(sys.argv[4])
MINE, OTHER = {
    "webdataset": (
        {"size": 512, "shard_bytes": 1},
        {"size": 256, "shard_bytes": 90_000},
    ),
    "ome-tiff": ({}, {"anonymous": True}),
    "dicom": ({}, {"anonymous": True}),
}[kind]
SPEC = {
    "webdataset": st.WebdatasetExport, "ome-tiff": st.OmeTiffExport, "dicom": st.DicomExport,
}[kind]


def export(place, choices, *, stop=None, **more):
    seen = 0

    def hook(event, details):
        nonlocal seen
        if event in STEPS and str(folder) in str(details[0]):
            seen += 1
            if seen == stop:
                os._exit(9)

    sys.addaudithook(hook)
    st.export_store(st.open_store(store), place, SPEC(**choices, **more), workers=1)


def run(place, choices, **more):
    # what a run ends with: 9 if it is killed, 7 if it is refused
    child = os.fork()
    if not child:
        try:
            export(place, choices, **more)
            os._exit(0)
        except FileExistsError:
            os._exit(7)
        except BaseException:
            traceback.print_exc()
            os._exit(1)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def tree(place):
    if place.is_file():
        return place.read_bytes()
    found = [p for p in place.rglob("*") if p.is_file() and ".unfinished" not in str(p)]
    return {str(p.relative_to(place)): p.read_bytes() for p in found}


def left(place):
    # all that is there, but for the place itself
    beside = [p.name for p in place.parent.iterdir() if p != place]
    found = [*place.glob("*.unfinished"), *place.rglob("*.tmp")]
    return beside + [p.name for p in found]


def expect(found, what):
    if not found:
        raise SystemExit(f"killed at step {step}: {what}")


for name, choices in (("mine", MINE), ("other", OTHER)):
    assert run(folder / "whole" / name, choices) == 0
mine, other = (tree(folder / "whole" / name) for name in ("mine", "other"))
assert mine != other
step, is_killed = 1 - every, True
while is_killed:
    step += every
    before = folder / str(step)
    place = before / "continued" / "out"
    is_killed = run(place, MINE, stop=step) == 9
    for name in ("restarted", "replaced"):
        if place.parent.exists():
            shutil.copytree(place.parent, before / name)
    has_it = bool(place.exists() and tree(place))
    ended = run(place, MINE)
    is_refused = ended == 7 and kind != "webdataset" and has_it  # it is finished
    expect(ended == 0 or is_refused, f"the same command ends with {ended}")
    expect(tree(place) == mine, "the same command has other bytes")
    expect(not left(place), f"it leaves {left(place)}")
    place = before / "restarted" / "out"
    had = place.exists() and tree(place)
    ended = run(place, OTHER, existing="restart")
    if ended == 7:
        expect(had and had == tree(place), "what is finished is gone")
    expect(ended in (0, 7), f"--restart ends with {ended}")
    expect(ended == 7 or tree(place) == other, "--restart has other bytes")
    place = before / "replaced" / "out"
    expect(run(place, OTHER, existing="overwrite") == 0, "--overwrite fails")
    expect(tree(place) == other, "--overwrite has other bytes")
    expect(not left(place), f"--overwrite leaves {left(place)}")
    # and over what is finished
    place = before / "over" / "out"
    assert run(place, OTHER) == 0
    ended = run(place, MINE, stop=step, existing="overwrite")
    is_killed |= ended == 9
    ended = run(place, MINE, existing="overwrite")
    expect(ended == 0, f"--overwrite over a finished one ends with {ended}")
    expect(tree(place) == mine, "--overwrite over a finished one has other bytes")
    expect(not left(place), f"--overwrite over a finished one leaves {left(place)}")
    shutil.rmtree(before)
print(step)
"""


@pytest.fixture(scope="module")
def small(sample, tmp_path_factory):
    """A store of few chunks."""
    recipe = st.Recipe(codec="jpeg", tile=st.TileSpec(size=512, sample=3))
    return st.tile_slide(sample, tmp_path_factory.mktemp("small") / "a.zarr", recipe).path


def check(store, folder, kind, *, every):
    command = [sys.executable, "-c", SCRIPT, store, folder, kind, str(every)]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) > 10, "the steps are seen"


def test_a_run_after_one_that_was_killed_needs_no_hands(small, tmp_path):
    check(small, tmp_path, "webdataset", every=6)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["webdataset", "ome-tiff", "dicom"])
def test_at_every_step(small, tmp_path, kind):
    check(small, tmp_path, kind, every=1)

"""The inputs of public reports: as the reports' own scripts make them, and made by ours."""

import json
import shutil
import subprocess
import sys
from typing import NamedTuple

import pytest
from cases.made import annotations, slides, surroundings
from paths import SHARED

MAKERS = {**slides.MAKERS, **annotations.MAKERS, **surroundings.MAKERS}


@pytest.fixture(scope="session", params=["report", "ours"])
def made(request, tmp_path_factory):
    """Make a report's input, once: called with its name, return the folder. Read only."""
    folders = {}

    def make(name):
        if name not in folders:
            folder = tmp_path_factory.mktemp(name)
            folders[name] = folder
            _run_script(name, folder) if request.param == "report" else MAKERS[name](folder)
        return folders[name]

    yield make
    for folder in folders.values():
        shutil.rmtree(folder)  # some are gigabytes


def _run_script(name, folder):
    script = SHARED / "cases" / f"{name}.py"
    if not script.is_file():
        pytest.skip(f"the scripts that recreate public reports are not here ({script.parent})")
    done = subprocess.run(
        [sys.executable, "-B", script, folder], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.fixture
def run(command):
    """Run the real command, which never ends in a traceback."""

    def run(*arguments, before=()):
        ended = command(*arguments, before=before)
        assert "Traceback" not in ended.stderr, ended.stderr
        return ended

    return run


class Planned(NamedTuple):
    """What `slidetile plan` told."""

    exit_code: int
    stderr: str
    facts: dict
    """As ``--json`` has them; none where it failed."""
    tiles: set
    """(column, row) of each tile."""
    boxes: list
    """(left, top, right, bottom) of each piece of tissue, in level-0 pixels."""


@pytest.fixture
def plan(run, tmp_path):
    """Plan a slide."""
    drawn = tmp_path / "plan.geojson"

    def plan(slide, *options):
        drawn.unlink(missing_ok=True)
        ended = run("plan", slide, "--json", "--geojson", drawn, *options)
        if ended.exit_code:
            return Planned(ended.exit_code, ended.stderr, {}, set(), [])
        features = json.loads(drawn.read_text())["features"]
        tiles = [each["properties"]["measurements"] for each in features if _is_tile(each)]
        return Planned(
            exit_code=0,
            stderr=ended.stderr,
            facts=json.loads(ended.stdout),
            tiles={(tile["column"], tile["row"]) for tile in tiles},
            boxes=[_box(each["geometry"]) for each in features if not _is_tile(each)],
        )

    return plan


def _is_tile(feature):
    return feature["properties"]["objectType"] == "tile"


def _box(geometry):
    """Return the bounds of a piece; what touches by a corner only makes several polygons."""
    polygons = geometry["coordinates"]
    if geometry["type"] == "Polygon":
        polygons = [polygons]
    x, y = zip(*[corner for rings in polygons for corner in rings[0]], strict=True)
    return min(x), min(y), max(x), max(y)

"""A store as a SpatialData object, made and read back where spatialdata is."""

import hashlib
import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from paths import ROOT

import slidetile as st

VIEWERS = ROOT / ".venv-viewers" / "bin" / "python"


def _has_library(python):
    check = "import importlib.util as u, sys; sys.exit(u.find_spec('spatialdata') is None)"
    return python.exists() and not subprocess.run([python, "-c", check], check=False).returncode


@pytest.fixture(scope="module")
def python():
    """A Python with spatialdata: this one, or that of the viewers."""
    if importlib.util.find_spec("spatialdata") is not None:
        return sys.executable
    if _has_library(VIEWERS):
        return VIEWERS
    pytest.skip("spatialdata is not here: pip install 'slidetile[spatial]'")
    return None


@pytest.fixture(scope="module")
def store(sample, tmp_path_factory):
    return st.tile_slide(sample, tmp_path_factory.mktemp("spatial") / "sample.zarr")


@pytest.fixture(scope="module")
def elements(python, store, tmp_path_factory):
    """In a process of its own: the tests' ome_zarr.py hides the package that spatialdata needs."""
    script = Path(__file__).with_name("spatial_elements.py")
    folder = tmp_path_factory.mktemp("written") / "data.zarr"
    done = subprocess.run(
        [python, script, store.path, folder], check=True, capture_output=True, text=True
    )
    return json.loads(done.stdout.partition("ELEMENTS ")[2])


@pytest.fixture(params=["made", "read"])
def facts(request, elements):
    return elements[request.param]


def digest(array):
    return hashlib.sha256(np.ascontiguousarray(array)).hexdigest()


def test_every_level_of_the_image_is_the_stores(facts, store):
    for number, found in enumerate(facts["levels"]):
        grid = store.grid(number)
        region = st.Region(x=0, y=0, width=grid.width, height=grid.height)
        pixels = store.read_level_region(region, level=number)
        assert found == digest(pixels.transpose(2, 0, 1))
    assert facts["channels"] == ["red", "green", "blue"]
    assert facts["steps"] == pytest.approx([1, 4])


def test_the_tissue_is_the_stores(facts, store):
    assert facts["tissue"] == digest(store.tissue)


def test_tiles_lie_where_the_table_has_them(facts, store):
    x, y, width, height = (store.tiles[n].to_numpy() for n in ("x", "y", "width", "height"))
    expected = np.stack([x, y, x + width, y + height], axis=1)
    assert facts["corners"] == expected.tolist()


def test_the_table_has_what_was_measured(facts, store):
    assert facts["ids"] == list(range(len(store)))
    assert facts["fractions"] == store.tiles["tissue_fraction"].to_pylist()
    assert {"tissue_fraction", "mean_red", "laplacian_variance"} <= set(facts["columns"])


def test_pieces_of_tissue_have_a_column_beside_spatialdatas_own(facts, store):
    assert facts["pieces"] == [store.tiles["region"].to_pylist()] * 2
    assert facts["of"] == ["tiles"]


def test_all_elements_lie_on_each_other(facts):
    for system, (width, height) in {"global": (3840, 2560), "micrometers": (1920, 1280)}.items():
        extents = facts["extents"][system]
        assert extents["image"] == extents["tissue"] == pytest.approx([0, width, 0, height])
        left, right, top, bottom = extents["tiles"]
        assert 0 <= left < right <= width
        assert 0 <= top < bottom <= height

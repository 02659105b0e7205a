"""What napari draws of a store of channels: by its own reader, in an environment of its own."""

import hashlib
import json
import subprocess
from pathlib import Path

import numpy as np
import pytest
from channel_files import signal
from paths import ROOT

import slidetile as st
from slidetile.raster.channels import Channel

PYTHON = ROOT / ".venv-viewers" / "bin" / "python"
CHANNELS = (
    Channel(name="DAPI", colour=(0, 0, 255), window=(100, 3000)),
    Channel(name="CD3", colour=(255, 128, 0)),
)
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not PYTHON.exists(), reason="napari is not here: make test-all installs it"),
]


def layer_of(slide, path):
    plan = st.plan_tiles(slide, st.find_tissue(slide), st.TileSpec(size=256, min_tissue_fraction=0))
    store = st.write_tiles(slide, plan, path)
    script = Path(__file__).with_name("napari_layers.py")
    done = subprocess.run([PYTHON, script, path], check=True, capture_output=True, text=True)
    drawn = json.loads(done.stdout.partition("LAYER ")[2])
    assert (drawn["kind"], drawn["dtype"]) == ("image", store.dtype)
    expected = np.moveaxis(slide.read_region(slide.bounds), -1, 0)
    assert drawn["sha256"] == hashlib.sha256(np.ascontiguousarray(expected)).hexdigest()
    label = drawn["label"]
    assert (label["kind"], label["name"].rpartition("/")[2]) == ("labels", "tissue")
    assert label["sha256"] == hashlib.sha256(np.ascontiguousarray(store.tissue)).hexdigest()
    assert label["scale"] == [s * 0.5 for s in store.overview_scale]
    assert label["glass"][3] == 0
    return drawn


@pytest.fixture
def slide():
    return st.ArraySlide(
        signal(700, 900, 2), mpp=0.5, background=(0, 0, 0), channels=CHANNELS, name="panel"
    )


def test_channels_are_drawn_in_their_names_colours_and_windows(slide, tmp_path):
    drawn = layer_of(slide, tmp_path / "a.zarr")
    assert drawn["name"] == ["panel: DAPI", "panel: CD3"]
    assert (drawn["channel_axis"], drawn["scale"]) == (0, [0.5, 0.5])
    assert drawn["units"] == ["micrometer", "micrometer"]
    np.testing.assert_allclose(drawn["ends"], [(0, 0, 1, 1), (1, 128 / 255, 0, 1)])
    assert drawn["visible"] == [True, True]
    stated, counted = drawn["contrast_limits"]
    assert stated == [100, 3000]
    seen = slide.read_region(slide.bounds)[..., 1]
    assert seen.min() <= counted[0] < counted[1] <= seen.max()


def test_a_store_mapped_onto_8_bits_is_drawn_from_0_to_255(slide, tmp_path):
    drawn = layer_of(st.map_slide(slide, window="200,4000"), tmp_path / "a.zarr")
    assert drawn["contrast_limits"] == [[0, 255], [0, 255]]
    assert drawn["name"] == ["panel: DAPI", "panel: CD3"]

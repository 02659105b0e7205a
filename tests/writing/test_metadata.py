"""What is written can be read again; what could not be is told before any work."""

import json

import numpy as np
import pytest
import tifffile

import slidetile as st
from slidetile.raster.icc import LARGEST_PROFILE_BYTES

ALL = ("--min-tissue-fraction", "0")


@pytest.fixture
def slide(tmp_path):
    """Return a function that makes a slide with a colour profile of a length."""

    def make(profile_bytes):
        path = tmp_path / "s.tiff"
        random = np.random.default_rng(0)
        tifffile.imwrite(
            path,
            random.integers(0, 200, (512, 512, 3), np.uint8),
            tile=(256, 256),
            photometric="rgb",
            iccprofile=random.bytes(profile_bytes),
            metadata=None,
        )
        return path

    return make


@pytest.mark.parametrize("profile_bytes", [3_000, LARGEST_PROFILE_BYTES])
def test_a_profile_comes_back(slide, tmp_path, profile_bytes):
    path = slide(profile_bytes)
    store = st.tile_slide(path, tmp_path / "x.zarr")
    with st.open_slide(path) as opened:
        assert store.icc_profile == opened.icc_profile
        assert len(opened.icc_profile) == profile_bytes


@pytest.mark.parametrize("profile_bytes", [LARGEST_PROFILE_BYTES + 1, 13_000_000])
def test_a_profile_that_is_too_large_is_left_out_with_a_word(cli, slide, tmp_path, profile_bytes):
    result = cli("tile", slide(profile_bytes), "-o", tmp_path / "x.zarr", *ALL)
    assert result.exit_code == 0, result.stderr
    (told,) = [line for line in result.stderr.splitlines() if "profile" in line]
    assert f"colour profile of {profile_bytes / 1e6:.1f} MB is left out" in told
    store = st.open_store(tmp_path / "x.zarr")
    assert store.icc_profile is None
    assert store[0].any()
    assert json.loads(cli("info", store.path, "--json").stdout)["tiles"] == 1
    assert st.verify_store(store.path, deep=True) == ()


class Wordy:
    """A detector with parameters that no reader accepts."""

    def __init__(self, text):
        self.text = text

    @property
    def parameters(self):
        return {"name": "wordy", "text": self.text}

    def __call__(self, image):
        return np.ones(image.shape[:2], np.bool_)


def test_parameters_that_could_not_be_read_again_are_told_before_any_work(slide, tmp_path):
    recipe = st.Recipe(detector=Wordy("x" * (1 << 24)))
    with pytest.raises((ValueError, st.StoreError), match=r"at most|could not be opened"):
        st.tile_slide(slide(3_000), tmp_path / "x.zarr", recipe)
    assert [path.name for path in tmp_path.iterdir()] == ["s.tiff"]

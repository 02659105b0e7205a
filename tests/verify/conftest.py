"""Stores of each codec, and copies of them to be changed."""

import shutil
from pathlib import Path

import pytest
from known_tissue import drawn
from paths import SAMPLE
from tampering import CODECS, plan_of, small_slide

import slidetile as st


@pytest.fixture(scope="session")
def intact(made_once):
    """One store of each codec, never changed."""

    def write(folder):
        recipe = st.Recipe(tile=st.TileSpec(size=512), detector=drawn)
        st.tile_slide(SAMPLE, folder / "native.zarr", recipe)
        slide = small_slide()
        for codec in CODECS[1:]:
            st.write_tiles(slide, plan_of(slide), folder / f"{codec}.zarr", codec=codec)

    return made_once("intact", write)


@pytest.fixture
def copied(intact, tmp_path):
    """Copy the store of a codec, to be changed."""
    return lambda codec: Path(shutil.copytree(intact / f"{codec}.zarr", tmp_path / "s.zarr"))

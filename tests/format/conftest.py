"""Stores of the sample in each codec, of every key, and of a slide whose sides are odd."""

import numpy as np
import pytest
from metadata_stores import write_described
from page_stores import CODECS, interrupt, odd_pixels, write_sample

import slidetile as st


@pytest.fixture(scope="session")
def stores(made_once):
    def write(folder):
        for codec in (*CODECS, "reference"):
            write_sample(folder / f"{codec}.zarr", codec)
        interrupt(folder / "unfinished.zarr", "native")
        (folder / "unfinished.zarr.partial").rename(folder / "unfinished.zarr")

    return made_once("page", write)


@pytest.fixture(scope="session")
def described(made_once):
    """Stores that together hold every key of the metadata."""
    return made_once("described", write_described)


@pytest.fixture(scope="session")
def odd(tmp_path_factory):
    """Stores of a slide whose sides are odd, and not multiples of a chunk."""
    folder = tmp_path_factory.mktemp("odd")
    slide = st.ArraySlide(odd_pixels(), mpp=(0.5, 0.25), background=(240, 230, 220))
    overview = st.read_overview(slide, mpp=8.0)
    mask = np.zeros(overview.image.shape[:2], np.bool_)
    mask[-9:, -20:] = mask[:20, :3] = True  # the bottom right corner, and one far from it
    plan = st.plan_tiles(slide, st.TissueMask.from_mask(mask, overview), st.TileSpec(size=208))
    for codec in CODECS[1:]:
        st.write_tiles(slide, plan, folder / f"{codec}.zarr", codec=codec)
    return folder

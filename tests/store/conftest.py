"""Stores to read windows from."""

import numpy as np
import pytest
from known_tissue import drawn

import slidetile as st

WIDTH, HEIGHT = 1101, 507


@pytest.fixture(scope="session")
def stores(tmp_path_factory):
    """Stores of a small slide, with 1 µm across and 0.5 down, by tile size and edge."""
    folder = tmp_path_factory.mktemp("windows")
    rng = np.random.default_rng(5)
    coarse = rng.integers(0, 256, (32, 69, 3)).astype(np.uint8)
    pixels = coarse.repeat(16, axis=0).repeat(16, axis=1)[:HEIGHT, :WIDTH] ^ rng.integers(
        0, 32, (HEIGHT, WIDTH, 3)
    ).astype(np.uint8)
    slide = st.ArraySlide(pixels, mpp=(1.0, 0.5), background=(240, 250, 230))
    overview = st.read_overview(slide, mpp=8.0)
    mask = np.zeros(overview.image.shape[:2], np.bool_)
    mask[8:, 20:] = mask[:8, :9] = True
    mask[20:24, 30:50] = False
    tissue = st.TissueMask.from_mask(mask, overview)
    return {
        edge: st.write_tiles(
            slide,
            st.plan_tiles(slide, tissue, st.TileSpec(size=size, edge=edge)),
            folder / f"{edge}.zarr",
            codec="zstd",
        )
        for edge, size in (("keep", 96), ("drop", 128), ("shift", 208))
    }


@pytest.fixture(scope="session")
def native(sample, tmp_path_factory):
    path = tmp_path_factory.mktemp("windows") / "native.zarr"
    recipe = st.Recipe(tile=st.TileSpec(size=512), detector=drawn)
    return st.tile_slide(sample, path, recipe)

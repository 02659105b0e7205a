"""Stores whose tiles are measured, and their columns."""

import numpy as np

import slidetile as st
from slidetile.format.table import QUALITY_COLUMNS

COLOURS = QUALITY_COLUMNS[:3]


def written(tmp_path, pixels, *, size=64, mpp=4.0, codec="zstd"):
    """Write all tiles of an image; at 4 µm its own pixels are what is measured."""
    slide = st.ArraySlide(pixels, mpp=mpp)
    tissue = st.find_tissue(slide, detector=lambda image: np.ones(image.shape[:2], np.bool_))
    return st.write_tiles(
        slide,
        st.plan_tiles(slide, tissue, st.TileSpec(size=size)),
        tmp_path / "s.zarr",
        codec=codec,
    )


def values(store, name):
    return store.tiles[name].to_numpy()

"""Levels of a native store whose sides are rounded: windows of them do not drift."""

import numpy as np
import pytest
import tifffile

import slidetile as st
from slidetile.slides import level as slides

FACTOR, LEVELS = 16, (1, 16)
SIDE = 64 * FACTOR * 3 + 15
"""The coarse level has 192 pixels, and the ratio of the sides is 16.08."""


@pytest.fixture
def rounded(tmp_path):
    """Columns as wide as a coarse pixel, light and dark in turn."""
    path = tmp_path / "slide.tif"
    x = np.minimum(np.arange(SIDE) // FACTOR, SIDE // FACTOR - 1)
    columns = np.repeat(60 + x[:, np.newaxis] % 2 * 120, 3, axis=1).astype(np.uint8)
    fine = np.ascontiguousarray(np.broadcast_to(columns, (SIDE, SIDE, 3)))
    with tifffile.TiffWriter(path) as writer:
        for factor in LEVELS:
            side = SIDE // factor
            writer.write(
                np.ascontiguousarray(fine[::factor, ::factor][:side, :side]),
                photometric="rgb",
                compression="jpeg",
                compressionargs={"level": 95},
                tile=(64, 64),
                subfiletype=int(factor > 1),
                resolution=(20_000 / factor,) * 2,
                resolutionunit="CENTIMETER",
                metadata=None,
            )
    return path


def everything(image):
    return np.ones(image.shape[:2], np.bool_)


def write(slide, path):
    recipe = st.Recipe(codec="native", tile=st.TileSpec(size=256), detector=everything)
    st.tile_slide(slide, path, recipe)
    return path


def assert_no_drift(store):
    """Compare the last coarse pixels with the same place of level 0."""
    for place in (0, 100, 188, 191):
        region = st.Region(x=place * FACTOR, y=0, width=FACTOR, height=FACTOR)
        coarse = store.read_region(region, level=1).astype(int)
        assert coarse.shape == (1, 1, 3)
        assert np.abs(coarse[0, 0] - store.read_region(region).mean((0, 1))).max() < 40


def test_a_coarse_window_shows_what_level_0_shows(rounded, tmp_path):
    store = st.open_store(write(rounded, tmp_path / "a.zarr"))
    assert store.levels[1].downsample == (FACTOR, FACTOR)
    assert_no_drift(store)
    with st.open_slide(rounded) as slide:
        assert not st.verify_store(tmp_path / "a.zarr", deep=True, slide=slide)


def test_early_stores_recorded_the_ratio_of_the_sides(rounded, tmp_path, monkeypatch):
    with monkeypatch.context() as early:
        early.setattr(slides, "covered_size", lambda whole, _size: whole)
        path = write(rounded, tmp_path / "a.zarr")
    assert "16.07" in (path / "zarr.json").read_text()
    assert_no_drift(st.open_store(path))
    assert not st.verify_store(path)

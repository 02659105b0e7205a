"""Native tiles that regions cut: decoded once for neighbours, in bounded memory."""

import numpy as np
import pytest
import tifffile

import slidetile as st
from slidetile.slides import blocks
from slidetile.slides.cut_tiles import CutTiles


@pytest.fixture
def slide(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (700, 900, 3), np.uint8)
    path = tmp_path / "slide.tif"
    tifffile.imwrite(
        path, pixels, tile=(240, 240), photometric="rgb", compression="jpeg",
        compressionargs={"level": 90}, resolution=(20000, 20000), resolutionunit="CENTIMETER",
    )  # fmt: skip
    with st.open_slide(path, reader="tiff") as slide:
        yield slide


def test_neighbours_share_the_tiles_they_cut(slide, monkeypatch):
    decoded = []
    decode = blocks.decode_jpeg
    monkeypatch.setattr(blocks, "decode_jpeg", lambda *args: decoded.append(1) or decode(*args))
    whole = slide.read_region(slide.bounds)
    once = len(decoded)
    assert once == 12
    decoded.clear()
    for x in (0, 256, 512):
        for y in (0, 256):
            region = st.Region(x=x, y=y, width=256, height=256)
            np.testing.assert_array_equal(slide.read_region(region), whole[region.slices])
    assert len(decoded) <= once


def test_what_was_used_longest_ago_is_forgotten():
    cut = CutTiles(most_bytes=3 * 300)
    tiles = [np.full((10, 10, 3), value, np.uint8) for value in range(4)]
    for number in range(3):
        cut.put(0, number, tiles[number])
    assert cut.get(0, 0) is tiles[0]
    cut.put(1, 0, tiles[3])
    assert cut.get(0, 1) is None
    assert cut.get(0, 0) is tiles[0]
    assert cut.get(1, 0) is tiles[3]
    cut.put(1, 0, tiles[2])  # two threads decoded it
    assert cut.get(0, 2) is tiles[2]


def test_a_tile_larger_than_all_is_not_kept():
    cut = CutTiles(most_bytes=100)
    cut.put(0, 0, np.zeros((10, 10, 3), np.uint8))
    assert cut.get(0, 0) is None

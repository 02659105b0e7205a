"""Pixels that are not the slide's, or not the average of a finer level's, are found."""

import pytest
import tifffile
from known_tissue import drawn
from paths import SAMPLE
from tampering import CODECS, refit_table, repack, shards, small_slide, told

import slidetile as st


def test_a_pixel_that_differs_from_the_slides_by_one_is_found(copied):
    path = copied("zstd")

    def change(planes):
        planes[1, 5, 9] ^= 1

    repack(path, shards(path)[0], change)
    refit_table(path)
    assert st.verify_store(path) == ()
    place = "1 of its pixels are not the slide's, the first at x 9, y 5 of this level"
    assert st.verify_store(path, slide=small_slide())[0].what == f"chunk 0: {place}"


def test_pixels_outside_the_slide_mean_nothing(copied):
    path = copied("zstd")

    def change(planes):
        planes[:, -1, -1] ^= 255

    repack(path, "0/c/0/1/1", change)
    refit_table(path)
    assert st.verify_store(path, slide=small_slide(), deep=True) == ()


def test_a_coarser_level_that_is_no_halving_is_found_by_looking_deep(copied):
    path = copied("zstd")

    def change(planes):
        planes[2, 3, 4] ^= 1

    repack(path, shards(path, 1)[0], change)
    assert st.verify_store(path) == ()
    assert st.verify_store(path, slide=small_slide()) == ()
    finding = st.Finding("1/c/0/0/0", "chunk 0 is not the halving of level 0")
    assert st.verify_store(path, deep=True) == (finding,)


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("damage", [lambda byte: byte ^ 16, lambda _: 0], ids=["other", "zero"])
def test_a_slide_that_changed_where_its_fingerprint_does_not_look_is_found(tmp_path, codec, damage):
    slide = tmp_path / "long.svs"
    data = bytearray(SAMPLE.read_bytes() + bytes(2 << 20))
    slide.write_bytes(data)
    recipe = st.Recipe(codec=codec, tile=st.TileSpec(size=512), detector=drawn)
    path = st.tile_slide(slide, tmp_path / "s.zarr", recipe).path
    with tifffile.TiffFile(slide) as file:
        page = file.pages.first
        tiles = zip(page.dataoffsets, page.databytecounts, strict=True)
        start, size = max((t for t in tiles if t[0] > 1 << 20), key=lambda tile: tile[1])
    for place in range(start + size // 2, start + size // 2 + 40):
        data[place] = damage(data[place])
    slide.write_bytes(data)
    with st.open_slide(slide) as changed:
        assert changed.source.fingerprint == st.open_store(path).attributes["source"]["fingerprint"]
        found = told(st.verify_store(path, slide=changed))
    assert "of its pixels are not the slide's" in found or "could not be read there" in found

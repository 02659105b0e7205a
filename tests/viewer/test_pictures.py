"""Pictures to zoom into: from any levels, exact where they are stored, marked where damaged."""

import io
import shutil
from itertools import pairwise

import numpy as np
import pytest
from PIL import Image
from tampering import damage_chunk

import slidetile as st
from slidetile.errors import StoreError
from slidetile.runtime.byte_cache import ByteCache
from slidetile.viewer.pictures.encoding import encoded, encoded_exactly, stripes
from slidetile.viewer.pictures.halved_rung import HalvedRung
from slidetile.viewer.pictures.picture import (
    WIDEST_STEP,
    PictureCache,
    overview_picture,
    slide_picture,
    store_picture,
)
from slidetile.viewer.pictures.rungs import DamagedTileError, OverviewRung


def noise(height, width, channels=3, dtype=np.uint8):
    top = np.iinfo(dtype).max
    small = np.random.default_rng(3).integers(0, top, (height // 8 + 1, width // 8 + 1, channels))
    return small.repeat(8, axis=0).repeat(8, axis=1)[:height, :width].astype(dtype)


def means(pixels, factor):
    height, width = (side // factor * factor for side in pixels.shape[:2])
    blocks = pixels[:height, :width].reshape(height // factor, factor, width // factor, factor, -1)
    return blocks.mean(axis=(1, 3))


def whole(picture, number):
    """A level of a picture, pasted together from its tiles' pixels."""
    rung, level = picture.rungs[number], picture.levels[number]
    canvas = None
    for row in range(level.rows):
        for column in range(level.columns):
            pixels = rung.pixels(column, row)
            if canvas is None:
                canvas = np.zeros((level.height, level.width, pixels.shape[2]), np.uint8)
            canvas[level.region(column, row).slices] = pixels
    return canvas


@pytest.mark.parametrize("factors", [(1, 4, 16), (1,), (1, 2, 4), (1, 16)])
def test_any_levels_become_a_ladder_down_to_one_tile(factors):
    finest = noise(2100, 3000)
    levels = [finest[::factor, ::factor] for factor in factors]
    picture = slide_picture(st.ArraySlide(levels, mpp=0.5))
    scales = [level.scale for level in picture.levels]
    assert scales[0] == 1
    assert picture.levels[-1].is_one_tile
    assert all(a < b <= WIDEST_STEP * a for a, b in pairwise(scales))
    assert {round(scale) for scale in scales} >= set(factors)


def test_what_is_between_levels_is_their_mean():
    finest = noise(1536, 2048)
    picture = slide_picture(st.ArraySlide(finest, mpp=0.5))
    assert [level.scale for level in picture.levels] == [1, 2, 4]
    assert np.array_equal(whole(picture, 0), finest)
    assert np.array_equal(whole(picture, 1), np.floor(means(finest, 2) + 0.5))
    assert np.abs(whole(picture, 2) - means(finest, 4)).max() <= 1


def test_an_odd_level_ends_with_its_last_pixel():
    picture = slide_picture(st.ArraySlide(noise(1025, 517), mpp=0.5))
    assert [(level.width, level.height) for level in picture.levels][:2] == [
        (517, 1025),
        (259, 513),
    ]
    halved, finest = whole(picture, 1), whole(picture, 0)
    assert np.array_equal(halved[-1, -1], finest[-1, -1])


@pytest.mark.parametrize("codec", ["native", "jpeg"])
def test_jpeg_chunks_go_out_as_they_are_stored(stores, codec):
    store = st.open_store(stores / f"{codec}.zarr")
    picture = store_picture(store)
    level = picture.levels[0]
    found = 0
    for row in range(level.rows):
        for column in range(level.columns):
            stored = store.read_chunk_bytes(column, row)
            tile = picture.tile(0, column, row)
            if stored is None:
                assert tile is None
                continue
            assert (tile.media_type, tile.data) == ("image/jpeg", stored)
            found += 1
    assert found >= 90 / (1 if codec == "native" else 4)


@pytest.mark.parametrize("codec", ["zstd", "raw"])
def test_other_chunks_become_jpegs_of_their_pixels(stores, codec):
    store = st.open_store(stores / f"{codec}.zarr")
    picture = store_picture(store)
    level = picture.levels[0]
    column, row = level.columns // 4, level.rows // 2
    tile = picture.tile(0, column, row)
    with Image.open(io.BytesIO(tile.data)) as image:
        seen = np.asarray(image).astype(int)
    region = level.region(column, row)
    assert np.abs(seen - store.read_region(region)).mean() < 4
    assert tile is picture.tile(0, column, row)


def test_what_is_not_stored_is_seen_on_the_overview(stores):
    store = st.open_store(stores / "native.zarr")
    picture = store_picture(store)
    assert isinstance(picture.rungs[-1], OverviewRung)
    assert all(isinstance(rung, HalvedRung) for rung in picture.rungs[1:-2:2])
    level = picture.levels[0]
    cells = [(c, r) for r in range(level.rows) for c in range(level.columns)]
    absent = [cell for cell in cells if picture.tile(0, *cell) is None]
    assert absent
    last = len(picture.rungs) - 1
    assert all(picture.tile(last, c, 0) is not None for c in range(picture.levels[-1].columns))


def test_a_damaged_chunk_is_no_glass(store_copy):
    store = st.open_store(store_copy)
    column, row = (int(store.tiles[name][40].as_py()) for name in ("column", "row"))
    damage_chunk(store_copy, column, row)
    picture = store_picture(st.open_store(store_copy))
    with pytest.raises(DamagedTileError, match=f"column {column}, row {row} of .* is damaged"):
        picture.tile(0, column, row)
    halved = picture.rungs[1].pixels(column // 2, row // 2)
    side = picture.levels[0].tile_width // 2
    x, y = column % 2 * side, row % 2 * side
    part = halved[y : y + side, x : x + side]
    red = means(stripes(2 * side, 2 * side), 2)
    assert np.abs(part - red).max() <= 1


def test_a_damaged_block_of_a_slide_is_no_glass(damaged_sample):
    with st.open_slide(damaged_sample) as slide:
        picture = slide_picture(slide)
        level = picture.levels[0]
        cells = [(c, r) for r in range(level.rows) for c in range(level.columns)]
        damaged = []
        for cell in cells:
            try:
                assert picture.tile(0, *cell) is not None
            except DamagedTileError:
                damaged.append(cell)
    assert len(damaged) == 1


def test_a_store_that_was_replaced_is_another_error(store_copy, stores):
    picture = store_picture(st.open_store(store_copy))
    assert picture.tile(0, 3, 3)
    shutil.rmtree(store_copy)
    with pytest.raises(StoreError, match="was deleted or moved"):
        picture.tile(0, 3, 3)
    shutil.copytree(stores / "jpeg.zarr", store_copy)
    with pytest.raises(StoreError, match="was replaced or changed"):
        picture.tile(0, 3, 3)


def test_all_parts_of_a_deep_slide_are_seen_alike():
    deep = noise(1200, 1200, channels=4, dtype=np.uint16)
    deep[:600] //= 4  # alone, it would be seen four times as bright
    slide = st.ArraySlide(deep, mpp=0.5, bits=16)
    picture = slide_picture(slide)
    seen = whole(picture, 0)
    assert seen.shape == (1200, 1200, 3)
    assert seen[:512].mean() < 0.5 * seen[700:].mean()


def test_without_its_slide_the_overview_is_all_there_is(sample):
    with st.open_slide(sample) as slide:
        overview = st.read_overview(slide)
    picture = overview_picture(overview)
    assert np.array_equal(whole(picture, 0), overview.seen)


def test_what_is_not_there_is_told(stores):
    picture = store_picture(st.open_store(stores / "native.zarr"))
    for wrong in ((9, 0, 0), (-1, 0, 0), (0, 999, 0), (0, 0, -1)):
        with pytest.raises(IndexError, match="there is no"):
            picture.tile(*wrong)


def test_a_cache_forgets_what_was_used_longest_ago():
    cache = ByteCache(100)
    for name in "abcd":
        cache.keep(name, name.upper(), 30)
        cache.get("a")
    assert [cache.get(name) for name in "abcd"] == ["A", None, "C", "D"]
    cache.keep("a", "larger", 60)
    assert cache.kept_bytes <= 100
    cache.keep("huge", "never", 101)
    assert cache.get("huge") is None
    assert cache.get("a") == "larger"


def test_pictures_share_a_bounded_cache(stores):
    cache = PictureCache()
    cache.tiles.most_bytes = cache.pixels.most_bytes = 300_000
    for codec in ("zstd", "raw"):
        picture = store_picture(st.open_store(stores / f"{codec}.zarr"), cache)
        for number, level in enumerate(picture.levels):
            for column in range(level.columns):
                for row in range(level.rows):
                    picture.tile(number, column, row)
        assert cache.tiles.kept_bytes <= 300_000
        assert cache.pixels.kept_bytes <= 300_000


def test_encoding_keeps_what_is_seen():
    pixels = noise(40, 56)
    with Image.open(io.BytesIO(encoded_exactly(pixels).data)) as image:
        assert np.array_equal(np.asarray(image), pixels)
    grey = pixels[..., :1]
    with Image.open(io.BytesIO(encoded(grey).data)) as image:
        assert image.mode == "L"
        assert np.abs(np.asarray(image).astype(int) - grey[..., 0]).mean() < 6

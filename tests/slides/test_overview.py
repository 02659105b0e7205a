import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pictures import brute_force_average

from slidetile.raster.block_means import area_average
from slidetile.raster.region import Region
from slidetile.slides.array import ArraySlide
from slidetile.slides.fetched import DecodedPixels
from slidetile.slides.level import Level
from slidetile.slides.overview import Overview, overview_blocks, overview_mpp, read_overview


def random_pixels(height, width, channels=3, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width, channels), np.uint8)


def test_level_0_is_averaged_to_the_nearest_factor():
    pixels = random_pixels(130, 201)
    overview = read_overview(ArraySlide(pixels, mpp=0.5), mpp=8.2)
    assert np.array_equal(overview.image, brute_force_average(pixels, 16))
    assert overview.mpp == (8, 8)
    assert overview.downsample == (16, 16)
    assert (overview.slide_width, overview.slide_height) == (201, 130)
    assert (overview.width, overview.height) == (13, 9)


@pytest.mark.parametrize(
    ("mpp", "level", "factor"), [(1.0, 0, 2), (1.4, 0, 3), (1.5, 1, 1), (2.9, 2, 1), (8, 2, 2)]
)
def test_the_coarsest_level_up_to_root_two_too_coarse_is_used(mpp, level, factor):
    levels = [random_pixels(96, 128), random_pixels(24, 32, seed=1), random_pixels(12, 16, seed=2)]
    slide = ArraySlide(levels, mpp=0.5)
    overview = read_overview(slide, mpp=mpp)
    assert np.array_equal(overview.image, area_average(levels[level], factor))


@given(
    full=st.tuples(st.integers(40, 90), st.integers(40, 90)),
    coarse=st.tuples(st.integers(20, 40), st.integers(20, 40)),
)
@settings(max_examples=40, deadline=None)
def test_a_level_of_odd_ratio_is_read_pixel_for_pixel(full, coarse):
    level_0, level_1 = random_pixels(*full), random_pixels(*coarse, seed=1)
    slide = ArraySlide([level_0, level_1], mpp=1.0)
    overview = read_overview(slide, mpp=sum(slide.levels[1].downsample) / 2)
    # A level that is cut short of the slide's end by a part of a pixel has its last ones repeated.
    rows, columns = (
        np.minimum(np.arange(n), m - 1)
        for n, m in zip(overview.image.shape[:2], coarse, strict=True)
    )
    assert np.array_equal(overview.image, level_1[rows][:, columns])
    assert overview.downsample == slide.levels[1].downsample
    sides = (overview.height, full[0]), (overview.width, full[1])
    for (side, whole), step in zip(sides, overview.downsample[::-1], strict=True):
        assert (side - 1) * step < whole <= side * step * (1 + 1e-12)
    assert overview.downsample == slide.levels[1].downsample


def test_without_mpp_the_longest_side_is_about_4000():
    slide = ArraySlide(random_pixels(20, 12_300))
    assert read_overview(slide).image.shape == (7, 4100, 3)
    assert read_overview(slide).mpp is None


def test_without_mpp_a_small_slide_is_taken_as_it_is():
    pixels = random_pixels(50, 60, 1)
    overview = read_overview(ArraySlide(pixels), mpp=8)
    assert np.array_equal(overview.image, pixels)
    assert overview.downsample == (1, 1)


@given(
    size=st.tuples(st.integers(1, 9000), st.integers(1, 9000)),
    tile=st.sampled_from([None, (256, 256), (240, 240), (9000, 8), (512, 100)]),
    factor=st.integers(1, 70),
    channels=st.sampled_from([1, 3]),
)
@settings(max_examples=60, deadline=None)
def test_blocks_cover_a_level_once_in_whole_factors_and_little_memory(size, tile, factor, channels):
    width, height = size
    tile_width, tile_height = tile or (None, None)
    level = Level(
        width=width,
        height=height,
        tile_width_px=tile_width,
        tile_height_px=tile_height,
    )
    blocks = list(overview_blocks(level, factor, channels))
    assert sum(block.area for block in blocks) == width * height
    assert len({(block.x, block.y) for block in blocks}) == len(blocks)
    assert all(block.x % factor == 0 and block.y % factor == 0 for block in blocks)
    assert all(block.area * channels <= 16 * 2**20 for block in blocks)
    if tile_width in (256, 240) and factor in (1, 2, 4, 8, 16):
        assert all(block.x % tile_width == 0 and block.y % tile_height == 0 for block in blocks)


class Gradient(ArraySlide):
    """A huge slide without a pyramid, computed where it is read."""

    def __init__(self, width, height):
        super().__init__(np.zeros((1, 1, 3), np.uint8), mpp=0.25)
        self._levels = (Level(width=width, height=height),)

    def fetch(self, region, *, level=0):  # noqa: ARG002
        pixels = np.empty((region.height, region.width, 3), np.uint8)
        pixels[:] = (np.arange(region.x, region.right) // 400 % 256)[None, :, None]
        return DecodedPixels(pixels)


@pytest.mark.slow
def test_a_slide_without_a_pyramid_is_read_in_flat_memory():
    tracemalloc.start()
    overview = read_overview(Gradient(40_000, 12_000))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert overview.image.shape == (375, 1250, 3)
    assert (overview.image[:, 25, 0] == 2).all()
    assert peak < 40 * 2**20


def test_too_large_an_overview_is_refused_with_the_remedy():
    with pytest.raises(ValueError, match=r"at most 64 megapixels.*Ask for 3 µm or more"):
        read_overview(Gradient(100_000, 80_000), mpp=0.25 * 4)


@given(
    width=st.integers(1, 300_000),
    height=st.integers(1, 300_000),
    mpp=st.sampled_from([None, 0.12, 0.25, 1.0, 40.0]),
)
@settings(max_examples=60, deadline=None)
def test_by_default_overviews_are_bounded_by_whole_multiples_of_8_um(width, height, mpp):
    slide = Gradient(width, height)
    slide.mpp = None if mpp is None else (mpp, mpp)
    chosen = overview_mpp(slide)
    own = 32_000 / max(width, height) if mpp is None else mpp

    def pixels(wanted):
        factor = max(1, round(wanted / own))
        return -(-width // factor) * -(-height // factor)

    if own < 8 and max(width, height) < 512 * 8 / own:  # finer, as far as the slide has pixels
        assert chosen == pytest.approx(own * max(1, max(width, height) / 512))
        return
    multiple = round(chosen / 8)
    assert chosen == 8 * multiple
    assert pixels(chosen) <= 2_000_000
    assert all(pixels(8 * finer) > 2_000_000 for finer in range(1, multiple))


def test_a_usual_slide_has_8_um_and_a_large_one_16():
    assert overview_mpp(Gradient(40_000, 30_000)) == 8
    assert overview_mpp(Gradient(100_000, 80_000)) == 16
    assert overview_mpp(Gradient(100_000, 80_000), 8) == 8


@pytest.mark.parametrize("mpp", [0, -1, 501, float("nan")])
def test_mpp_out_of_range_is_refused(mpp):
    with pytest.raises(ValueError, match="up to 500 µm"):
        read_overview(ArraySlide(random_pixels(5, 5), mpp=1), mpp=mpp)


def overview_of(image, **changes):
    size = {"slide_width": 60, "slide_height": 50, "downsample": (6.0, 5.0)}
    return Overview(**{"image": image, **size, **changes})


def test_overviews_compare_by_content():
    image = random_pixels(10, 10)
    assert overview_of(image) == overview_of(image.copy())
    assert overview_of(image) != overview_of(image, mpp=(1.0, 1.0))
    assert overview_of(image) != overview_of(random_pixels(10, 10, seed=1))
    assert overview_of(image) != "an overview"


def test_an_overviews_image_is_read_only_and_its_makers_is_not():
    image = random_pixels(10, 10)
    overview = overview_of(image)
    with pytest.raises(ValueError, match="read-only"):
        overview.image[0] = 0
    image[0] = 0


def test_overview_pixels_in_slide_coordinates():
    overview = overview_of(random_pixels(10, 10), slide_width=58, slide_height=50)
    box = Region(x=8, y=1, width=2, height=2)
    assert overview.to_slide(box) == Region.from_edges(48, 5, 58, 15)


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"image": np.zeros((4, 4, 3), float)}, TypeError, "float64"),
        ({"image": np.zeros((4, 4), np.uint8)}, ValueError, r"\(4, 4\)"),
        ({"downsample": (0.0, 1.0)}, ValueError, r"\(0.0, 1.0\)"),
        ({"slide_width": 0}, ValueError, "0×50"),
    ],
)
def test_impossible_overviews_are_refused(changes, error, message):
    with pytest.raises(error, match=message):
        overview_of(**{"image": random_pixels(4, 4), **changes})

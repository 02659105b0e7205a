"""What a level is, and what a reader has to bring."""

import numpy as np
import pytest
import tifffile
from hypothesis import given
from hypothesis import strategies as st
from pictures import pattern

from slidetile.raster.region import Region
from slidetile.raster.resolution import whole_factor
from slidetile.slides.array import ArraySlide
from slidetile.slides.fetched import DecodedPixels
from slidetile.slides.file_slide import FileSlide
from slidetile.slides.level import Level
from slidetile.slides.opening import open_slide
from slidetile.slides.overview import read_overview
from slidetile.slides.slide import Slide, Source

sides = st.integers(1, 2000)


def test_a_slide_is_printed_as_a_sentence(sample):
    with open_slide(sample) as slide:
        assert repr(slide) == (
            f"{type(slide).__name__}('sample.svs': 3840×2560 px, 0.5 µm per pixel, 2 levels, "
            "3 channels of 8 bits, read by tiff)"
        )
    grey = ArraySlide(np.zeros((20, 30, 1), np.uint16), name="a.tif")
    assert repr(grey) == (
        "ArraySlide('a.tif': 30×20 px, mpp unknown, 1 level, 1 channel of 16 bits, read by array)"
    )


def test_a_level_without_further_facts_is_level_0():
    level = Level(width=30, height=20)
    assert level.size == (30, 20)
    assert level.downsample == (1, 1)
    assert (level.tile_width_px, level.tile_height_px) == (None, None)


@given(st.tuples(sides, sides), st.tuples(sides, sides))
def test_a_levels_downsample_is_how_many_level_0_pixels_one_of_its_covers(one, other):
    whole, size = map(max, zip(one, other, strict=True)), map(min, zip(one, other, strict=True))
    whole, size = tuple(whole), tuple(size)
    level = Level.covering(whole, size, tile_width_px=64, tile_height_px=32)
    assert level.size == size
    factor = whole_factor(whole, size)
    ratio = whole[0] / size[0], whole[1] / size[1]
    assert level.downsample == (ratio if factor is None else (factor, factor))
    assert (level.tile_width_px, level.tile_height_px) == (64, 32)


@pytest.mark.parametrize("up", [False, True])
@pytest.mark.parametrize("factor", [2, 3, 4, 16])
@pytest.mark.parametrize("reader", ["array", "tiff", "openslide"])
def test_a_rounded_side_does_not_shift_what_a_level_shows(tmp_path, reader, factor, up):
    """The right end of a level is not where the ratio of its rounded sides would put it."""
    # A column of its own colour every `factor` pixels, which a level shows as one pixel.
    columns, rows = 30 * factor + factor // 2, 20 * factor + factor // 2
    x = np.arange(columns) // factor
    fine = np.broadcast_to(np.stack([x * 7, x * 3 + 9, x * 5], 1)[np.newaxis], (rows, columns, 3))
    fine = np.ascontiguousarray(fine.astype(np.uint8))
    coarse = np.ascontiguousarray(fine[::factor, ::factor][: 20 + up, : 30 + up])
    with _opened(tmp_path / "slide.tif", [fine, coarse], reader) as slide:
        assert slide.levels[1].downsample == (factor, factor)
        slack = 0 if reader != "openslide" else 8  # it interpolates between columns
        for place in (0, 1, 15, 28, 29):
            region = Region(x=place * factor, y=factor, width=factor, height=factor)
            pixels = slide.read_region(region, level=1).astype(int)
            assert pixels.shape == (1, 1, 3)
            assert np.abs(pixels[0, 0] - fine[0, place * factor]).max() <= slack
        whole = slide.read_region(slide.bounds, level=1)
        np.testing.assert_array_equal(whole, coarse)
        end = Region(x=columns - 1, y=rows - 1, width=1, height=1)
        assert slide.read_region(end, level=1).shape == (1, 1, 3)
        overview = read_overview(slide, mpp=2.0 * factor)
        assert overview.width * overview.downsample[0] >= slide.width
        assert (overview.width - 1) * overview.downsample[0] < slide.width
        assert overview.downsample[0] % factor == 0


def _opened(path, levels, reader):
    if reader == "array":
        return ArraySlide(levels, mpp=1.0)
    with tifffile.TiffWriter(path) as writer:
        for number, level in enumerate(levels):
            writer.write(
                level, photometric="rgb", tile=(64, 64), subfiletype=int(number > 0),
                compression="deflate",
                resolution=(10_000, 10_000), resolutionunit="CENTIMETER", metadata=None,
            )  # fmt: skip
    return open_slide(path, reader=reader)


@pytest.mark.parametrize(
    ("tile_px", "block_px"), [(None, 256), (1, 64), (48, 96), (64, 64), (240, 240)]
)
def test_blocks_are_tiles_and_never_so_small_that_reading_them_takes_forever(tile_px, block_px):
    level = Level(width=1000, height=1000, tile_width_px=tile_px, tile_height_px=240)
    assert level.block_size == (block_px, 240)
    assert len(list(level.blocks(Region(x=0, y=0, width=1000, height=1000)))) == (level.block_count)


def test_a_levels_downsample_has_both_axes():
    slide = ArraySlide([np.zeros((30, 80, 3), np.uint8), np.zeros((15, 20, 3), np.uint8)])
    assert slide.levels[1].downsample == (4, 2)


@pytest.mark.parametrize(
    ("facts", "message"),
    [
        ({"width": 0}, "at least 1×1 pixels, but this one is 0×20"),
        ({"height": -1}, "at least 1×1 pixels, but this one is 30×-1"),
        ({"downsample": (2.0, 0.5)}, "at least 1×1, but this one is 2×0.5"),
        ({"downsample": (float("nan"), 1.0)}, "at least 1×1, but this one is nan×1"),
        ({"downsample": (1.0, float("nan"))}, "at least 1×1, but this one is 1×nan"),
    ],
)
def test_impossible_levels_are_refused(facts, message):
    with pytest.raises(ValueError, match=message):
        Level(**{"width": 30, "height": 20, **facts})


def members(*, fetch="fetch"):
    """What a reader brings at least, of a slide that is black."""

    def black(self, region, level=0, background=None):  # noqa: ARG001
        return DecodedPixels(np.zeros((region.height, region.width, 3), np.uint8))

    return {
        "reader": "black",
        "levels": property(lambda self: (Level(width=70, height=50),)),  # noqa: ARG005
        "source": property(lambda self: Source(name="b", size_bytes=1, fingerprint="f")),  # noqa: ARG005
        fetch: black,
    }


def test_four_members_make_a_slide():
    with type("Black", (Slide,), members())() as slide:
        assert slide.read_region(Region(x=3, y=4, width=5, height=6)).shape == (6, 5, 3)
        assert slide.bounds == slide.scan_area == Region(x=0, y=0, width=70, height=50)
        assert (slide.mpp, slide.objective_power, slide.icc_profile) == (None, None, None)
        assert (slide.vendor, slide.channels, slide.background) == ("unknown", 3, (255,) * 3)
        assert slide.original is slide
        assert slide.rescaling is None
        assert slide.native_tiles(0) is None
        with pytest.raises(IndexError):
            slide.native_tiles(1)


@pytest.mark.parametrize("name", ["reader", "levels", "source", "fetch"])
def test_a_reader_that_forgets_a_member_fails_at_once(name):
    brought = members()
    del brought[name]
    with pytest.raises(TypeError, match=rf"abstract class Black .*\b{name}\b"):
        type("Black", (Slide,), brought)()


@pytest.mark.parametrize("name", ["reader", "levels", "fetch_level"])
def test_a_reader_of_files_that_forgets_a_member_fails_too(name, tmp_path):
    brought = members(fetch="fetch_level")
    del brought["source"], brought[name]
    with pytest.raises(TypeError, match=rf"abstract class Black .*\b{name}\b"):
        type("Black", (FileSlide,), brought)(tmp_path / "black")


def test_a_reader_of_files_finds_its_background_and_source(tmp_path):
    brought = members(fetch="fetch_level")
    del brought["source"]
    path = tmp_path / "black.raw"
    path.write_bytes(bytes(100))
    slide = type("Black", (FileSlide,), brought)(path, mpp=0.25)
    assert slide.mpp == (0.25, 0.25)
    assert slide.background == (0, 0, 0)
    assert (slide.source.name, slide.source.size_bytes) == ("black.raw", 100)


def test_a_closed_slide_of_a_file_says_so(tmp_path):
    brought = members(fetch="fetch_level")
    del brought["source"]
    slide = type("Black", (FileSlide,), brought)(tmp_path / "black.raw")
    slide.close()
    slide.close()
    with pytest.raises(ValueError, match=r"black\.raw is closed: open the slide again"):
        slide.fetch(slide.bounds)


def test_the_new_reader_reads_what_is_in_the_file(new_reader):
    kind, path = new_reader
    with kind(path) as slide:
        np.testing.assert_array_equal(slide.read_region(slide.bounds), pattern(300, 421))


@pytest.mark.parametrize("background", [(0, 0), (0, 0, 0, 0), (255, 256, 255), (-1, 0, 0)])
def test_an_array_has_a_background_of_three_values_whatever_its_channels(background):
    with pytest.raises(ValueError, match=r"A background is \(red, green, blue\) of 0–255"):
        ArraySlide(np.zeros((9, 9, 2), np.uint16), background=background)


def test_an_array_keeps_to_its_bits():
    pixels = np.full((9, 9, 1), 4095, np.uint16)
    assert ArraySlide(pixels, bits=12).bits == 12
    with pytest.raises(ValueError, match="Samples of 11 bits are at most 2047, but one is 4095"):
        ArraySlide(pixels, bits=11)

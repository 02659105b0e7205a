"""Coarse blocks that are empty or damaged are averaged from the finer level, in all ways."""

import logging
from dataclasses import replace

import numpy as np
import pytest
import tifffile
from pictures import pattern

from slidetile.errors import DamagedPixelsError
from slidetile.raster.block_means import area_average
from slidetile.raster.region import Region
from slidetile.slides.array import ArraySlide
from slidetile.slides.frame import Frame, read_frame
from slidetile.slides.opening import open_slide
from slidetile.slides.overview import read_overview
from slidetile.slides.rescaled import rescale_slide

SIDE, TILE = 512, 64
COUNTS, OFFSETS = 325, 324
JPEG_ERROR = 40
"""Most by which a coarse level differs from level 0 averaged, both being JPEG."""


def pyramid(path, empty=(), garbled=()):
    """Write levels of 1/1, 1/2 and 1/4, and spoil (level, number) of their tiles."""
    image = np.kron(pattern(SIDE // 8, SIDE // 8), np.ones((8, 8, 1), np.uint8))
    options = {"tile": (TILE, TILE), "compression": "jpeg", "photometric": "rgb", "metadata": None}
    scale = {"resolution": (20_000, 20_000), "resolutionunit": "CENTIMETER"}
    with tifffile.TiffWriter(path) as file:
        for level in range(3):
            file.write(
                area_average(image, 1 << level), subfiletype=int(level > 0), **options, **scale
            )
    for level, number in empty:
        with tifffile.TiffFile(path, mode="r+b") as file:
            tag = file.pages[level].aspage().tags[COUNTS]
            tag.overwrite([0 if i == number else count for i, count in enumerate(tag.value)])
    for level, number in garbled:
        with tifffile.TiffFile(path) as file:
            page = file.pages[level].aspage()
            place, count = page.dataoffsets[number], page.databytecounts[number]
        with path.open("r+b") as file:
            file.seek(place)
            file.write(bytes(count))
    return path


@pytest.fixture
def sound(tmp_path):
    return pyramid(tmp_path / "sound.tif")


SPOILT = {
    "empty": {"empty": [(2, 1)]},
    "garbled": {"garbled": [(2, 1)]},
    "empty twice": {"empty": [(2, 1), (1, 2), (1, 3)]},
    "garbled under empty": {"empty": [(2, 1)], "garbled": [(1, 2), (1, 3)]},
}


@pytest.fixture(params=SPOILT)
def spoilt(tmp_path, request):
    return pyramid(tmp_path / "spoilt.tif", **SPOILT[request.param])


def whole(slide, level):
    return slide.read_region(slide.bounds, level=level).astype(int)


def test_a_coarse_level_is_whole(sound, spoilt):
    with open_slide(sound) as right, open_slide(spoilt) as slide:
        np.testing.assert_array_equal(whole(slide, 0), whole(right, 0))
        for level in (1, 2):
            assert np.abs(whole(slide, level) - whole(right, level)).max() < JPEG_ERROR
        assert not np.array_equal(whole(slide, 2), whole(right, 2))
        assert slide.replaced.counts[2] == 1


def test_its_pixels_are_exactly_the_finer_level_averaged(sound, tmp_path):
    spoilt = pyramid(tmp_path / "spoilt.tif", empty=[(2, 1)])
    with open_slide(sound) as right, open_slide(spoilt) as slide:
        under = Region(x=4 * TILE, y=0, width=4 * TILE, height=4 * TILE)
        averaged = area_average(right.read_region(under, level=1), 2)
        np.testing.assert_array_equal(slide.read_region(under, level=2), averaged)
        part = Region(x=5 * TILE, y=TILE, width=TILE, height=2 * TILE)
        cut = averaged[16:48, 16:32][: 2 * TILE // 4, : TILE // 4]
        np.testing.assert_array_equal(slide.read_region(part, level=2), cut)
        fetched = slide.fetch(slide.bounds, level=2)
        corner = fetched.crop(Region(x=TILE, y=0, width=TILE, height=TILE))
        np.testing.assert_array_equal(corner.pixels(), averaged)


@pytest.mark.parametrize("mpp", [1.0, 2.0, 4.0])
def test_the_overview_is_whole_and_says_so_once(sound, spoilt, caplog, mpp):
    with open_slide(sound) as right, open_slide(spoilt) as slide:
        expected, found = (
            read_overview(each, mpp=mpp).image.astype(int) for each in (right, slide)
        )
        assert np.abs(found - expected).max() < JPEG_ERROR
        read_overview(slide, mpp=mpp)
        told = [record for record in caplog.records if record.levelno == logging.WARNING]
        level = {1.0: 1, 2.0: 2, 4.0: 2}[mpp]
        assert len(told) == (level in slide.replaced.counts)
        assert all("averaged from the next finer level" in record.message for record in told)


def test_a_frame_is_whole(sound, spoilt):
    frame = Frame(x_um=0, y_um=0, mpp=2.0, width=128, height=128)
    with open_slide(sound) as right, open_slide(spoilt) as slide:
        apart = read_frame(slide, frame).astype(int) - read_frame(right, frame)
        assert np.abs(apart).max() < JPEG_ERROR


@pytest.mark.parametrize("mpp", [1.0, 1.3, 2.0])
def test_a_slide_made_of_a_coarse_level_is_whole(sound, spoilt, mpp):
    with open_slide(sound) as right, open_slide(spoilt) as slide:
        expected, found = (whole(rescale_slide(each, mpp=mpp), 0) for each in (right, slide))
        assert np.abs(found - expected).max() < JPEG_ERROR


def test_damage_of_level_0_shows_the_background_and_stays_an_error(tmp_path, caplog):
    spoilt = pyramid(tmp_path / "spoilt.tif", garbled=[(0, 9), (1, 0)], empty=[(2, 0)])
    with open_slide(spoilt) as slide:
        with pytest.raises(DamagedPixelsError, match="column 1, row 1 of level 0") as caught:
            slide.read_region(slide.bounds)
        assert caught.value.reason == "no start marker"
        overview = read_overview(slide, mpp=0.5)
        assert (overview.image[TILE : 2 * TILE, TILE : 2 * TILE] == slide.background).all()
        assert overview.replaced == {0: {(TILE, TILE)}}
        assert "1 block of level 0" in caplog.text
        square = np.s_[TILE // 4 : TILE // 2, TILE // 4 : TILE // 2]
        with pytest.raises(DamagedPixelsError, match="column 1, row 1 of level 0"):
            whole(slide, 2)
        shown = slide.fetch_shown(Region(x=0, y=0, width=SIDE // 4, height=SIDE // 4), level=2)
        assert (shown.pixels()[square] == slide.background).all()
        assert slide.replaced.counts == {0: 1, 1: 1, 2: 1}


def test_what_was_never_scanned_is_no_damage(tmp_path, caplog):
    under = [(0, row * 8 + column) for row in range(4) for column in range(4)]
    finer = [(1, row * 4 + column) for row in range(2) for column in range(2)]
    sparse = pyramid(tmp_path / "sparse.tif", empty=[*under, *finer, (2, 0)])
    with open_slide(sparse) as slide:
        corner = read_overview(slide, mpp=2.0).image[:TILE, :TILE]
        assert (corner == slide.background).all()
        assert not slide.replaced.counts
        assert not caplog.records


def test_a_slide_of_which_nothing_decodes_fails(tmp_path):
    path = tmp_path / "ruin.tiff"
    tiled = {"tile": (64, 64), "compression": "jpeg", "photometric": "rgb", "metadata": None}
    tifffile.imwrite(path, pattern(128, 192), **tiled)
    with tifffile.TiffFile(path) as file:
        places = zip(file.pages.first.dataoffsets, file.pages.first.databytecounts, strict=True)
        data = bytearray(path.read_bytes())
    places = list(places)
    for offset, count in places[1:]:
        data[offset : offset + count] = bytes(count)
    path.write_bytes(data)
    with open_slide(path) as slide:
        assert read_overview(slide).replaced[0] == {(64, 0), (128, 0), (0, 64), (64, 64), (128, 64)}
    offset, count = places[0]
    data[offset : offset + count] = bytes(count)
    path.write_bytes(data)
    with (
        open_slide(path) as slide,
        pytest.raises(DamagedPixelsError, match="not one of its 6 blocks decodes"),
    ):
        read_overview(slide)


@pytest.mark.parametrize("mpp", [1.0, 1.3])
def test_a_slide_made_of_a_coarse_level_fails_only_where_nothing_of_the_file_decodes(tmp_path, mpp):
    coarse = [(level, number) for level, count in ((1, 16), (2, 4)) for number in range(count)]
    half = pyramid(tmp_path / "half.tif", garbled=[*coarse, *((0, n) for n in range(32))])
    with open_slide(half) as slide:
        overview = read_overview(rescale_slide(slide, mpp=mpp), mpp=8.0)
        assert len(overview.replaced[0]) == 32
    ruin = pyramid(tmp_path / "ruin.tif", garbled=[*coarse, *((0, n) for n in range(64))])
    with (
        open_slide(ruin) as slide,
        pytest.raises(DamagedPixelsError, match="not one of its 64 blocks decodes"),
    ):
        read_overview(rescale_slide(slide, mpp=mpp), mpp=8.0)


class TornSlide(ArraySlide):
    """A slide of a reader of one's own, whose left part does not decode."""

    def __init__(self, *arrays, torn_px):
        super().__init__(*arrays)
        level = self.levels[0]
        self._levels = (replace(level, tile_width_px=512, tile_height_px=512),)
        self.torn_px = torn_px

    def fetch(self, region, *, level=0):
        if region.x < self.torn_px:
            raise DamagedPixelsError("torn")
        return super().fetch(region, level=level)


def test_a_readers_own_tiles_are_counted_as_the_levels_blocks():
    image = np.full((512, 1024, 3), 255, np.uint8)
    assert read_overview(TornSlide(image, torn_px=512), mpp=64).replaced == {0: {(0, 0)}}
    with pytest.raises(DamagedPixelsError, match="not one of its 2 blocks decodes"):
        read_overview(TornSlide(image, torn_px=1024), mpp=64)


class CoarseTornSlide(ArraySlide):
    """A slide of a reader of one's own, of whose coarse level nothing decodes."""

    def fetch(self, region, *, level=0):
        if level:
            raise DamagedPixelsError("torn")
        return super().fetch(region, level=level)


def test_a_coarse_level_of_a_readers_own_is_averaged_as_the_warning_says(caplog):
    image = np.kron(pattern(64, 128), np.ones((8, 8, 1), np.uint8))
    slide = CoarseTornSlide([image, area_average(image, 8)], mpp=1.0)
    overview = read_overview(slide, mpp=8.0)
    np.testing.assert_array_equal(overview.image, area_average(image, 8))
    assert overview.replaced == {1: {(0, 0)}}
    assert "1 block of level 1 empty or damaged: averaged from the next finer level" in caplog.text
    with pytest.raises(DamagedPixelsError):
        slide.read_region(slide.bounds, level=1)


def test_a_notebook_shows_a_damaged_slide():
    slide = TornSlide(np.full((512, 1024, 3), 255, np.uint8), torn_px=512)
    assert "<table>" in slide._repr_html_()


@pytest.mark.parametrize("spoil", ["empty", "garbled"])
@pytest.mark.parametrize("factor", [512, 300])
def test_a_level_hundreds_of_times_as_coarse_is_averaged_too(tmp_path, spoil, factor):
    coarse = np.zeros((2, 16, 3), np.uint8)
    coarse[..., 0] = np.arange(2)[:, np.newaxis] * 200
    coarse[..., 1] = np.arange(16) * 16
    path = tmp_path / "far.tif"
    options = {"tile": (256, 256), "compression": "deflate", "photometric": "rgb"}
    scale = {"resolution": (20_000, 20_000), "resolutionunit": "CENTIMETER", "metadata": None}
    with tifffile.TiffWriter(path) as file:
        fine = coarse.repeat(factor, axis=0).repeat(factor, axis=1)
        file.write(fine, **options, **scale)
        file.write(coarse, subfiletype=1, **options, **scale)
    with tifffile.TiffFile(path, mode="r+b") as file:
        page = file.pages[1].aspage()
        place, count = page.dataoffsets[0], page.databytecounts[0]
        if spoil == "empty":
            page.tags[COUNTS].overwrite([0])
    if spoil == "garbled":
        with path.open("r+b") as file:
            file.seek(place)
            file.write(bytes(count))
    with open_slide(path) as slide:
        assert [level.downsample for level in slide.levels] == [(1, 1), (factor, factor)]
        found = slide.read_region(slide.bounds, level=1)
        np.testing.assert_array_equal(found, coarse)
        assert slide.replaced.counts == {1: 1}

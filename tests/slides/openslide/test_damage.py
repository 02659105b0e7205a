"""A largely damaged slide costs one opening a damaged block, and is given up in the end."""

import threading

import numpy as np
import openslide
import pytest
import tifffile

from slidetile.errors import DamagedPixelsError, SlideReadError
from slidetile.raster.region import Region
from slidetile.slides.file_state import FileState
from slidetile.slides.opening import open_slide
from slidetile.slides.openslide import _damage, _handle
from slidetile.slides.overview import read_overview

SIDE, TILE = 2048, 256
ALL = [(x, y) for y in range(0, SIDE, TILE) for x in range(0, SIDE, TILE)]


def slide_of(path, damaged):
    """Write a slide of 64 tiles, of which those of some numbers are zeros."""
    image = np.random.default_rng(0).integers(0, 256, (SIDE, SIDE, 3), np.uint8)
    options = {"tile": (TILE, TILE), "photometric": "rgb", "metadata": None}
    tifffile.imwrite(path, image, compression="jpeg", **options)
    with tifffile.TiffFile(path) as file:
        page = file.pages.first
        places = list(zip(page.dataoffsets, page.databytecounts, strict=True))
    with path.open("r+b") as file:
        for number in damaged:
            file.seek(places[number][0])
            file.write(bytes(places[number][1]))
    return path


def tile(corner):
    return Region(x=corner[0], y=corner[1], width=TILE, height=TILE)


def damaged_in(slide, corners=ALL):
    found = []
    for corner in corners:
        try:
            slide.read_region(tile(corner))
        except DamagedPixelsError:
            found.append(corner)
    return found


@pytest.fixture
def work(monkeypatch):
    """Count the openings and the probes."""
    counts = {"openings": 0, "probes": 0}
    open_handle, probe = _handle.open_handle, FileState.probe

    def counted(path):
        counts["openings"] += 1
        return open_handle(path)

    def probed(state, path):
        counts["probes"] += 1
        return probe(state, path)

    monkeypatch.setattr(_handle, "open_handle", counted)
    monkeypatch.setattr(FileState, "probe", probed)
    return counts


def test_a_damaged_block_costs_one_opening_and_hardly_a_probe(tmp_path, work):
    damaged = range(10, 50)
    with open_slide(slide_of(tmp_path / "a.tif", damaged), reader="openslide") as slide:
        assert damaged_in(slide) == [ALL[number] for number in damaged]
        assert work["openings"] == 1 + len(damaged) + 1  # at first, and for what is sound again
        assert work["probes"] < len(damaged) / 2


def test_a_known_block_is_not_read_again(tmp_path, work):
    with open_slide(slide_of(tmp_path / "a.tif", [9]), reader="openslide") as slide:
        assert damaged_in(slide) == [ALL[9]]
        before = work["openings"]
        for region in (tile(ALL[9]), slide.bounds, Region(x=200, y=100, width=400, height=500)):
            with pytest.raises(DamagedPixelsError, match="column 256, row 256 are known"):
                slide.read_region(region)
        assert work["openings"] == before
        slide.read_region(Region(x=0, y=0, width=SIDE, height=TILE))


def test_what_is_damaged_in_part_is_read_beside_it(tmp_path):
    with open_slide(slide_of(tmp_path / "a.tif", [9]), reader="openslide") as slide:
        odd = Region(x=500, y=300, width=200, height=50)  # 12 columns of tile 9, 188 of tile 10
        with pytest.raises(DamagedPixelsError):
            slide.read_region(odd)
        slide.read_region(Region(x=512, y=300, width=200, height=50))


def test_threads_find_the_same(tmp_path):
    damaged = [1, 5, 9, 40]
    found = []
    with open_slide(slide_of(tmp_path / "a.tif", damaged), reader="openslide") as slide:
        parts = [ALL[start::4] for start in range(4)]
        threads = [
            threading.Thread(target=lambda part=part: found.extend(damaged_in(slide, part)))
            for part in parts
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert sorted(found) == sorted(ALL[number] for number in damaged)


def test_a_slide_of_too_many_damaged_blocks_is_given_up(tmp_path, monkeypatch):
    monkeypatch.setattr(_damage, "MOST_DAMAGED", 20)
    with open_slide(slide_of(tmp_path / "a.tif", range(10, 50)), reader="openslide") as slide:
        with pytest.raises(SlideReadError, match="more than 20 blocks of it do not decode") as e:
            damaged_in(slide)
        assert not isinstance(e.value, DamagedPixelsError)
        with pytest.raises(SlideReadError, match="more than 20"):
            slide.read_region(tile(ALL[0]))


def test_a_slide_of_which_nothing_decodes_is_given_up_sooner(tmp_path, monkeypatch):
    monkeypatch.setattr(_damage, "MOST_WITHOUT_SOUND", 30)
    path = slide_of(tmp_path / "a.tif", range(64))
    with (
        open_slide(path, reader="openslide") as slide,
        pytest.raises(SlideReadError, match="not one of the 31 blocks that were read decodes"),
    ):
        read_overview(slide)


def test_a_closed_slide_is_not_opened_again(tmp_path):
    slide = open_slide(slide_of(tmp_path / "a.tif", [0]), reader="openslide")
    assert damaged_in(slide, ALL[:1])
    slide.close()
    slide.close()
    with pytest.raises(ValueError, match="is closed"):
        slide.read_region(tile(ALL[1]))
    assert openslide.OpenSlide.detect_format(slide.path) == "generic-tiff"

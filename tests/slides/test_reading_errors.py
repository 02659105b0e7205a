"""A file that cannot be read, or changed, is told from bytes that do not decode."""

import os
import shutil

import numpy as np
import pytest
import tifffile
from pictures import pattern

from slidetile.errors import DamagedPixelsError, SlideReadError
from slidetile.raster.region import Region
from slidetile.slides.opening import open_slide

READERS = pytest.mark.parametrize("reader", ["tiff", "openslide"])


@pytest.fixture
def slide_path(tmp_path, sample):
    path = tmp_path / "slide.svs"
    shutil.copy(sample, path)
    return path


@pytest.fixture
def failing_disk():
    """Make the system answer the reads of a descriptor with an input/output error, for good."""

    def fail(descriptor):
        memory = os.open("/proc/self/mem", os.O_RDONLY)  # its first bytes belong to nobody
        os.dup2(memory, descriptor)
        os.close(memory)

    if not os.path.exists("/proc/self/mem"):  # noqa: PTH110
        pytest.skip("only Linux has a file that always fails")
    return fail


def is_damage(caught):
    return isinstance(caught.value, DamagedPixelsError)


def test_an_error_of_the_disk_is_no_damage(slide_path, failing_disk):
    with open_slide(slide_path) as slide:
        failing_disk(slide._file._descriptor)
        for read in (
            lambda: slide.read_region(slide.bounds),
            lambda: slide.native_tiles(0).fetch([(0, 0)]),
            lambda: slide.background,
        ):
            with pytest.raises(SlideReadError, match="Input/output error") as caught:
                read()
            assert not is_damage(caught)


def test_a_dark_slide_does_not_turn_white_for_it(tmp_path, failing_disk):
    path = tmp_path / "dark.tiff"
    dark = np.full((300, 421, 3), 11, np.uint8)
    tifffile.imwrite(path, dark, tile=(64, 64), photometric="rgb", metadata=None)
    beyond = Region(x=-50, y=-50, width=40, height=40)
    with open_slide(path) as slide:
        kept = os.dup(slide._file._descriptor)
        failing_disk(slide._file._descriptor)
        with pytest.raises(SlideReadError, match="Input/output error"):
            slide.read_region(beyond)
        os.dup2(kept, slide._file._descriptor)
        os.close(kept)
        assert not slide.read_region(beyond).any()


@READERS
@pytest.mark.parametrize("change", ["cut", "grown", "touched"])
def test_a_file_that_changes_is_read_no_further(slide_path, reader, change):
    region = Region(x=0, y=0, width=300, height=300)
    with open_slide(slide_path, reader=reader) as slide:
        slide.read_region(region)
        state = slide_path.stat()
        if change == "touched":
            os.utime(slide_path, ns=(state.st_atime_ns, state.st_mtime_ns + 10**9))
        else:
            os.truncate(slide_path, state.st_size + (1 if change == "grown" else -1))
        with pytest.raises(SlideReadError, match="changed while it was read") as caught:
            slide.read_region(region)
        assert not is_damage(caught)


def test_a_file_that_vanishes_is_no_damage(slide_path):
    with open_slide(slide_path, reader="openslide") as slide:
        slide_path.unlink()
        with pytest.raises(SlideReadError, match="No such file") as caught:
            slide.read_region(Region(x=2000, y=2000, width=300, height=300))
        assert not is_damage(caught)


@READERS
def test_bytes_that_do_not_decode_are_damage_and_spoil_no_others(damaged_sample, reader):
    with open_slide(damaged_sample, reader=reader) as slide:
        side = 256
        damaged = []
        for y in range(0, slide.height, side):
            for x in range(0, slide.width, side):
                try:
                    slide.read_region(Region(x=x, y=y, width=side, height=side))
                except DamagedPixelsError as error:
                    damaged.append((x, y))
                    assert "decode" in str(error)  # noqa: PT017
        assert len(damaged) == 1
        with pytest.raises(DamagedPixelsError):
            slide.read_region(slide.bounds)


def test_a_tile_behind_the_end_is_damage(tmp_path):
    path = tmp_path / "cut.tiff"
    options = {"tile": (64, 64), "compression": "jpeg", "photometric": "rgb", "metadata": None}
    tifffile.imwrite(path, pattern(300, 421), **options)
    with tifffile.TiffFile(path) as tiff:
        last = tiff.pages.first.dataoffsets[-1]
    os.truncate(path, last + 5)
    with open_slide(path) as slide:
        slide.read_region(Region(x=0, y=0, width=64, height=64))
        with pytest.raises(DamagedPixelsError):
            slide.read_region(Region(x=384, y=256, width=37, height=44))

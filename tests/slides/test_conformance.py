"""What every reader promises, whichever library stands behind it."""

import pickle
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from czi_files import JPEG_XR, ZSTD1, mosaic, write_czi
from ome_zarr import write_image

from slidetile.raster.region import Region
from slidetile.slides.array import ArraySlide
from slidetile.slides.opening import open_slide

REAL = {
    "aperio": ("CMU-1-Small-Region.svs", "tiff"),
    "generic": ("CMU-1-small.tiff", "tiff"),
    "ome": ("petebankhead-OS-1-detail.ome.tif", "tiff"),
    "aperio by OpenSlide": ("CMU-1-Small-Region.svs", "openslide"),
    "generic by OpenSlide": ("CMU-1-small.tiff", "openslide"),
    "dicom": ("multi_frame_jpeg_camelyon_challenge_image.dcm", "dicom"),
    "dicom series": ("dicom-CMU-1-Small-Region", "dicom"),
    "dicom in parts": ("made/dicom_fragments.dcm", "dicom"),
    "dicom by OpenSlide": ("multi_frame_jpeg_camelyon_challenge_image.dcm", "openslide"),
    "hamamatsu": ("made/brightfield.ndpi", "tiff"),
    "fluorescence": ("test3-DAPI.ndpi", "tiff"),
    "philips": ("made/philips.tiff", "tiff"),
    "leica": ("made/leica.scn", "tiff"),
    "fluorescence by OpenSlide": ("test3-DAPI.ndpi", "openslide"),
    "a picture": ("wsic-XYC.png", "picture"),
}


OME_ZARR = {
    "OME-Zarr 0.4": {"zarr_format": 2, "axes": "tczyx"},
    "OME-Zarr 0.5": {"axes": "yxc"},
    "OME-Zarr 0.5, sharded": {"shards": 128},
}


CZI = {
    "CZI": {"compression": ZSTD1, "overlap": 10},
    "CZI of JPEG XR, away from 0": {"compression": JPEG_XR, "origin": (-300, 70)},
}
"""Made, since no real one could be had; tests/slides/czi has the oracles: libCZI and OpenSlide."""


@pytest.fixture(params=["array", "deflate", "a new reader", *OME_ZARR, *CZI, *REAL])
def slide(request, pyramid):
    path, arrays = pyramid
    if request.param == "array":
        opened = ArraySlide(arrays, mpp=0.5)
    elif request.param == "deflate":
        opened = open_slide(path)
    elif request.param == "a new reader":
        kind, path = request.getfixturevalue("new_reader")
        opened = kind(path)
    elif request.param in OME_ZARR:
        folder = request.getfixturevalue("tmp_path") / "slide.zarr"
        opened = open_slide(write_image(folder, arrays, **OME_ZARR[request.param]))
        assert opened.reader == "ome-zarr"
    elif request.param in CZI:
        path = request.getfixturevalue("tmp_path") / "slide.czi"
        opened = open_slide(write_czi(path, mosaic(arrays, **CZI[request.param])))
        assert opened.reader == "czi"
    else:
        name, reader = REAL[request.param]
        opened = open_slide(request.getfixturevalue("shared_slides") / name, reader=reader)
        assert opened.reader == reader
    with opened:
        yield opened


def test_levels_go_from_finest_to_coarsest(slide):
    widths = [level.width for level in slide.levels]
    assert widths == sorted(widths, reverse=True)
    assert slide.levels[0].downsample == (1, 1)
    assert slide.levels[0].size == (slide.width, slide.height)


def test_regions_have_the_promised_shape_at_every_level(slide):
    asked = Region(x=slide.width // 2 - 37, y=slide.height // 2 - 21, width=101, height=67)
    for index in range(len(slide.levels)):
        expected = slide.level_region(asked, index)
        pixels = slide.read_region(asked, level=index)
        assert pixels.shape == (expected.height, expected.width, slide.channels)
        assert pixels.dtype == np.uint8


def test_beyond_the_edges_is_background(slide):
    colour = slide.background[: slide.channels]
    outside = slide.read_region(Region(x=-500, y=-700, width=30, height=20))
    assert (outside == colour).all()
    far = Region(x=slide.width + 10**9, y=0, width=5, height=5)
    assert (slide.read_region(far) == colour).all()
    across = slide.read_region(Region(x=-7, y=-5, width=50, height=40))
    assert (across[:5] == colour).all()
    assert (across[:, :7] == colour).all()
    inner = slide.read_region(Region(x=0, y=0, width=43, height=35))
    np.testing.assert_array_equal(across[5:, 7:], inner)
    corner = Region(x=slide.width - 9, y=slide.height - 6, width=20, height=10)
    pixels = slide.read_region(corner)
    assert (pixels[6:] == colour).all()
    assert (pixels[:, 9:] == colour).all()


def test_parts_agree_with_the_whole(slide):
    size = min(slide.width, 700), min(slide.height, 600)
    whole = slide.read_region(Region(x=0, y=0, width=size[0], height=size[1]))
    part = Region(x=101, y=57, width=size[0] - 150, height=size[1] - 90)
    np.testing.assert_array_equal(slide.read_region(part), whole[part.slices])


def test_parts_of_coarser_levels_agree_with_the_whole(slide):
    for index, level in enumerate(slide.levels):
        across, down = map(int, level.downsample)
        if index == 0 or level.downsample != (across, down) or level.width > 1000:
            continue
        whole = slide.read_region(slide.bounds, level=index)
        part = Region(x=7 * across, y=3 * down, width=20 * across, height=30 * down)
        expected = whole[slide.level_region(part, index).slices].astype(int)
        # OpenSlide interpolates where its own downsample, of rounded sides, is no whole number.
        is_exact = (slide.width / level.width, slide.height / level.height) == (across, down)
        slack = 1 if slide.reader == "openslide" and not is_exact else 0
        assert np.abs(slide.read_region(part, level=index) - expected).max() <= slack


def test_fetched_pixels_are_the_read_ones(slide):
    region = Region(x=13, y=29, width=150, height=140)
    fetched = slide.fetch(region)
    assert fetched.nbytes > 0
    np.testing.assert_array_equal(fetched.pixels(), slide.read_region(region))


def test_threads_read_the_same_pixels(slide):
    regions = [Region(x=17 * i, y=11 * i, width=120, height=90) for i in range(12)]
    expected = [slide.read_region(region) for region in regions]
    with ThreadPoolExecutor(6) as pool:
        read = list(pool.map(slide.read_region, regions * 3))
    for pixels, wanted in zip(read, expected * 3, strict=True):
        np.testing.assert_array_equal(pixels, wanted)


def test_an_unknown_level_is_an_index_error(slide):
    for method in (slide.read_region, slide.fetch):
        with pytest.raises(IndexError):
            method(Region(x=0, y=0, width=1, height=1), level=99)
    with pytest.raises(IndexError):
        slide.native_tiles(99)


def test_its_source_is_repeatable(slide):
    assert slide.source == slide.source
    assert len(slide.source.fingerprint) == 64


def test_it_survives_pickling(slide):
    if slide.reader == "array":
        pytest.skip("an array slide is held in memory: tests only readers of files")
    with pickle.loads(pickle.dumps(slide)) as copy:  # noqa: S301 - our own bytes
        assert copy.levels == slide.levels
        assert copy.mpp == slide.mpp
        region = Region(x=5, y=6, width=70, height=80)
        np.testing.assert_array_equal(copy.read_region(region), slide.read_region(region))


def test_closing_twice_is_fine_and_reading_then_is_not(slide):
    slide.close()
    slide.close()
    if slide.reader != "array":
        with pytest.raises(ValueError, match="is closed: open the slide again"):
            slide.read_region(Region(x=0, y=0, width=10, height=10))

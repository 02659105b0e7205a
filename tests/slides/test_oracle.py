"""OpenSlide is the oracle: where both readers open a slide, they agree bit for bit."""

import numpy as np
import pytest
import tifffile

from slidetile.raster.region import Region
from slidetile.slides.opening import open_slide

BOTH = ["CMU-1-Small-Region.svs", "CMU-1-small.tiff", "wsic-CMU-1-Small-Region.jpeg.tiff"]


@pytest.fixture(params=BOTH)
def pair(request, shared_slides):
    path = shared_slides / request.param
    with open_slide(path, reader="tiff") as ours, open_slide(path, reader="openslide") as theirs:
        yield ours, theirs


def test_the_same_slide(pair):
    ours, theirs = pair
    assert [level.size for level in ours.levels] == [level.size for level in theirs.levels]
    assert [level.downsample for level in ours.levels] == [
        level.downsample for level in theirs.levels
    ]
    assert ours.objective_power == theirs.objective_power
    assert ours.vendor == theirs.vendor
    assert ours.background == theirs.background
    assert ours.mpp == pytest.approx(theirs.mpp) if theirs.mpp else ours.mpp is None


def test_the_same_pixels(pair):
    ours, theirs = pair
    width, height = ours.width, ours.height
    regions = [
        ours.bounds,
        Region(x=0, y=0, width=1, height=1),
        Region(x=239, y=239, width=2, height=2),
        Region(x=-20, y=-30, width=300, height=300),
        Region(x=width - 100, y=height - 50, width=200, height=100),
    ]
    for region in regions:
        np.testing.assert_array_equal(ours.read_region(region), theirs.read_region(region))
    for level in range(len(ours.levels)):
        mine = ours.read_region(ours.bounds, level=level)
        np.testing.assert_array_equal(mine, theirs.read_region(ours.bounds, level=level))


def test_ome_tiff_as_tifffile_decodes_it(shared_slides):
    path = shared_slides / "petebankhead-OS-1-detail.ome.tif"
    with open_slide(path) as slide:
        np.testing.assert_array_equal(slide.read_region(slide.bounds), tifffile.imread(path))
        assert slide.vendor == "ome"
        assert slide.mpp == pytest.approx((0.2271, 0.2271), abs=1e-4)


def test_a_failed_openslide_handle_is_replaced(shared_slides, tmp_path):
    source = shared_slides / "CMU-1-Small-Region.svs"
    damaged = bytearray(source.read_bytes())
    with tifffile.TiffFile(source) as tiff:
        page = tiff.pages.first
        start = page.dataoffsets[20]
    damaged[start : start + 400] = bytes(400)
    path = tmp_path / "damaged.svs"
    path.write_bytes(damaged)
    broken = Region(x=0, y=480, width=240, height=240)
    sound = Region(x=960, y=960, width=240, height=240)
    for reader in ("openslide", "tiff"):
        with open_slide(path, reader=reader) as slide, open_slide(source) as whole:
            for _ in range(2):
                with pytest.raises(OSError, match=r"damaged\.svs") as caught:
                    slide.read_region(broken)
                assert "\n" not in str(caught.value)
                expected = whole.read_region(sound)
                np.testing.assert_array_equal(slide.read_region(sound), expected)

"""Windows at another resolution: crops of the whole slide, averaged."""

from fractions import Fraction

import numpy as np
import pytest

import slidetile as st
from slidetile.raster.averaging import Resampling


def whole_slide(store, level, factor):
    """All of a level, averaged at once."""
    array = store._arrays[level]
    frame = st.Region(x=0, y=0, width=array.grid.width, height=array.grid.height)
    resampling = Resampling(source_size=array.grid.size, factor=factor)
    width, height = resampling.size
    region = st.Region(x=0, y=0, width=width, height=height)
    return resampling.average(array.read(frame, (0, 0, 0)), frame, region)


@pytest.mark.parametrize(
    ("mpp", "level", "factor"),
    [
        (2.5, 1, (Fraction(5, 4), Fraction(5, 2))),
        (1.7, 0, (Fraction(17, 10), Fraction(17, 5))),
        (4.0, 1, (Fraction(2), Fraction(4))),
    ],
)
def test_a_window_is_the_crop_of_the_whole_slide_averaged(stores, mpp, level, factor):
    store = stores["keep"]
    whole = whole_slide(store, level, factor)
    windows = store.windows(size=20, stride=17, mpp=mpp, min_tissue_fraction=0)
    assert len(windows) > 5
    for (x, y), pixels in zip(windows._plan.corners.tolist(), windows, strict=True):
        assert np.array_equal(pixels, whole[y : y + 20, x : x + 20])


def test_windows_are_crops_of_a_store_made_at_their_resolution(sample, native, tmp_path):
    recipe = st.Recipe(mpp=0.7, codec="zstd", tile=st.TileSpec(min_tissue_fraction=0))
    made = st.tile_slide(sample, tmp_path / "made.zarr", recipe)
    windows = native.windows(size=100, stride=190, mpp=0.7)
    assert len(windows) > 50
    for (x, y), pixels in zip(windows._plan.corners.tolist(), windows, strict=True):
        region = st.Region(x=x, y=y, width=100, height=100)
        assert np.array_equal(pixels, made.read_region(region))


def test_averages_are_the_slides_to_the_sub_pixel(stores):
    """1.5 by 3 pixels of level 0 make one."""
    store = stores["keep"]
    windows = store.windows(size=30, stride=37, mpp=1.5, min_tissue_fraction=0)
    number = next(n for n, (x, _) in enumerate(windows._plan.corners.tolist()) if x % 2)
    (column, row), pixels = windows._plan.corners[number].tolist(), windows[number]
    x, y = column * 3 // 2, row * 3
    assert windows.coordinates[number].tolist() == [x, y]
    box = store.read_region(st.Region(x=x, y=y, width=46, height=90)).astype(float)
    for j, i in ((0, 0), (7, 13), (29, 29)):
        left = (column + i) * 1.5 - x
        weights = [max(0, min(left + 1.5, n + 1) - max(left, n)) for n in range(46)]
        mean = np.array(weights) @ box[3 * j : 3 * j + 3].sum(axis=0) / 4.5
        assert np.array_equal(pixels[j, i], np.floor(mean + 0.5))


@pytest.mark.parametrize(
    ("mpp", "level"), [(0.5, 0), (0.51, 0), (0.49, 0), (2.0, 1), (1.96, 1), (2.04, 1)]
)
def test_a_level_within_two_percent_is_used_as_it_is(native, mpp, level):
    windows = native.windows(size=64, mpp=mpp, min_tissue_fraction=0)
    assert windows.downsample == (4.0**level, 4.0**level)
    for number in (0, 5, len(windows) - 1):
        read = native.read_region(windows.region(number), level=level)
        assert np.array_equal(windows[number], read)


def test_beyond_two_percent_the_resolution_is_exactly_the_one_asked_for(native):
    for mpp, level in ((0.52, 0), (1.9, 0), (2.05, 1), (7.7, 1)):
        windows = native.windows(size=8, mpp=mpp)
        assert windows.downsample == pytest.approx((mpp / 0.5, mpp / 0.5), rel=1e-12)
        assert windows._view.array.grid == native._arrays[level].grid

"""Which windows a store has: those of a twin that looks at every pixel."""

import shutil
from fractions import Fraction
from math import ceil, floor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st_
from tampering import change_row

import slidetile as st


def tissue_over(store):
    """The share of each level-0 pixel that is tissue, exactly: the scale is whole."""
    (width, height), (across, down) = store.levels[0].size, store.overview_scale
    mask = store.tissue > 0
    return mask.repeat(int(down), axis=0).repeat(int(across), axis=1)[:height, :width]


def plain_windows(store, windows, *, size, stride, edge, least):
    """The plain twin: every window of the slide, one by one, by looking at every pixel."""
    slide_width, slide_height = store.levels[0].size
    covered = np.zeros((slide_height, slide_width), np.bool_)
    rows = store.tiles.to_pylist()
    for x, y, width, height in ((r["x"], r["y"], r["width"], r["height"]) for r in rows):
        covered[y : y + height, x : x + width] = True
    tissue = tissue_over(store)
    step, down = windows._view.step, _downsample(store, windows)
    found = {}
    for top in _starts(slide_height / step[1], size, stride, edge):
        for left in _starts(slide_width / step[0], size, stride, edge):
            x0, x1 = (Fraction(n) * step[0] for n in (left, left + size))
            y0, y1 = (Fraction(n) * step[1] for n in (top, top + size))
            rows = slice(floor(y0 / down[1]) * down[1], ceil(y1 / down[1]) * down[1])
            columns = slice(floor(x0 / down[0]) * down[0], ceil(x1 / down[0]) * down[0])
            if not covered[rows, columns].all():
                continue
            x1, y1 = min(x1, slide_width), min(y1, slide_height)
            area = tissue[floor(y0) : ceil(y1), floor(x0) : ceil(x1)].astype(float)
            across = [min(x1, x + 1) - max(x0, x) for x in range(floor(x0), ceil(x1))]
            along = [min(y1, y + 1) - max(y0, y) for y in range(floor(y0), ceil(y1))]
            whole = np.array(along, float) @ area @ np.array(across, float)
            share = whole / float((x1 - x0) * (y1 - y0))
            if share >= least:
                found[floor(x0), floor(y0)] = share
    return found


def _downsample(store, windows):
    number = [array.grid.size for array in store._arrays].index(windows._view.array.grid.size)
    return (1 << number, 1 << number)


def _starts(length, size, stride, edge):
    """Where windows begin along an axis: a new one for as long as something is left to cover."""
    count, starts = (ceil(length) if edge == "keep" else floor(length)), []
    for start in range(0, count, stride):
        if start + size <= count:
            starts.append(start)
            continue
        if edge != "drop" and (not starts or starts[-1] + size < count):
            starts.append(start if edge == "keep" else max(0, count - size))
        break
    return starts


@settings(deadline=None, max_examples=60)
@given(
    st_.sampled_from(["keep", "drop", "shift"]),
    st_.sampled_from([16, 50, 128, 300]),
    st_.sampled_from([31, 96, 250]),
    st_.sampled_from([None, 1.0, 2.0, 2.5, 4.0, 4.03, 7.3]),
    st_.sampled_from(["keep", "drop", "shift"]),
    st_.sampled_from([0, 0.33, 1]),
)
def test_windows_equal_the_brute_force_twin(stores, tiles, size, stride, mpp, edge, least):
    store = stores[tiles]
    windows = store.windows(size=size, stride=stride, mpp=mpp, min_tissue_fraction=least, edge=edge)
    expected = plain_windows(
        store, windows, size=size, stride=stride, edge=edge, least=least - 1e-9
    )
    found = [tuple(corner) for corner in windows.coordinates.tolist()]
    assert sorted(found) == sorted(expected)
    shares = [expected[corner] for corner in found]
    assert np.allclose(windows.tissue_fractions, shares, atol=1e-6)
    for number in {0, len(windows) // 2, len(windows) - 1} if len(windows) else ():
        region = windows.region(number)
        assert (region.x, region.y) == found[number]
        assert windows[number].shape == (size, size, 3)


def test_windows_on_unreadable_tiles_are_left_out(damaged_sample, tmp_path):
    store = st.tile_slide(
        damaged_sample, tmp_path / "s.zarr", st.Recipe(tile=st.TileSpec(size=256))
    )
    statuses = store.tiles["status"].to_pylist()
    bad = store.tile_region(statuses.index("unreadable"))
    windows = store.windows(size=64, min_tissue_fraction=0)
    assert len(windows) == 16 * (len(store) - 1)
    assert all(windows.region(n).intersection(bad) is None for n in range(len(windows)))
    assert windows.unreadable == 16
    (tile,) = store.select([statuses.index("unreadable")]).tiles["tile_id"].to_pylist()
    assert store.windows(size=64, min_tissue_fraction=0, where=[tile]).unreadable == 16
    others = [n for n in range(len(store)) if n != tile]
    assert store.windows(size=64, min_tissue_fraction=0, where=others).unreadable == 0


def test_an_empty_store_has_no_windows(tmp_path):
    slide = st.ArraySlide(np.full((300, 400, 3), 250, np.uint8), mpp=1.0)
    store = st.write_tiles(slide, st.plan_tiles(slide, st.find_tissue(slide)), tmp_path / "s.zarr")
    windows = store.windows(size=64, mpp=2.0, min_tissue_fraction=0)
    assert len(windows) == 0
    assert windows.coordinates.shape == (0, 2)
    assert windows.__getitems__([]) == list(windows) == []
    assert len(store.windows(size=8192)) == len(store.windows(size=1, mpp=250.0)) == 0


@pytest.mark.parametrize(
    ("choices", "message"),
    [
        ({"size": 0}, "1 to 8192 pixels a side, but this one 0"),
        ({"size": 9000}, "1 to 8192 pixels a side, but this one 9000"),
        ({"stride": 0}, "stride is at least 1 pixel, but this one is 0"),
        ({"min_tissue_fraction": 50}, "Is it given in percent"),
        ({"edge": "pad"}, "An edge is keep, drop, shift"),
        ({"mpp": 0}, "a positive number, but this one is 0"),
        ({"mpp": float("nan")}, "a positive number, but this one is nan"),
        (
            {"mpp": 0.4},
            "Windows at 0.4 µm per pixel are finer than what is stored: level 0 has 0.5×0.5",
        ),
        ({"mpp": 2000}, "factors from 1 to 256"),
    ],
)
def test_what_makes_no_sense_is_refused(native, choices, message):
    with pytest.raises(ValueError, match=message):
        native.windows(**choices)


def test_an_mpp_needs_one_in_the_store(tmp_path):
    slide = st.ArraySlide(np.zeros((300, 400, 3), np.uint8))
    tissue = st.find_tissue(slide, detector=lambda image: np.ones(image.shape[:2], np.bool_))
    plan = st.plan_tiles(slide, tissue, st.TileSpec(size=128))
    store = st.write_tiles(slide, plan, tmp_path / "s.zarr")
    assert len(store.windows(size=100)) == 12
    with pytest.raises(st.MissingResolutionError, match="leave mpp out"):
        store.windows(mpp=0.5)


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("x", 10**9, r"its tile 3 has the x 1000000000, but its column and row say another"),
        ("y", 2**31 - 1, r"its tile 3 has the y 2147483647"),
        ("width", -5, r"its tile 3 has the width -5, but tiles have 512 px"),
        ("column", 2**31 - 1, r"its tile 3 has the column 2147483647, but the slide has 8 columns"),
        ("row", 0, r"its tile \d+ has the column \d+, but tiles follow each other"),
    ],
)
def test_a_table_that_lies_is_not_opened(native, tmp_path, column, value, message):
    path = shutil.copytree(native.path, tmp_path / "s.zarr")
    change_row(path, 3, column, value)
    with pytest.raises(st.StoreError, match=message):
        st.open_store(path)

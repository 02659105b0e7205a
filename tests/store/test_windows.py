"""Windows: the right ones, with the right pixels, decoding little, from anywhere."""

import multiprocessing
import pickle
import shutil
import tracemalloc
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from math import ceil, floor
from typing import ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st_
from known_tissue import drawn

import slidetile as st
from slidetile.format.codecs.jpeg import NativeCodec
from slidetile.format.codecs.planar import ZstdCodec
from slidetile.raster.averaging import Resampling
from slidetile.raster.coverage import covered_share
from slidetile.store.array import FEWEST_CHUNKS, LARGEST_CACHE_BYTES, ArrayFile, ChunkCache
from slidetile.store.window_plan import STRIPE_PX

WIDTH, HEIGHT = 1101, 507


@pytest.fixture(scope="module")
def stores(tmp_path_factory):
    """Stores of a small slide, with 1 µm across and 0.5 down, by tile size and edge."""
    folder = tmp_path_factory.mktemp("windows")
    rng = np.random.default_rng(5)
    coarse = rng.integers(0, 256, (32, 69, 3)).astype(np.uint8)
    pixels = coarse.repeat(16, axis=0).repeat(16, axis=1)[:HEIGHT, :WIDTH] ^ rng.integers(
        0, 32, (HEIGHT, WIDTH, 3)
    ).astype(np.uint8)
    slide = st.ArraySlide(pixels, mpp=(1.0, 0.5), background=(240, 250, 230))
    overview = st.read_overview(slide, mpp=8.0)
    mask = np.zeros(overview.image.shape[:2], np.bool_)
    mask[8:, 20:] = mask[:8, :9] = True
    mask[20:24, 30:50] = False
    tissue = st.TissueMask.from_mask(mask, overview)
    return {
        edge: st.write_tiles(
            slide,
            st.plan_tiles(slide, tissue, st.TileSpec(size=size, edge=edge)),
            folder / f"{edge}.zarr",
            codec="zstd",
        )
        for edge, size in (("keep", 96), ("drop", 128), ("shift", 208))
    }


@pytest.fixture(scope="module")
def native(sample, tmp_path_factory):
    path = tmp_path_factory.mktemp("windows") / "native.zarr"
    recipe = st.Recipe(tile=st.TileSpec(size=512), detector=drawn)
    return st.tile_slide(sample, path, recipe)


def tissue_over(store):
    """The share of each level-0 pixel that is tissue, exactly: the scale is whole."""
    across, down = store.overview_scale
    mask = store.tissue > 0
    return mask.repeat(int(down), axis=0).repeat(int(across), axis=1)[:HEIGHT, :WIDTH]


def plain_windows(store, windows, *, size, stride, edge, least):
    """The plain twin: every window of the slide, one by one, by looking at every pixel."""
    covered = np.zeros((HEIGHT, WIDTH), np.bool_)
    rows = store.tiles.to_pylist()
    for x, y, width, height in ((r["x"], r["y"], r["width"], r["height"]) for r in rows):
        covered[y : y + height, x : x + width] = True
    tissue = tissue_over(store)
    step, down = windows._view.step, _downsample(store, windows)
    found = {}
    for top in _starts(HEIGHT / step[1], size, stride, edge):
        for left in _starts(WIDTH / step[0], size, stride, edge):
            x0, x1 = (Fraction(n) * step[0] for n in (left, left + size))
            y0, y1 = (Fraction(n) * step[1] for n in (top, top + size))
            rows = slice(floor(y0 / down[1]) * down[1], ceil(y1 / down[1]) * down[1])
            columns = slice(floor(x0 / down[0]) * down[0], ceil(x1 / down[0]) * down[0])
            if not covered[rows, columns].all():
                continue
            x1, y1 = min(x1, WIDTH), min(y1, HEIGHT)
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


@pytest.mark.parametrize("edge", ["keep", "drop", "shift"])
def test_windows_of_level_0_are_regions_of_the_store(stores, edge):
    store = stores[edge]
    for how in ("keep", "drop", "shift"):
        windows = store.windows(size=75, stride=60, min_tissue_fraction=0.2, edge=how)
        assert len(windows) > 20
        for number, pixels in enumerate(windows):
            assert np.array_equal(pixels, store.read_region(windows.region(number)))


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


def test_they_are_a_sequence(native):
    windows = native.windows(size=128, stride=100, min_tissue_fraction=0.3)
    assert isinstance(windows, Sequence)
    assert len(windows) == len(windows.coordinates) == len(windows.tissue_fractions) > 200
    assert np.array_equal(windows[-1], windows[len(windows) - 1])
    assert windows.region(-2) == windows.region(len(windows) - 2)
    some = windows[20:60:3][1:]
    assert type(some) is type(windows)
    assert len(some) == 13
    assert np.shares_memory(some.coordinates, windows.coordinates)
    assert np.array_equal(some.coordinates, windows.coordinates[23:60:3])
    assert np.array_equal(some[-1], windows[59])
    assert all(
        np.array_equal(a, b) for a, b in zip(some, (some[i] for i in range(13)), strict=True)
    )
    assert np.array_equal(next(reversed(some)), some[-1])
    assert len(windows[5:5]) == 0
    assert list(windows[5:5]) == []
    for beyond in (len(windows), -len(windows) - 1):
        with pytest.raises(IndexError, match="so there is no window"):
            windows[beyond]
    with pytest.raises(TypeError):
        windows["0"]
    with pytest.raises(ValueError, match="read-only"):
        windows.coordinates[0] = 1
    assert repr(windows).startswith(f"Windows({len(windows)} of 128 px, every 100 px")


class Counting:
    """Counts what is decoded."""

    __slots__ = ()
    decoded: ClassVar[list] = []

    def decode(self, payload, shape, scratch=None, /):
        self.decoded.append(len(payload))
        return super().decode(payload, shape, scratch)


class CountingNative(Counting, NativeCodec):
    __slots__ = ()


class CountingZstd(Counting, ZstdCodec):
    __slots__ = ()


def counted(store, codec):
    """The same store, whose decoding is counted from now on."""
    store = st.open_store(store.path)
    store._arrays = [ArrayFile(store.path / str(n), codec) for n in range(len(store._arrays))]
    Counting.decoded.clear()
    return store


def touched(windows):
    """Return the (column, row) of the chunks under each window."""
    grid = windows._view.array.grid
    regions = [windows._region(number) for number in range(len(windows))]
    if windows._view.resampling is not None:
        regions = [windows._view.resampling.source_region(region) for region in regions]
    spans = [grid.chunk_span(region) for region in regions]
    return [{(x, y) for y in range(s.y, s.bottom) for x in range(s.x, s.right)} for s in spans]


@pytest.mark.parametrize("mpp", [None, 0.7, 2.0])
def test_a_window_decodes_only_the_chunks_it_touches(native, mpp):
    store = counted(native, CountingNative())
    windows = store.windows(size=100, stride=90, mpp=mpp)
    for number, cells in list(enumerate(touched(windows[:15]))):
        Counting.decoded.clear()
        windows[number]
        assert len(Counting.decoded) == len(cells)


@pytest.mark.parametrize("mpp", [None, 1.4])
@pytest.mark.parametrize("codec", ["native", "zstd"])
def test_iterating_decodes_each_chunk_once(native, stores, codec, mpp):
    """Both slides are no wider than a stripe, so that once is once."""
    counting, made = (
        (CountingNative(), native) if codec == "native" else (CountingZstd(), stores["keep"])
    )
    mpp = None if mpp is None else mpp * made.mpp[0]
    windows = counted(made, counting).windows(size=100, stride=70, mpp=mpp)[:250]
    Counting.decoded.clear()
    for _ in windows:
        pass
    assert len(Counting.decoded) == len(set().union(*touched(windows)))
    Counting.decoded.clear()
    batch = list(range(len(windows) - 1, -1, -9))
    several = windows.__getitems__(batch)
    assert len(Counting.decoded) == len(set().union(*(touched(windows)[n] for n in batch)))
    assert all(np.array_equal(a, windows[n]) for a, n in zip(several, batch, strict=True))


def test_stripes_keep_what_two_rows_share(tmp_path):
    """A slide wider than a stripe: only what lies on a border between two is decoded twice."""
    pixels = np.random.default_rng(0).integers(0, 255, (2000, 2 * STRIPE_PX + 300, 1), np.uint8)
    slide = st.ArraySlide(pixels, mpp=1.0)
    tissue = st.find_tissue(slide, detector=lambda image: np.ones(image.shape[:2], np.bool_))
    made = st.write_tiles(slide, st.plan_tiles(slide, tissue), tmp_path / "w.zarr", codec="zstd")
    windows = counted(made, CountingZstd()).windows(size=128, stride=96)
    Counting.decoded.clear()
    for _ in windows:
        pass
    chunks = set().union(*touched(windows))
    rows = len({row for _, row in chunks})
    assert len(chunks) <= len(Counting.decoded) <= len(chunks) + 2 * rows


def test_a_cache_stays_within_its_bound():
    cache = ChunkCache(largest_bytes=10_000)
    for number in range(50):
        cache.keep((number, 0), np.zeros((10, 100, 1), np.uint8))
        assert cache.nbytes <= 10_000
    assert (49, 0) in cache
    assert (0, 0) not in cache
    for number in range(50):
        cache.keep((number, 1), np.zeros((100, 100, 1), np.uint8))
    assert sum((number, 1) in cache for number in range(50)) == FEWEST_CHUNKS
    for number in range(10**4):
        cache.keep((number, 2), None)  # not stored: takes next to nothing, but not nothing
    assert len(cache._chunks) < 100
    assert ChunkCache()._largest_bytes == LARGEST_CACHE_BYTES == 64 * 2**20


def test_windows_cross_to_spawned_processes(native):
    windows = native.windows(size=64, stride=50, mpp=0.8)
    again = pickle.loads(pickle.dumps(windows))  # noqa: S301  our own bytes
    assert np.array_equal(again.coordinates, windows.coordinates)
    assert len(pickle.dumps(windows[:10])) < len(pickle.dumps(windows)) / 10
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        found = pool.map(windows.__getitem__, [0, 5, len(windows) - 1])
        assert all(np.array_equal(a, windows[n]) for a, n in zip(found, (0, 5, -1), strict=True))
        sums = pool.map(_sum_all, [windows[:40], windows[40:100]])
    assert sum(sums) == _sum_all(windows[:100])


def _sum_all(windows):
    return sum(int(pixels.sum()) for pixels in windows)


def test_many_threads_read_the_same(native):
    windows = native.windows(size=90, stride=80, mpp=0.9)[:120]
    order = np.random.default_rng(0).permutation(len(windows)).tolist()
    with ThreadPoolExecutor(8) as pool:
        found = dict(zip(order, pool.map(windows.__getitem__, order), strict=True))
    assert all(np.array_equal(found[n], pixels) for n, pixels in enumerate(windows))


def test_windows_on_unreadable_tiles_are_left_out(damaged_sample, tmp_path):
    store = st.tile_slide(
        damaged_sample, tmp_path / "s.zarr", st.Recipe(tile=st.TileSpec(size=256))
    )
    statuses = store.tiles["status"].to_pylist()
    bad = store.tile_region(statuses.index("unreadable"))
    windows = store.windows(size=64, min_tissue_fraction=0)
    assert len(windows) == 16 * (len(store) - 1)
    assert all(windows.region(n).intersection(bad) is None for n in range(len(windows)))


@pytest.mark.parametrize("codec", ["raw", "jpeg"])
def test_windows_of_every_codec(tmp_path, codec):
    pixels = np.random.default_rng(0).integers(0, 255, (1200, 1300, 1), np.uint8)
    slide = st.ArraySlide(pixels, mpp=np.float64(0.5))
    tissue = st.find_tissue(slide, detector=lambda image: np.ones(image.shape[:2], np.bool_))
    plan = st.plan_tiles(slide, tissue, st.TileSpec(size=496, edge="drop"))
    store = st.write_tiles(slide, plan, tmp_path / "s.zarr", codec=codec)
    windows = store.windows(size=np.int64(200), stride=np.int32(150), mpp=np.float32(0.5))
    assert len(windows) == 6 * 6
    for number, found in enumerate(windows):
        assert np.array_equal(found, store.read_region(windows.region(number)))
        assert np.array_equal(found, windows[number : number + 1][0])


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
    ("change", "outcome"),
    [
        ({"x": lambda n: 10**9 + n}, "no windows"),
        ({"width": lambda _: -5}, "make no sense"),
        ({"x": lambda n: n % 2 * 10**9}, "some"),
    ],
)
def test_a_table_that_lies_does_no_harm(native, tmp_path, change, outcome):
    path = shutil.copytree(native.path, tmp_path / "s.zarr")
    table = native.tiles
    for name, value in change.items():
        place = table.column_names.index(name)
        values = pa.array([value(n) for n in range(len(table))], pa.int32())
        table = table.set_column(place, name, values)
    pq.write_table(table, path / "tiles" / "tiles.parquet")
    store = st.open_store(path)
    if outcome == "make no sense":
        with pytest.raises(st.StoreError, match="are damaged"):
            store.windows(size=256)
    else:
        windows = store.windows(size=256, min_tissue_fraction=0)
        assert (len(windows) == 0) == (outcome == "no windows")
        assert all(pixels.shape == (256, 256, 3) for pixels in windows)


def test_a_million_windows_are_chosen_in_flat_memory():
    """On a mask of 7.8 megapixels, of a slide of 100,000×80,000 pixels."""
    mask = np.zeros((2500, 3125), np.bool_)
    mask[500:2000, 700:2500] = True
    starts = {length: np.arange(0, length - 256, 89) for length in (80_000, 100_000)}
    rows, columns = ((s, s + 256) for s in starts.values())
    tracemalloc.start()
    shares = covered_share(mask, (32.0, 32.0), rows, columns)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert shares.size > 10**6
    assert peak < 8 * shares.size * 4 + 8 * 2**24
    row, column = 300, 400
    y, x = rows[0][row] / 32, columns[0][column] / 32
    inside = (min(y + 8, 2000) - max(y, 500)) * (min(x + 8, 2500) - max(x, 700))
    assert shares[row, column] == pytest.approx(inside / 64)

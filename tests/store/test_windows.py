"""Windows: a sequence with the right pixels, decoding little, from anywhere."""

import multiprocessing
import pickle
import re
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import ClassVar

import numpy as np
import pyarrow.compute as pc
import pytest

import slidetile as st
from slidetile.format.codecs.native import NativeCodec
from slidetile.format.codecs.planar import ZstdCodec
from slidetile.store._array import ArrayFile
from slidetile.store._window_plan import STRIPE_PX


@pytest.mark.parametrize("edge", ["keep", "drop", "shift"])
def test_windows_of_level_0_are_regions_of_the_store(stores, edge):
    store = stores[edge]
    for how in ("keep", "drop", "shift"):
        windows = store.windows(size=75, stride=60, min_tissue_fraction=0.2, edge=how)
        assert len(windows) > 20
        for number, pixels in enumerate(windows):
            assert np.array_equal(pixels, store.read_region(windows.region(number)))


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

    def decode(self, payload, *how):
        self.decoded.append(len(payload))
        return super().decode(payload, *how)


class CountingNative(Counting, NativeCodec):
    __slots__ = ()


class CountingZstd(Counting, ZstdCodec):
    __slots__ = ()


def counted(store, codec):
    """The same store, whose decoding is counted from now on."""
    store = st.open_store(store.path)
    store._arrays = [
        ArrayFile(array._folder, str(number), codec, array._absence)
        for number, array in enumerate(store._arrays)
    ]
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


@pytest.mark.parametrize(
    ("choices", "told"),
    [
        ({"size": 2000}, "No window of 2000 px lies wholly on the tiles of .* choose a smaller"),
        ({"size": 4000}, "A window of 4000 px covers 4000×4000 px of level 0, but the slide has"),
        ({"where": []}, "lies wholly on the tiles of .* that where allows"),
    ],
)
def test_where_there_is_no_window_a_warning_says_why(native, caplog, choices, told):
    assert len(native.windows(**choices)) == 0
    (record,) = caplog.records
    assert record.levelname == "WARNING"
    assert re.search(told, record.getMessage())
    caplog.clear()
    assert len(native.windows(size=100)) > 0
    assert not caplog.records


def test_lists_arrays_and_masks_are_indices(native):
    windows = native.windows(size=128, stride=100, min_tissue_fraction=0.3)
    mask = np.arange(len(windows)) % 7 == 3
    for index in ([5, 1, -1], (5, 1, -1), np.array([5, 1, -1]), np.array([5, 1], np.uint8), mask):
        some, numbers = windows[index], np.arange(len(windows))[np.asarray(index)]
        assert type(some) is type(windows)
        assert np.array_equal(some.coordinates, windows.coordinates[numbers])
        assert np.array_equal(some[-1], windows[int(numbers[-1])])
    assert [a.tobytes() for a in windows[[9, 2, 9]]] == [windows[n].tobytes() for n in (9, 2, 9)]
    assert len(windows[[]]) == 0
    for wrong in ([len(windows)], [-len(windows) - 1], np.array([True])):
        with pytest.raises(IndexError):
            windows[wrong]
    for wrong in ([0.5], ["a"], np.array([1.0])):
        with pytest.raises(TypeError, match="Indices are integers"):
            windows[wrong]
    with pytest.raises(IndexError, match="so there is no window -900"):
        windows[[0, -900]]


def test_windows_lie_on_the_tiles_they_are_asked_for(native):
    chosen = pc.field("tissue_fraction") > 0.6
    some = native.windows(size=100, stride=60, where=chosen, min_tissue_fraction=0)
    tiles = [native.tile_region(n) for n in native.select(chosen).tile_ids.tolist()]
    canvas = np.zeros(native.levels[0].size[::-1], np.bool_)
    for tile in tiles:
        canvas[tile.slices] = True
    every = native.windows(size=100, stride=60, min_tissue_fraction=0)
    inside = [n for n in range(len(every)) if canvas[every.region(n).slices].all()]
    assert 0 < len(inside) < len(every)
    assert np.array_equal(some.coordinates, every.coordinates[inside])
    ids = native.select(chosen).tile_ids
    assert np.array_equal(
        native.windows(size=100, stride=60, where=ids, min_tissue_fraction=0).coordinates,
        some.coordinates,
    )
    assert len(native.windows(size=100, where=[])) == 0

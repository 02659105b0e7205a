"""Raw stores: tiles are maps of the files, and of all else only the wanted rows are read."""

import multiprocessing
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from channel_files import signal

import slidetile as st
from slidetile.raster.region import Region

SIDE = 1024
"""Of a raw chunk."""

needs_linux = pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells it in /proc")


def stored(pixels, path, size, **options):
    slide = st.ArraySlide(pixels, mpp=0.5, background=(0, 0, 0), **options)
    overview = st.read_overview(slide, mpp=8.0)
    tissue = st.TissueMask.from_mask(np.ones(overview.image.shape[:2], np.bool_), overview)
    plan = st.plan_tiles(slide, tissue, st.TileSpec(size=size, min_tissue_fraction=0))
    return st.write_tiles(slide, plan, path, codec="raw").path


@pytest.fixture(scope="module", params=[(3, 8), (1, 8), (2, 16)], ids=str)
def made(request, tmp_path_factory):
    """A store of 3×2 chunks, cut at its right and bottom edges, and what it was made of."""
    channels, bits = request.param
    pixels = signal(1100, 2100, channels, bits=bits)
    folder = tmp_path_factory.mktemp("raw")
    return {size: stored(pixels, folder / f"{size}.zarr", size) for size in (256, 1024)}, pixels


@pytest.fixture(scope="module")
def large(tmp_path_factory):
    """A store of 32 chunks, which take 100 MB."""
    ramp = np.arange(4096, dtype=np.uint8)[:, np.newaxis, np.newaxis]
    pixels = np.broadcast_to(ramp, (4096, 8192, 3))
    return stored(pixels, tmp_path_factory.mktemp("large") / "l.zarr", SIDE)


def is_mapped(pixels):
    """Whether an array is made of a file's planes, where one that is read is interleaved."""
    return not pixels.flags.owndata and pixels.strides[1] == pixels.itemsize


@pytest.mark.parametrize("size", [256, 1024])
def test_a_tile_is_what_was_stored_and_a_map_where_it_lies_in_a_chunk(made, size):
    paths, pixels = made
    store = st.open_store(paths[size])
    height, width = pixels.shape[:2]
    for index, tile in enumerate(store):
        region = store.tile_region(index)
        inside = pixels[region.slices]
        np.testing.assert_array_equal(tile[: inside.shape[0], : inside.shape[1]], inside)
        np.testing.assert_array_equal(tile, store.read_region(region))
        assert tile.dtype == pixels.dtype
        assert tile.dtype.isnative
        if pixels.shape[2] > 1:
            assert is_mapped(tile) == (region.right <= width and region.bottom <= height)


def test_regions_and_windows_are_arrays_of_their_own(made):
    paths, pixels = made
    store = st.open_store(paths[1024])
    for x, y, width, height in ((1000, 1000, 50, 60), (5, 1010, 2000, 30), (1100, 7, 1, 900)):
        read = store.read_region(Region(x=x, y=y, width=width, height=height))
        np.testing.assert_array_equal(read, pixels[y : y + height, x : x + width])
        assert read.flags.c_contiguous
        assert read.base is None
    windows = store.windows(size=224, min_tissue_fraction=0)
    together = windows.__getitems__(range(len(windows)))
    for window, again, (x, y) in zip(windows, together, windows.coordinates, strict=True):
        np.testing.assert_array_equal(window, pixels[y : y + 224, x : x + 224])
        np.testing.assert_array_equal(again, window)
        assert window.base is None


def test_what_is_written_into_a_tile_stays_in_it(made, tmp_path):
    paths, pixels = made
    path = shutil.copytree(paths[1024], tmp_path / "s.zarr")
    store = st.open_store(path)
    tile = store[0]
    tile += 1
    tile[:100] = 7
    np.testing.assert_array_equal(store[0], pixels[:SIDE, :SIDE])
    np.testing.assert_array_equal(st.open_store(path)[0], pixels[:SIDE, :SIDE])
    assert st.verify_store(path) == ()
    assert (tile[:100] == 7).all()
    np.testing.assert_array_equal(tile[100:], pixels[100:SIDE, :SIDE] + 1)


def test_a_tile_outlives_its_store(made, tmp_path):
    paths, pixels = made
    path = shutil.copytree(paths[1024], tmp_path / "s.zarr")
    tile = st.open_store(path)[1]
    shutil.rmtree(path)
    np.testing.assert_array_equal(tile, pixels[:SIDE, SIDE : 2 * SIDE])


@pytest.mark.parametrize("way", ["spawn", "fork"])
def test_a_store_and_its_tiles_cross_to_processes(made, way):
    paths, pixels = made
    store = st.open_store(paths[1024])
    held = store[0]
    with multiprocessing.get_context(way).Pool(1) as pool:
        sums = pool.map(_sum, [held, (store, 0)])
    assert sums == [int(pixels[:SIDE, :SIDE].sum(dtype=np.int64))] * 2


def _sum(what):
    tile = what[0][what[1]] if isinstance(what, tuple) else what
    return int(tile.sum(dtype=np.int64))


@pytest.mark.parametrize("change", ["cut", "longer", "empty", "missing"])
def test_a_file_of_another_length_is_damage(made, tmp_path, change):
    paths, _ = made
    path = shutil.copytree(paths[1024], tmp_path / "s.zarr")
    file = path / "0" / "c" / "0" / "0" / "1"
    nbytes = file.stat().st_size
    if change == "missing":
        file.unlink()
    else:
        os.truncate(file, {"cut": nbytes - 1, "longer": nbytes + 1, "empty": 0}[change])
    store = st.open_store(path)
    told = "is missing, though" if change == "missing" else rf"bytes instead of {nbytes}\."
    for read in (
        lambda: store[1],
        lambda: store.read_region(Region(x=1030, y=9, width=5, height=5)),
        lambda: list(store.windows(size=64, min_tissue_fraction=0)),
        lambda: store.zarr["0"][:, :9, 1030:1040],
    ):
        with pytest.raises(st.StoreError, match=told):
            read()
    assert store[0].any()


ALL_HELD = """
import os, resource, sys
import slidetile as st

store = st.open_store(sys.argv[1])
st.open_store(sys.argv[1])[0].sum()
resource.setrlimit(resource.RLIMIT_NOFILE, (48, 48))
held = list(store)
mapped = sum(tile.strides[1] == 1 for tile in held)
file = os.open(sys.argv[1], os.O_RDONLY)
same = all((tile == store.read_region(store.tile_region(i))).all() for i, tile in enumerate(held))
print(mapped, len(held), file, same)
"""


def test_maps_never_take_more_than_half_of_the_descriptors(large):
    line = [sys.executable, "-c", ALL_HELD, str(large)]
    done = subprocess.run(line, check=True, capture_output=True, text=True)
    mapped, held, file, same = done.stdout.split()
    assert 8 < int(mapped) < int(held) == 32
    assert int(file) <= 24
    assert same == "True"


RESIDENT = """
import sys
import slidetile as st
from slidetile.runtime.memory import SystemGauge

store, gauge = st.open_store(sys.argv[1]), SystemGauge()
store[0].max(), store.read_region(store.tile_region(1))
resident = [gauge.resident_bytes()]
held = list(store)
resident.append(gauge.resident_bytes())
held[20].max()
resident.append(gauge.resident_bytes())
copies = [tile.copy() for tile in held[:8]]
resident.append(gauge.resident_bytes())
print(*(after - before for before, after in zip(resident, resident[1:])))
"""


@needs_linux
def test_nothing_of_a_tile_is_in_memory_before_it_is_looked_at(large):
    line = [sys.executable, "-c", RESIDENT, str(large)]
    done = subprocess.run(line, check=True, capture_output=True, text=True)
    of_views, of_a_look, of_copies = map(int, done.stdout.split())
    tile_bytes = 3 * SIDE * SIDE
    assert of_views < tile_bytes  # of 32 tiles
    assert 0.9 * tile_bytes < of_a_look < 1.5 * tile_bytes
    assert of_copies > 12 * tile_bytes  # the gauge sees what was touched, and the copies


@needs_linux
def test_only_the_rows_that_are_wanted_are_read(large):
    store = st.open_store(large)
    regions = [Region(x=900, y=1000, width=200, height=48), Region(x=0, y=9, width=1024, height=2)]
    for region in regions:
        store.read_region(region)
        before = bytes_read()
        store.read_region(region)
        rows = 3 * SIDE * region.height * (2 if region.x else 1)  # of two chunks, or one
        assert rows <= bytes_read() - before < rows + 4096


def bytes_read():
    """What this process has asked the system to read, from whatever file."""
    found = Path("/proc/self/io").read_text().splitlines()[0]
    return int(found.removeprefix("rchar: "))


LITTLE_SPACE = """
import resource, sys
import slidetile as st

store = st.open_store(sys.argv[1])
store[0].max(), store.read_region(store.tile_region(1))
used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + (24 << 20),) * 2)
held = []
try:
    while True:
        held.append(store[len(held)])
except MemoryError:
    print(len(held))
"""


@needs_linux
def test_without_address_space_for_a_map_a_tile_is_read_or_memory_is_out(large):
    line = [sys.executable, "-c", LITTLE_SPACE, str(large)]
    done = subprocess.run(line, check=True, capture_output=True, text=True)
    assert 4 <= int(done.stdout) < 32

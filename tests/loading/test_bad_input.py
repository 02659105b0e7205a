"""What cannot be loaded is told in a sentence, by whoever meets it."""

import os
import shutil
import signal
import warnings

import numpy as np
import pytest
from torch.utils.data import DataLoader

import slidetile as st
from slidetile.torch import TileDataset, TileStream, UnreadableWindowWarning


@pytest.fixture
def copied(native, tmp_path):
    shutil.copytree(native.path, tmp_path / "copy.zarr")
    return tmp_path / "copy.zarr"


@pytest.fixture
def damaged(copied):
    """A store with a chunk of level 0 overwritten, and the chunk's place."""
    store = st.open_store(copied)
    array = store._arrays[0]
    tile = store.tile_region(len(store) // 2)
    span = array.grid.chunk_span(tile)
    ((shard, places),) = list(array.shards(st.Region(x=span.x, y=span.y, width=1, height=1)))
    offset, length = array.index(shard)[places[0]].tolist()
    path = copied / "0" / array.metadata.shard_key(*shard)
    data = bytearray(path.read_bytes())
    data[offset : offset + length] = bytes(length)
    path.write_bytes(data)
    return copied, array.grid.chunk_region(span.x, span.y)


def hit(tiles, chunk):
    """The windows that need a chunk."""
    size = tiles.windows.sources[0].spec.size
    regions = [st.Region(x=x, y=y, width=size, height=size) for x, y in tiles.coordinates.tolist()]
    return [n for n, region in enumerate(regions) if region.intersection(chunk) is not None]


def test_a_damaged_window_is_named(damaged):
    path, chunk = damaged
    tiles = TileDataset(path, size=100)
    bad = hit(tiles, chunk)
    x, y = tiles.coordinates[bad[0]].tolist()
    told = f"Window {bad[0]}, at x={x}, y={y} of slide copy, cannot be read: The chunk at column"
    with pytest.raises(st.StoreError, match=told):
        tiles[bad[0]]
    with pytest.raises(st.StoreError, match=told):
        tiles.__getitems__(list(range(len(tiles))))
    with pytest.raises(st.StoreError, match=told):
        list(DataLoader(tiles, batch_size=16, num_workers=1))


def test_damaged_windows_are_left_out_and_named(damaged):
    path, chunk = damaged
    tiles = TileDataset(path, size=100, unreadable="skip")
    bad = hit(tiles, chunk)
    batch = list(range(len(tiles)))[::-1]
    with pytest.warns(UnreadableWindowWarning) as warned:
        items = tiles.__getitems__(batch)
    assert [item["index"] for item in items] == [n for n in batch if n not in bad]
    named = [int(str(each.message).split("Window ")[1].split(",")[0]) for each in warned]
    assert sorted(named) == bad
    for whole in items[:: len(items) // 7]:
        assert np.array_equal(
            whole["image"].numpy().transpose(1, 2, 0),
            st.open_store(path).windows(size=100)[whole["index"]],
        )
    with pytest.warns(UnreadableWindowWarning):
        given = [item["index"] for item in TileStream(tiles, buffer=30)]
    assert sorted(given) == sorted(set(batch) - set(bad))
    with (
        pytest.warns(UnreadableWindowWarning),
        pytest.raises(st.StoreError, match="None of the 2 windows of a batch can be read"),
    ):
        tiles.__getitems__(bad[:2])
    with pytest.raises(st.StoreError, match="cannot be read"):  # an item alone has no batch
        tiles[bad[0]]


@pytest.mark.filterwarnings("ignore::slidetile.torch.UnreadableWindowWarning")
def test_a_state_is_exact_where_windows_are_left_out(damaged):
    path, chunk = damaged
    stream = TileStream(TileDataset(path, size=100, unreadable="skip"), buffer=30)
    whole = [item["index"] for item in stream]
    assert 0 < len(stream.tiles) - len(whole) == len(hit(stream.tiles, chunk))
    for done in range(0, len(whole), len(whole) // 9):
        items = iter(stream)
        for _ in range(done):
            next(items)
        stream.load_state_dict(stream.state_dict())
        assert [item["index"] for item in stream] == whole[done:]


@pytest.mark.parametrize("unreadable", ["raise", "skip"])
def test_a_store_that_is_replaced_is_never_left_out(copied, sample, unreadable):
    tiles = TileDataset(copied, size=100, unreadable=unreadable)
    stream = iter(TileStream(tiles, buffer=4))
    _ = tiles.__getitems__(range(len(tiles))), next(stream)  # all chunks are kept
    shutil.rmtree(copied)
    st.tile_slide(sample, copied, st.Recipe(tile=st.TileSpec(size=256), codec="zstd"))
    for read in (lambda: tiles[9], lambda: tiles.__getitems__([8, 9]), lambda: list(stream)):
        with pytest.raises(st.StoreError, match=r"Slide copy: .* was replaced or changed since"):
            read()
    with pytest.raises(st.StoreError, match="was replaced or changed since"):
        list(DataLoader(tiles, batch_size=8, num_workers=1))
    shutil.rmtree(copied)
    with pytest.raises(st.StoreError, match="was deleted or moved since"):
        tiles[9]


def test_tiles_that_the_slide_lost_are_counted(damaged_sample, tmp_path):
    path = tmp_path / "lost.zarr"
    store = st.tile_slide(damaged_sample, path, st.Recipe(tile=st.TileSpec(size=512)))
    assert store.unreadable == 1
    tiles = TileDataset(path, size=100)
    assert tiles.unreadable_tiles == {"lost": 1}
    lost = store.tile_region(store.tiles["status"].to_pylist().index("unreadable"))
    assert hit(tiles, lost) == []


def test_no_window_left_says_why(native):
    with pytest.raises(ValueError, match=r"No window is left: none of 256×256 px .* where allows"):
        TileDataset(native, where=[])
    with pytest.raises(ValueError, match=r"at least 1 tissue \(min_tissue_fraction\)"):
        TileDataset(native, size=2000, min_tissue_fraction=1)
    with pytest.raises(ValueError, match="A window of 4000×4000 px is larger than each slide"):
        TileDataset(native, size=4000)
    with pytest.raises(ValueError, match="larger than each slide: the largest, native, has"):
        TileDataset(native, size=1500, mpp=2.0)
    with pytest.raises(ValueError, match="needs a store at least"):
        TileDataset([])


def test_stores_that_do_not_fit_together(cohort, native, tmp_path):
    with pytest.raises(ValueError, match=r"of different sizes: 0.5×0.5 µm and 1×1 µm. Give mpp"):
        TileDataset(cohort, size=64)
    with pytest.raises(ValueError, match=r"Two stores are called native: .* by a mapping"):
        TileDataset([native, native.path], size=64)
    grey = grey_store(tmp_path / "grey.zarr", mpp=0.5)
    with pytest.raises(ValueError, match="The channels of native and grey differ: 3 and 1"):
        TileDataset([native, grey], size=64)
    unknown = grey_store(tmp_path / "unknown.zarr", mpp=None)
    with pytest.raises(ValueError, match=r"0.5×0.5 µm and unknown"):
        TileDataset([grey, unknown], size=64)
    with pytest.raises(st.MissingResolutionError):
        TileDataset([grey, unknown], size=64, mpp=1.0)
    assert len(TileDataset(unknown, size=64)) > 0


def grey_store(path, mpp):
    pixels = np.random.default_rng(0).integers(0, 255, (300, 400, 1), np.uint8)
    slide = st.ArraySlide(pixels, mpp=mpp)
    overview = st.read_overview(slide, mpp=8.0) if mpp else st.read_overview(slide)
    tissue = st.TissueMask.from_mask(np.ones(overview.image.shape[:2], np.bool_), overview)
    plan = st.plan_tiles(slide, tissue, st.TileSpec(size=128))
    return st.write_tiles(slide, plan, path, codec="zstd")


def test_resolutions_that_are_near_are_joined(tmp_path):
    near = [grey_store(tmp_path / f"{mpp}.zarr", mpp=mpp) for mpp in (0.5, 0.499, 0.491, 0.48)]
    assert len(TileDataset(near[:2], size=64).slides) == 2
    assert len(TileDataset([near[0], near[2]], size=64).slides) == 2
    with pytest.raises(ValueError, match=r"of different sizes: 0.5×0.5 µm and 0.48×0.48 µm"):
        TileDataset([near[0], near[3]], size=64)


def test_one_context_needs_no_list(native):
    one, listed = (TileDataset(native, size=64, context_mpp=mpp) for mpp in (2, (2.0,)))
    assert one[0]["context"].shape == (1, 3, 64, 64)
    assert np.array_equal(one[0]["context"], listed[0]["context"])
    for wrong in (None, "coarse", (1.0, "x")):
        with pytest.raises(TypeError, match="context_mpp is a number or several"):
            TileDataset(native, size=64, context_mpp=wrong)


def test_a_stream_is_of_a_dataset():
    with pytest.raises(TypeError, match=r"is of a TileDataset, not of str: TileStream\(TileDat"):
        TileStream("stores")


def test_what_is_no_store_is_told(tmp_path, sample):
    with pytest.raises(st.StoreError, match="does not exist"):
        TileDataset(tmp_path / "none.zarr")
    with pytest.raises(st.StoreError, match="is a file, not a store"):
        TileDataset(sample)
    with pytest.raises(st.StoreError, match=r"holds no store, .* A store is a folder NAME\.zarr"):
        TileDataset(tmp_path)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"unreadable": "ignore"}, "unreadable must be one of"),
        ({"jitter_px": -1}, "jitter_px is a number from 0 on"),
        ({"seed": -1}, "seed is a number from 0 on"),
        ({"size": 0}, "A window has 1 to 8192"),
        ({"context_mpp": (0.1,)}, "finer than what is stored"),
    ],
)
def test_wrong_numbers_are_refused(native, given, told):
    with pytest.raises(ValueError, match=told):
        TileDataset(native, **{"size": 100, **given})


def kill(image):
    os.kill(os.getpid(), signal.SIGKILL)
    return image


def test_a_killed_worker_is_an_error_that_names_it(native):
    tiles = TileDataset(native, size=100, transform=kill)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises(RuntimeError, match=r"worker .*(killed by signal|exited unexpectedly)"):
            list(DataLoader(tiles, batch_size=8, num_workers=1))


@pytest.mark.parametrize("wrong", [lambda images: images[0], lambda images: (images, 1), list])
def test_a_transform_returns_as_many_images_as_it_is_given(native, wrong):
    tiles = TileDataset(native, size=64, mpp=0.5, context_mpp=(1.0,), transform=wrong)
    with pytest.raises(ValueError, match="as 2 images at once, and returns as many, but this one"):
        tiles[0]

"""TileDataset: the windows of stores, with what is known of each, whoever reads them."""

import copy
import multiprocessing
import pickle
import shutil

import numpy as np
import pyarrow.compute as pc
import pytest
import torch
from torch.utils.data import DataLoader

import slidetile as st
from slidetile.torch import TileDataset

# However many cores the tests run on.
pytestmark = pytest.mark.filterwarnings("ignore:This DataLoader will create")


def image(item):
    return item["image"].numpy().transpose(1, 2, 0)


def test_items_are_the_windows_of_a_store(native):
    windows = native.windows(size=100, stride=90, mpp=0.8, min_tissue_fraction=0.3)
    tiles = TileDataset(native, size=100, stride=90, mpp=0.8, min_tissue_fraction=0.3)
    assert len(tiles) == len(windows) > 100
    assert np.array_equal(tiles.coordinates, windows.coordinates)
    assert tiles.slides == ("native",)
    assert tiles.counts == {"native": len(windows)}
    for number in (0, 7, len(tiles) - 1):
        item = tiles[number]
        assert item["image"].dtype == torch.uint8
        assert np.array_equal(image(item), windows[number])
        assert [item["x"], item["y"]] == windows.coordinates[number].tolist()
        assert (item["slide"], item["index"]) == ("native", number)
    assert tiles[-1]["index"] == len(tiles) - 1
    assert set(tiles[0]) == {"image", "x", "y", "slide", "index"}
    for beyond in (len(tiles), -len(tiles) - 1):
        with pytest.raises(IndexError, match="so there is no window"):
            tiles[beyond]
    assert (
        repr(tiles)
        == f"TileDataset({len(tiles)} windows of 100 px at 0.8 µm per pixel, of 1 store)"
    )


@pytest.mark.parametrize("given", ["folder", "list", "mapping"])
def test_stores_are_joined(cohort, given):
    paths = {name: cohort / f"{name}.zarr" for name in "abc"}
    stores = {"folder": cohort, "list": list(paths.values()), "mapping": paths}[given]
    tiles = TileDataset(stores, size=64, mpp=1.0)
    each = {name: st.open_store(path).windows(size=64, mpp=1.0) for name, path in paths.items()}
    assert tiles.slides == ("a", "b", "c")
    assert tiles.counts == {name: len(windows) for name, windows in each.items()}
    joined = [(name, number) for name in each for number in range(len(each[name]))]
    rng = np.random.default_rng(1)
    batch = rng.permutation(len(tiles))[:60].tolist()
    for index, item in zip(batch, tiles.__getitems__(batch), strict=True):
        name, number = joined[index]
        assert (item["slide"], item["index"]) == (name, index)
        assert np.array_equal(image(item), each[name][number])
        assert tiles.slides[tiles.slide_numbers[index]] == name
        assert tiles.coordinates[index].tolist() == [item["x"], item["y"]]


def test_coordinates_are_pixels_of_the_slide(cohort, sample):
    """Store c has pixels of 1 µm, its slide of 0.5: what lies at x there lies at 2 x here."""
    tiles = TileDataset(cohort / "c.zarr", size=64)
    item = tiles[5]
    with st.open_slide(sample) as slide:
        under = slide.read_region(st.Region(x=item["x"], y=item["y"], width=128, height=128))
    means = under.reshape(64, 2, 64, 2, 3).mean(axis=(1, 3))
    assert np.abs(image(item) - means).max() <= 0.5


def test_a_batch_decodes_each_chunk_once(counted):
    store, decoded = counted
    tiles = TileDataset(store, size=100, stride=70)
    batch = np.random.default_rng(0).permutation(len(tiles))[:64].tolist()
    windows, grid = store.windows(size=100, stride=70), store.grids[0]
    spans = [grid.chunk_span(windows.region(number)) for number in batch]
    touched = {(x, y) for s in spans for x in range(s.x, s.right) for y in range(s.y, s.bottom)}
    decoded.clear()
    tiles.__getitems__(batch)
    assert len(decoded) == len(touched)


def test_contexts_have_the_centre_of_their_window(native):
    """1 µm is twice level 0's pixels, 4 µm twice those of level 1."""
    tiles = TileDataset(native, size=64, mpp=0.5, context_mpp=(1.0, 4.0))
    compared = 0
    for number in range(0, len(tiles), 17):
        item = tiles[number]
        assert item["context"].shape == (2, 3, 64, 64)
        for context, factor, level in zip(item["context"], (2, 8), (0, 1), strict=True):
            left, top = ((item[a] + 32) // factor - 32 for a in "xy")
            region = st.Region(x=2 * left, y=2 * top, width=128, height=128)
            width, height = native.levels[level].size
            if not st.Region(x=0, y=0, width=width, height=height).contains(region):
                continue
            pixels = native.read_level_region(region, level=level).astype(np.int64)
            means = (pixels.reshape(64, 2, 64, 2, 3).sum(axis=(1, 3)) + 2) // 4
            assert np.array_equal(context.numpy().transpose(1, 2, 0), means)
            compared += 1
    assert compared > 10


def test_contexts_of_one_level_share_its_chunks(counted):
    store, decoded = counted
    tiles = TileDataset(store, size=96, mpp=0.5, context_mpp=(0.7,), jitter_px=9)
    batch = list(range(0, len(tiles), 5))
    view, context = tiles.windows.sources[0].views.thing
    assert view.array is context.array
    places = [tiles.windows.place(index, tiles.jitter) for index in batch]
    regions = [r for p in places for r in (*view.sources(p[0]), *context.sources(p[1]))]
    spans = list(view.array.spans(regions))
    touched = {(x, y) for s in spans for x in range(s.x, s.right) for y in range(s.y, s.bottom)}
    stored = [cell for cell in touched if view.array.payload(*cell) is not None]
    decoded.clear()
    tiles.__getitems__(batch)
    assert len(decoded) == len(stored)


def test_jitter_is_reproducible_and_stays_on_the_tiles(native):
    tiles = TileDataset(native, size=100, jitter_px=30, seed=4)
    still = TileDataset(native, size=100)
    batch = list(range(0, len(tiles), 3))
    first = tiles.__getitems__(batch)
    again = TileDataset(native.path, size=100, jitter_px=30, seed=4).__getitems__(batch[::-1])[::-1]
    moved = np.array([[item[a] for a in "xy"] for item in first]) - still.coordinates[batch]
    assert np.abs(moved).max() <= 30
    assert len(np.unique(moved, axis=0)) > len(batch) / 2
    inside = np.zeros(native.levels[0].size[::-1], np.bool_)
    for number in range(len(native)):
        inside[native.tile_region(number).slices] = True
    for item, other in zip(first, again, strict=True):
        region = st.Region(x=item["x"], y=item["y"], width=100, height=100)
        assert inside[region.slices].shape == (100, 100)
        assert inside[region.slices].all()
        assert np.array_equal(image(item), native.read_region(region))
        assert torch.equal(item["image"], other["image"])
    tiles.set_epoch(1)
    later = tiles.__getitems__(batch)
    assert [i["x"] for i in later] != [i["x"] for i in first]
    tiles.set_epoch(0)
    assert [i["x"] for i in tiles.__getitems__(batch)] == [i["x"] for i in first]


def _unpickled(tiles):
    return pickle.loads(pickle.dumps(tiles))  # noqa: S301  of this test


@pytest.mark.parametrize("copied", [copy.deepcopy, _unpickled])
def test_running_workers_of_a_copy_move_windows_as_is_the_epochs_turn(native, copied):
    tiles = copied(TileDataset(native, size=100, jitter_px=30))
    loader = DataLoader(tiles, batch_size=16, num_workers=1, persistent_workers=True)
    places = []
    for epoch in range(2):
        tiles.set_epoch(epoch)
        places.append([x for batch in loader for x in batch["x"].tolist()])
        assert places[-1] == [tiles[index]["x"] for index in range(len(tiles))]
    assert places[0] != places[1]


def turned(images):
    return images.flip(-1).float() / 255


def test_a_transform_sees_window_and_contexts_at_once(native):
    plain = TileDataset(native, size=64, mpp=0.5, context_mpp=(1.0,))[3]
    item = TileDataset(native, size=64, mpp=0.5, context_mpp=(1.0,), transform=turned)[3]
    assert torch.equal(item["image"], turned(plain["image"]))
    assert torch.equal(item["context"], turned(plain["context"]))
    alone = TileDataset(native, size=64, mpp=0.5, transform=turned)[3]
    assert torch.equal(alone["image"], item["image"])


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_workers_of_every_kind_read_the_same(cohort, method):
    tiles = TileDataset(
        cohort, size=64, mpp=1.0, context_mpp=(2.0,), jitter_px=8, transform=turned, labels="row"
    )
    _ = tiles[0]  # the parent has read before it forks
    own = next(iter(DataLoader(tiles, batch_size=len(tiles))))
    loader = DataLoader(tiles, batch_size=50, num_workers=2, multiprocessing_context=method)
    batches = list(loader)
    for name in ("image", "context", "x", "y", "index", "label"):
        assert torch.equal(torch.cat([batch[name] for batch in batches]), own[name])
    assert [slide for batch in batches for slide in batch["slide"]] == own["slide"]


def test_running_workers_learn_of_an_epoch(native):
    tiles = TileDataset(native, size=100, jitter_px=40)
    loader = DataLoader(tiles, batch_size=32, num_workers=1, persistent_workers=True)
    seen = []
    for epoch in (0, 1, 0):
        tiles.set_epoch(epoch)
        seen.append(torch.cat([batch["x"] for batch in loader]))
    assert torch.equal(seen[0], seen[2])
    assert not torch.equal(seen[0], seen[1])


def test_a_pickle_holds_no_store_that_is_open(native):
    tiles = TileDataset(native, size=100)
    again = pickle.loads(pickle.dumps(tiles))  # noqa: S301  our own bytes
    (source,) = again.windows.sources
    assert not source.views.is_open
    assert torch.equal(again[3]["image"], tiles[3]["image"])
    assert source.views.is_open
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        found = pool.apply(_mean, (tiles, 3))
    assert found == tiles[3]["image"].float().mean().item()


def _mean(tiles, index):
    return tiles[index]["image"].float().mean().item()


def test_windows_lie_on_the_tiles_they_are_asked_for(native):
    where = pc.field("tissue_fraction") > 0.6
    tiles = TileDataset(native, size=100, where=where)
    assert np.array_equal(tiles.coordinates, native.windows(size=100, where=where).coordinates)
    assert 0 < len(tiles) < len(native.windows(size=100))


def test_samples_of_16_bits_become_int32(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 4096, (600, 700, 2), np.uint16)
    slide = st.ArraySlide(pixels, mpp=0.5, bits=12)
    tissue = st.find_tissue(slide, detector=lambda image: np.ones(image.shape[:2], np.bool_))
    plan = st.plan_tiles(slide, tissue, st.TileSpec(size=256, edge="drop"))
    store = st.write_tiles(slide, plan, tmp_path / "deep.zarr", codec="zstd")
    item = TileDataset(store, size=128)[1]
    assert item["image"].dtype == torch.int32
    region = st.Region(x=item["x"], y=item["y"], width=128, height=128)
    assert np.array_equal(image(item), store.read_region(region))


def test_a_store_that_is_moved_is_no_matter_of_its_name(native, tmp_path):
    shutil.copytree(native.path, tmp_path / "case 7.final.zarr")
    assert TileDataset(tmp_path / "case 7.final.zarr", size=100).slides == ("case 7.final",)

"""Batches that travel in memory which is used again: nobody ever sees another batch in it."""

import pickle
import threading

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, Dataset, default_collate

from slidetile.torch import TileDataset, TileStream, _lending
from slidetile.torch._batches import TileItem, join_items

WORKERS = {"batch_size": 6, "num_workers": 2}


@pytest.fixture(params=["dataset", "stream", "contexts", "transform"])
def given(request, native):
    """A dataset, and what a loader takes of it."""
    how = {
        "contexts": {"context_mpp": (1.0, 2.0), "mpp": 0.5},
        "transform": {"transform": lambda image: image.flip(-1)},
    }.get(request.param, {})
    tiles = TileDataset(native, size=96, **how)
    return tiles, TileStream(tiles, buffer=40) if request.param == "stream" else tiles


def directly(tiles):
    """Each window as it is read by itself, channels first."""
    return [tiles[index] for index in range(len(tiles))]


def check(batch, expected):
    for turn, index in enumerate(batch["index"].tolist()):
        for name in {"image", "context"} & set(batch):
            assert torch.equal(batch[name][turn], expected[index][name])


def test_batches_that_are_kept_stay_as_they_were(given):
    tiles, source = given
    expected = directly(tiles)
    loader = DataLoader(source, persistent_workers=True, **WORKERS)
    kept = []
    for _ in range(3):
        seen = []
        for number, batch in enumerate(loader):
            check(batch, expected)
            seen += batch["index"].tolist()
            if number % 3 == 0:
                kept.append({name: batch[name] for name in ("index", "image")})
            if number % 3 == 1:
                kept.append({"index": batch["index"][2:4], "image": batch["image"][2:4]})
        assert sorted(seen) == list(range(len(tiles)))
    for batch in kept:
        check(batch, expected)


class Telling(Dataset):
    """Tells with each window on how many pieces of memory its worker's batches travel."""

    def __init__(self, tiles):
        self.tiles = tiles

    def __len__(self):
        return len(self.tiles)

    def __getitems__(self, indices):
        items = self.tiles.__getitems__(indices)
        for item in items:
            item["loans"] = len(_lending._loans)
        return items


def test_memory_is_used_again_unless_somebody_looks_at_it(native):
    tiles = Telling(TileDataset(native, size=64))
    loans = [int(batch["loans"].max()) for batch in DataLoader(tiles, batch_size=4, num_workers=1)]
    assert len(loans) > 2 * max(loans)
    kept, most = [], 0
    for batch in DataLoader(tiles, batch_size=4, num_workers=1):
        kept.append(batch["image"])
        most = max(most, int(batch["loans"].max()))
    assert most >= len(kept) - 2


def test_a_batch_is_what_the_default_collation_gives(native):
    tiles = TileDataset(native, size=64, labels="row", context_mpp=(1.0,), mpp=0.5)
    items = tiles.__getitems__([5, 2, 9])
    batch, plain = join_items(items), default_collate([dict(item) for item in items])
    assert list(batch) == list(plain)
    for name, values in plain.items():
        same = torch.equal(batch[name], values) if torch.is_tensor(values) else None
        assert batch[name] == values if same is None else same
    assert batch["image"].is_contiguous(memory_format=torch.channels_last)
    alone = join_items(TileDataset(native, size=64).__getitems__([5, 2, 9]))
    assert alone["image"].is_contiguous(memory_format=torch.channels_last)


def test_windows_in_another_order_or_changed_are_joined(native):
    tiles = TileDataset(native, size=64)
    items = tiles.__getitems__([5, 2, 9])
    expected = [item["image"].clone() for item in items]
    mixed = join_items(items[::-1])
    assert torch.equal(mixed["image"], torch.stack(expected[::-1]))
    assert torch.equal(join_items(items[1:])["image"], torch.stack(expected[1:]))
    items[1]["image"] = items[1]["image"].flip(-1)
    assert torch.equal(
        join_items(items)["image"], torch.stack([expected[0], expected[1].flip(-1), expected[2]])
    )
    items[1]["image"] = items[1]["image"].float()
    plain = default_collate([dict(item) for item in items])
    assert torch.equal(join_items(items)["image"], plain["image"])
    for item in items:
        del item["image"]
    assert set(join_items(items)) == {"x", "y", "slide", "index"}


def test_items_cross_to_another_process_without_their_batch(native):
    items = TileDataset(native, size=64).__getitems__(range(8))
    crossed = pickle.loads(pickle.dumps(items[3]))  # noqa: S301  of this test
    assert type(crossed) is TileItem
    assert torch.equal(crossed["image"], items[3]["image"])
    assert len(pickle.dumps(items[3])) < 64 * 64 * 3 + 2000


def _twice(items):
    """A collation that gives its batch twice, and once as bytes."""
    batch = join_items(items)
    return {"first": batch, "second": batch, "bytes": pickle.dumps(batch)}


def test_a_batch_that_is_sent_twice_is_copied(native):
    tiles = TileDataset(native, size=64)
    expected = directly(tiles)
    kept = list(DataLoader(tiles, collate_fn=_twice, **WORKERS))
    for each in kept:
        check(each["first"], expected)
        check(each["second"], expected)
        check(pickle.loads(each["bytes"]), expected)  # noqa: S301  of this test


def _list_of(items):
    return [item["image"] for item in items]


def test_other_collations_get_the_windows_themselves(native):
    tiles = TileDataset(native, size=64)
    expected = [item["image"] for item in directly(tiles)]
    images = [
        image for batch in DataLoader(tiles, collate_fn=_list_of, **WORKERS) for image in batch
    ]
    assert all(map(torch.equal, images, expected))


@pytest.mark.parametrize("strategy", sorted(torch.multiprocessing.get_all_sharing_strategies()))
def test_either_way_of_sharing_memory_serves(native, strategy):
    tiles = TileDataset(native, size=96)
    expected = directly(tiles)
    before = torch.multiprocessing.get_sharing_strategy()
    torch.multiprocessing.set_sharing_strategy(strategy)
    try:
        kept = list(DataLoader(tiles, **WORKERS))
    finally:
        torch.multiprocessing.set_sharing_strategy(before)
    for batch in kept:
        check(batch, expected)


def test_threads_read_one_dataset_at_once(native):
    tiles = TileDataset(native, size=96)
    expected = directly(tiles)
    wrong = []

    def read(seed):
        order = np.random.default_rng(seed).permutation(len(tiles))
        for part in np.array_split(order, 10):
            items = tiles.__getitems__(part)
            is_right = [
                torch.equal(item["image"], expected[item["index"]]["image"]) for item in items
            ]
            wrong.extend(np.flatnonzero(~np.array(is_right)))

    threads = [threading.Thread(target=read, args=[seed]) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_chunks_are_kept_from_batch_to_batch(counted):
    store, decoded = counted
    tiles = TileDataset(store, size=256)
    for start in range(0, len(tiles), 4):
        tiles.__getitems__(range(start, min(start + 4, len(tiles))))
    assert len(decoded) == len(tiles)  # each is one chunk
    decoded.clear()
    tiles.__getitems__([0, 1])
    assert decoded == []


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_inference_mode_changes_nothing(native, method):
    with torch.inference_mode():
        tiles = TileDataset(native, size=96, jitter_px=8)
        stream, expected = TileStream(tiles, buffer=40), directly(tiles)
        for source in (tiles, stream):
            seen = []
            for batch in DataLoader(source, multiprocessing_context=method, **WORKERS):
                check(batch, expected)
                seen += batch["index"].tolist()
            assert sorted(seen) == list(range(len(tiles)))
    stream.set_epoch(1)
    expected = directly(tiles)
    for batch in DataLoader(stream, multiprocessing_context=method, **WORKERS):
        check(batch, expected)
    with torch.inference_mode():
        batches = list(DataLoader(tiles, multiprocessing_context=method, **WORKERS))
    for batch in batches:
        check(batch, expected)

"""Items and batches are their owner's: what is done with one is never seen in another."""

import io
import multiprocessing
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch
from torch.utils._pytree import tree_map
from torch.utils.data import DataLoader, Dataset, default_collate

from slidetile.torch import TileDataset, TileStream, _lending, _pieces
from slidetile.torch._batches import TileItem

# However many cores the tests run on.
pytestmark = pytest.mark.filterwarnings("ignore:This DataLoader will create")


@pytest.fixture
def tiles(native):
    return TileDataset(native, size=96)


@pytest.fixture
def expected(tiles):
    return torch.stack([tiles[index]["image"] for index in range(len(tiles))])


def is_right(batch, expected):
    return torch.equal(batch["image"], expected[batch["index"]])


class Wrapped(Dataset):
    """A dataset that does something with the items of a batch."""

    def __init__(self, tiles):
        self.tiles = tiles

    def __len__(self):
        return len(self.tiles)

    def __getitems__(self, indices):
        return self.tiles.__getitems__(indices)


class Caching(Wrapped):
    """Keeps items from epoch to epoch."""

    def __init__(self, tiles):
        super().__init__(tiles)
        self.cache = {}

    def __getitems__(self, indices):
        new = [index for index in indices if index not in self.cache]
        self.cache.update(zip(new, self.tiles.__getitems__(new), strict=True))
        return [self.cache[index] for index in indices]


@pytest.mark.parametrize("workers", [0, 1])
def test_a_training_changes_no_items_that_a_dataset_keeps(tiles, expected, workers):
    loader = DataLoader(
        Caching(tiles), batch_size=16, num_workers=workers, persistent_workers=workers > 0
    )
    for _ in range(3):
        for batch in loader:
            assert is_right(batch, expected)
            batch["image"].fill_(7)


def _twice(items):
    one, other = default_collate(items), default_collate(items)
    other["image"].fill_(7)
    return one


def _items_after_their_batch(items):
    batch = default_collate(items)
    index = batch["index"].clone()
    batch["image"].fill_(7)
    return {"image": torch.stack([item["image"] for item in items]), "index": index}


@pytest.mark.parametrize("workers", [0, 1])
@pytest.mark.parametrize("collation", [_twice, _items_after_their_batch])
def test_a_batch_is_not_its_items(tiles, expected, collation, workers):
    loader = DataLoader(tiles, batch_size=16, num_workers=workers, collate_fn=collation)
    assert all(is_right(batch, expected) for batch in loader)


class Turning(Wrapped):
    """Turns every other window, which makes it another kind of dictionary."""

    def __getitems__(self, indices):
        items = self.tiles.__getitems__(indices)
        return [
            item if n % 2 else item | {"image": item["image"].flip(-1)}
            for n, item in enumerate(items)
        ]


def test_some_items_may_be_plain_dictionaries(tiles, expected):
    batch = next(iter(DataLoader(Turning(tiles), batch_size=4)))
    assert torch.equal(batch["image"][1::2], expected[[1, 3]])
    assert torch.equal(batch["image"][::2], expected[[0, 2]].flip(-1))
    first = next(iter(DataLoader(Turning(tiles), batch_sampler=[[1, 0]])))
    assert torch.equal(first["image"], torch.stack([expected[1].flip(-1), expected[0]]))


def test_images_keep_their_dtype(tiles, expected):
    items = tiles.__getitems__([0, 1])
    for item in items:
        item["image"] = item["image"].view(torch.int8)
    assert torch.equal(default_collate(items)["image"], expected[:2].view(torch.int8))


def test_changing_an_items_label_changes_no_other(native):
    tiles = TileDataset(native, size=96, labels=["row", "column"])
    first = tiles.labels[0].tolist()
    tiles[0]["label"].add_(99)
    assert tiles[0]["label"].tolist() == tiles.labels[0].tolist() == first


def test_batches_can_be_saved_and_loaded(tiles):
    for workers in (0, 1):
        batch = next(iter(DataLoader(tiles, batch_size=4, num_workers=workers)))
        assert type(batch) is dict
        file = io.BytesIO()
        torch.save(batch, file)
        file.seek(0)
        assert torch.equal(torch.load(file, weights_only=True)["image"], batch["image"])


def test_items_are_saved_and_loaded_as_weights_are(tiles, tmp_path):
    item = tiles[1]
    torch.save(item, tmp_path / "item.pt")
    found = torch.load(tmp_path / "item.pt")
    assert type(found) is type(item)
    assert found.keys() == item.keys()
    assert torch.equal(found["image"], item["image"])
    assert (found["x"], found["slide"]) == (item["x"], item["slide"])


def test_items_are_taken_apart_as_dictionaries_are(tiles):
    """As transforms of torchvision do, which leave alone what they cannot take apart."""
    item = tiles[3]
    doubled = tree_map(lambda value: value * 2, item)
    assert type(doubled) is TileItem
    assert list(doubled) == list(item)
    assert torch.equal(doubled["image"], item["image"] * 2)
    assert doubled["slide"] == item["slide"] * 2


def _with_a_sparse_one(items):
    return default_collate(items) | {"mask": torch.eye(3).to_sparse()}


def _with_a_sparse_one_within(items):
    batch = default_collate(items)
    batch["mask"] = torch.eye(3).to_sparse()
    return batch


@pytest.mark.filterwarnings("ignore:Sparse invariant checks")
@pytest.mark.parametrize("collation", [_with_a_sparse_one, _with_a_sparse_one_within])
def test_batches_take_tensors_of_every_layout(tiles, collation):
    loader = DataLoader(tiles, batch_size=8, num_workers=1, collate_fn=collation, timeout=60)
    assert next(iter(loader))["mask"].layout == torch.sparse_coo


class InThreads(Wrapped):
    """Reads the parts of a batch in threads of the worker, and joins them there, too."""

    def __getitems__(self, indices):
        sys.setswitchinterval(1e-6)
        with ThreadPoolExecutor(4) as pool:
            parts = pool.map(self.joined, [indices[n::4] for n in range(4)])
            return [part for part in parts if part is not None]

    def joined(self, indices):
        return default_collate(self.tiles.__getitems__(indices)) if indices else None


def _all_parts(parts):
    return parts


def test_threads_of_a_worker_never_share_memory(tiles, expected):
    loader = DataLoader(InThreads(tiles), batch_size=16, num_workers=1, collate_fn=_all_parts)
    parts = [part for batch in loader for part in batch]
    assert sum(len(part["index"]) for part in parts) == len(tiles)
    assert all(is_right(part, expected) for part in parts)


def test_threads_of_a_process_take_pieces_that_are_theirs():
    wrong = []

    def fill(number):
        for turn in range(300):
            kept = [_pieces.piece((3 + turn % 2, 50)).fill_(number) for _ in range(4)]
            wrong.extend(each for each in kept if not bool((each == number).all()))

    threads = [threading.Thread(target=fill, args=[number]) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def _look(batch, expected, go, answers):
    torch.set_num_threads(1)  # a forked process has lost the others
    go.wait(60)
    answers.put(is_right(batch, expected))


def test_a_forked_process_sees_the_batch_that_it_was_forked_with(tiles, expected):
    context = multiprocessing.get_context("fork")
    go, answers, processes = context.Event(), context.SimpleQueue(), []
    for number, batch in enumerate(DataLoader(tiles, batch_size=8, num_workers=1)):
        if number < 3:
            arguments = batch, expected, go, answers
            processes.append(context.Process(target=_look, args=arguments))
            processes[-1].start()
    go.set()  # all later batches have been given, in memory that this process let go of
    assert [answers.get() for _ in processes] == [True] * 3
    for process in processes:
        process.join()


def test_batches_stay_when_a_forked_process_lets_go_of_them(tiles, expected):
    kept = []
    for number, batch in enumerate(DataLoader(tiles, batch_size=8, num_workers=1)):
        kept.append(batch)
        if number == 3:
            process = multiprocessing.get_context("fork").Process(target=kept.clear)
            process.start()
            process.join()
    assert all(is_right(batch, expected) for batch in kept)


class Telling(Wrapped):
    """Tells with each window how many pieces of memory its worker has."""

    def __getitems__(self, indices):
        items = self.tiles.__getitems__(indices)
        return [item | {"loans": len(_lending._loans)} for item in items]


def _as_items(items):
    return default_collate([TileItem(item) for item in items])


@pytest.mark.parametrize("forks", [False, True])
def test_a_worker_keeps_no_memory_that_was_only_needed_once(tiles, forks):
    loader = DataLoader(
        Telling(tiles), batch_size=4, num_workers=1, persistent_workers=True, collate_fn=_as_items
    )
    kept = list(loader)
    assert kept[-1]["loans"].max() > 3 * _lending.MOST_FREE
    if forks:
        process = multiprocessing.get_context("fork").Process(target=kept.clear)
        process.start()
        process.join()
    kept.clear()
    loans = [int(batch["loans"].max()) for batch in loader]
    assert loans[-1] <= _lending.MOST_FREE + 4


def _open_files():
    folder = Path("/proc/self/fd")
    if not folder.is_dir():
        pytest.skip("this system does not tell which files are open")
    return len(list(folder.iterdir()))


def test_thousands_of_datasets_take_few_file_descriptors(native):
    before = _open_files()
    streams = [TileStream(TileDataset(native, size=512)) for _ in range(40)]
    assert _open_files() - before < len(streams) / 4
    for number, stream in enumerate(streams):
        stream.set_epoch(number)
    assert [stream.epoch for stream in streams] == list(range(len(streams)))


def _set_epoch_of_a_new_one(path, tiles):
    TileDataset(path, size=512).set_epoch(5)
    tiles.set_epoch(tiles.epoch + 3)


def test_a_dataset_of_a_forked_process_shares_no_epoch_with_a_later_one_here(native):
    tiles = TileDataset(native, size=512)
    process = multiprocessing.get_context("fork").Process(
        target=_set_epoch_of_a_new_one, args=(native.path, tiles)
    )
    process.start()
    process.join()
    assert tiles.epoch == 3
    assert TileDataset(native, size=512).epoch == 0

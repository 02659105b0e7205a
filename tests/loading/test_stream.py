"""TileStream: each window once, in a drawn order, each chunk decoded once, and gone on from."""

import json
import multiprocessing
import pickle
from itertools import chain

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as some
from torch.utils.data import DataLoader

from slidetile.torch import TileDataset, TileStream
from slidetile.torch._giving import given as given_windows
from slidetile.torch._order import Share, in_order, ordered
from slidetile.torch._progress import delivered

# However many cores the tests run on.
pytestmark = pytest.mark.filterwarnings("ignore:This DataLoader will create")


def indices(stream):
    return [item["index"] for item in stream]


def runs_of(lengths):
    return np.split(np.arange(sum(lengths)), np.cumsum(lengths)[:-1])


LENGTHS = some.lists(some.integers(1, 9), min_size=1, max_size=12)


@given(
    LENGTHS, some.integers(1, 7), some.integers(1, 20), some.integers(1, 5), some.integers(0, 99)
)
def test_shares_are_disjoint_and_complete_whatever_is_given(
    lengths, shares, buffer, open_runs, seed
):
    runs, total = runs_of(lengths), sum(lengths)
    orders = [
        ordered(
            runs,
            Share(number=n, count=shares),
            seed=seed,
            epoch=1,
            buffer=buffer,
            open_runs=open_runs,
        )
        for n in range(shares)
    ]
    found = [order.reading[order.giving].tolist() for order in orders]
    assert sorted(chain(*found)) == list(range(total))
    sizes = [len(each) for each in found]
    assert max(sizes) - min(sizes) <= 1
    assert sizes == [Share(number=n, count=shares).size(total) for n in range(shares)]
    plain = [in_order(runs, Share(number=n, count=shares)) for n in range(shares)]
    assert list(chain(*(order.reading.tolist() for order in plain))) == list(range(total))
    for order in orders:  # none is given that would not be read by then
        assert all(place < step + buffer for step, place in enumerate(order.giving.tolist()))


@given(LENGTHS, some.integers(1, 20), some.integers(1, 5), some.data())
def test_what_is_left_is_read_once_and_given_in_order(lengths, buffer, open_runs, data):
    share = Share(number=0, count=1)
    order = ordered(runs_of(lengths), share, seed=3, epoch=0, buffer=buffer, open_runs=open_runs)
    begin = data.draw(some.integers(0, sum(lengths)))
    read = []

    def reader(numbers):
        for number in numbers:
            read.append(number)
            yield number

    found = list(given_windows(order, begin, reader))
    assert found == order.reading[order.giving[begin:]].tolist()
    assert sorted(read) == sorted(found)


def test_a_stream_gives_each_window_once_as_the_dataset_has_it(cohort):
    tiles = TileDataset(cohort, size=64, mpp=1.0, jitter_px=5, labels="column")
    found = list(TileStream(tiles, buffer=40))
    assert sorted(item["index"] for item in found) == list(range(len(tiles)))
    for item in found[::29]:
        same = tiles[item["index"]]
        assert torch.equal(item["image"], same["image"])
        assert {k: v for k, v in item.items() if k != "image"} == {
            k: v for k, v in same.items() if k != "image"
        }
    in_order = TileStream(tiles, shuffle=False)
    assert indices(in_order) == list(range(len(tiles)))


@pytest.mark.parametrize("shuffle", [True, False])
@pytest.mark.parametrize("stride", [64, 100, 256])
def test_each_chunk_is_decoded_once(counted, shuffle, stride):
    """The slide is no wider than a stripe, so that once is once."""
    store, decoded = counted
    tiles = TileDataset(store, size=100, stride=stride)
    grid = store.grids[0]
    windows = store.windows(size=100, stride=stride)
    spans = [grid.chunk_span(windows.region(number)) for number in range(len(windows))]
    touched = {(x, y) for s in spans for x in range(s.x, s.right) for y in range(s.y, s.bottom)}
    stream = TileStream(tiles, shuffle=shuffle, buffer=50)
    decoded.clear()
    assert len(indices(stream)) == len(tiles)
    assert len(decoded) == len(touched)


def test_runs_share_no_chunk(cohort):
    tiles = TileDataset(cohort, size=64, mpp=1.0, min_tissue_fraction=0)
    cells = set()
    for store, source in enumerate(tiles.windows.sources):
        view = source.views.thing[0]
        starts = source.run_starts().tolist()
        assert len(starts) > 1
        for first, last in zip(starts, [*starts[1:], len(source)], strict=True):
            regions = [r for n in range(first, last) for r in view.sources(source.place(n)[0])]
            spans = view.array.spans(regions)
            own = {
                (store, x, y)
                for s in spans
                for x in range(s.x, s.right)
                for y in range(s.y, s.bottom)
            }
            assert not own & cells
            cells |= own


def test_the_order_follows_from_seed_and_epoch(native):
    tiles = TileDataset(native, size=100, stride=60)

    def order(seed, epoch):
        stream = TileStream(TileDataset(native, size=100, stride=60), seed=seed, buffer=100)
        stream.set_epoch(epoch)
        return indices(stream)

    first = order(1, 0)
    assert first == order(1, 0)
    assert len({tuple(order(s, e)) for s, e in ((1, 0), (1, 1), (2, 0), (0, 1))}) == 4
    assert first != sorted(first)
    assert len(first) == len(tiles)


def test_the_order_is_the_same_wherever_it_is_made():
    """Whoever resumes a run years later, with another numpy, gets what was left."""
    share = Share(number=0, count=1)
    order = ordered(runs_of([3, 4, 2]), share, seed=7, epoch=2, buffer=3, open_runs=2)
    assert order.reading[order.giving].tolist() == ORDER


ORDER = [4, 5, 1, 0, 6, 3, 8, 2, 7]


@pytest.mark.parametrize("workers", [0, 1, 3])
@pytest.mark.parametrize("world_size", [1, 2])
def test_workers_and_ranks_share_an_epoch(native, monkeypatch, workers, world_size):
    tiles = TileDataset(native, size=100, stride=60)
    found = []
    for rank in range(world_size):
        monkeypatch.setenv("RANK", str(rank))
        monkeypatch.setenv("WORLD_SIZE", str(world_size))
        stream = TileStream(tiles, buffer=50)
        loader = DataLoader(stream, batch_size=16, num_workers=workers)
        own = torch.cat([batch["index"] for batch in loader]).tolist()
        assert len(own) == stream.count
        explicit = TileStream(tiles, buffer=50, rank=rank, world_size=world_size)
        monkeypatch.delenv("RANK")
        monkeypatch.delenv("WORLD_SIZE")
        loader = DataLoader(explicit, batch_size=16, num_workers=workers)
        assert torch.cat([batch["index"] for batch in loader]).tolist() == own
        found.append(own)
    assert sorted(chain(*found)) == list(range(len(tiles)))
    assert abs(len(found[0]) - len(found[-1])) <= 1


def test_running_workers_begin_the_next_epoch(native):
    stream = TileStream(TileDataset(native, size=100), buffer=50)
    loader = DataLoader(stream, batch_size=16, num_workers=2, persistent_workers=True)
    seen = []
    for epoch in (0, 1, 0):
        stream.set_epoch(epoch)
        seen.append(torch.cat([batch["index"] for batch in loader]).tolist())
    assert seen[0] == seen[2] != seen[1]
    assert all(sorted(each) == list(range(len(stream.tiles))) for each in seen)


@pytest.mark.parametrize("done", [0, 1, 57, 10_000])
def test_a_stream_goes_on_where_it_was_saved(counted, done):
    store, decoded = counted
    stream = TileStream(TileDataset(store, size=100, jitter_px=7), buffer=40, seed=5)
    stream.set_epoch(3)
    whole = list(stream)
    items = iter(stream)
    begun = [item for _, item in zip(range(done), items, strict=False)]
    saved = json.dumps(stream.state_dict())
    again = TileStream(TileDataset(store, size=100, jitter_px=7), buffer=40, seed=5)
    again.load_state_dict(json.loads(saved))
    assert again.epoch == 3
    decoded.clear()
    rest = list(again)
    assert [i["index"] for i in (*begun, *rest)] == [i["index"] for i in whole]
    assert all(
        torch.equal(a["image"], b["image"]) for a, b in zip(whole[len(begun) :], rest, strict=True)
    )
    assert len(rest) > 0 or decoded == []
    assert indices(again) == [i["index"] for i in whole]  # the next epoch is whole


@pytest.mark.parametrize("workers", [0, 2, 3])
def test_a_loader_with_workers_goes_on_where_it_was_saved(native, workers):
    tiles = TileDataset(native, size=100, stride=60)
    stream = TileStream(tiles, buffer=40)
    options = {"batch_size": 16, "num_workers": workers}
    whole = [batch["index"].tolist() for batch in DataLoader(stream, **options)]
    for batches in (0, 1, len(whole) // 2, len(whole) - 1, len(whole)):
        state = stream.state_after(batches, **options)
        again = TileStream(tiles, buffer=40)
        again.load_state_dict(json.loads(json.dumps(state)))
        rest = [batch["index"].tolist() for batch in DataLoader(again, **options)]
        done = {index for batch in whole[:batches] for index in batch}
        assert sorted(chain(*rest)) == sorted(set(range(len(tiles))) - done)
        if batches % max(workers, 1) == 0:  # then the same worker has its turn
            assert rest == whole[batches:]


@pytest.mark.parametrize("workers", [1, 3])
def test_a_rank_goes_on_with_its_own_state_alone(native, workers):
    tiles = TileDataset(native, size=100, stride=60)
    ranks = [TileStream(tiles, rank=rank, world_size=2) for rank in range(2)]
    states = [s.state_after(workers, batch_size=4, num_workers=workers) for s in ranks]
    for rank, stream in enumerate(ranks):
        stream.load_state_dict(states[rank])
        told = f"of rank {1 - rank}, but this is rank {rank}: each rank saves its own"
        with pytest.raises(ValueError, match=told):
            stream.load_state_dict(states[1 - rank])


def test_a_state_that_was_loaded_before_ranks_are_told_is_of_one_of_them(native, monkeypatch):
    stream = TileStream(TileDataset(native, size=100))
    monkeypatch.setenv("RANK", "0")
    monkeypatch.setenv("WORLD_SIZE", "2")
    next(iter(stream))
    state = stream.state_dict()
    monkeypatch.delenv("RANK")
    monkeypatch.delenv("WORLD_SIZE")
    stream.load_state_dict(state)
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("RANK", "1")
    with pytest.raises(
        ValueError, match=r"is of the workers \[0\] of 2, .* but this is 1: each rank"
    ):
        next(iter(stream))
    monkeypatch.setenv("RANK", "0")
    assert sum(1 for _ in stream) == stream.count - 1


def test_batches_are_taken_from_workers_by_turns():
    assert delivered({0: 10, 1: 9, 2: 9}, 0, 4) == {0: 0, 1: 0, 2: 0}
    assert delivered({0: 10, 1: 9, 2: 9}, 4, 4) == {0: 8, 1: 4, 2: 4}
    assert delivered({4: 9, 5: 8}, 5, 4) == {4: 9, 5: 8}
    assert delivered({4: 9, 5: 8}, 99, 4) == {4: 9, 5: 8}


@pytest.mark.parametrize(
    "damage",
    [
        *({"given": None}, {"given": {"0": "x"}}, {"given": {"0": -1}}, {"shares": 0}),
        *({"given": {"1": 4}}, {"epoch": None}, {"epoch": -1}),
    ],
)
def test_damaged_states_are_refused(native, damage):
    stream = TileStream(TileDataset(native, size=100))
    state = stream.state_after(1, batch_size=4) | damage
    with pytest.raises(ValueError, match="This state is damaged"):
        stream.load_state_dict(state)
    with pytest.raises(ValueError, match="batch_size is at least 1"):
        stream.state_after(1, batch_size=0)


def moved(native, **options):
    return TileStream(TileDataset(native, size=100, stride=60, jitter_px=8, **options))


@pytest.mark.parametrize("state", [{}, None, [], {"epoch": 1}])
def test_what_is_no_state_is_told_what_to_give(native, state):
    with pytest.raises(ValueError, match=r"no state of a stream: give what its state_dict\(\)"):
        TileStream(TileDataset(native, size=100)).load_state_dict(state)


def test_batches_that_cannot_have_been_given_are_refused(native):
    stream = TileStream(TileDataset(native, size=100))
    total = len(stream.tiles)
    most = -(-total // 16)
    assert stream.state_after(most, batch_size=16)["given"] == {"0": total}
    with pytest.raises(ValueError, match=f"of 16 cannot have been given: 1 share .* give {most}"):
        stream.state_after(most + 1, batch_size=16)
    with pytest.raises(ValueError, match="cannot have been given"):
        stream.state_after(total // 16 + 1, batch_size=16, drop_last=True)
    stream.load_state_dict(stream.state_after(most, batch_size=16))
    with pytest.raises(ValueError, match="with 0 windows left give 0"):
        stream.state_after(1, batch_size=16)


def test_states_of_other_streams_are_refused(native):
    tiles = TileDataset(native, size=100, stride=60)
    stream = TileStream(tiles)
    state = stream.state_after(3, batch_size=16, num_workers=2)
    for other, told in (
        (TileStream(TileDataset(native, size=100)), "its windows is"),
        (TileStream(tiles, seed=1), "its seed is 0, this one's 1"),
        (TileStream(tiles, buffer=2), "its buffer is 1024"),
        (moved(native), "its jitter_px is 0, this one's 8"),
        (TileStream(TileDataset(native, size=100, stride=60, context_mpp=2)), "its context_mpp"),
    ):
        with pytest.raises(ValueError, match=f"of another stream: {told}"):
            other.load_state_dict(state)
    with pytest.raises(ValueError, match="its jitter_seed is 0, this one's 5"):
        moved(native, seed=5).load_state_dict(moved(native).state_dict())
    stream.load_state_dict(state)
    with pytest.raises(ValueError, match="is of 2 workers, all ranks together, but there are 1"):
        next(iter(stream))
    stream.set_epoch(1)  # which begins at its beginning
    assert len(indices(stream)) == len(tiles)


@pytest.mark.parametrize(
    ("environment", "told"),
    [
        ({"RANK": "2", "WORLD_SIZE": "2"}, "Ranks are 0 to 1"),
        ({"RANK": "1"}, "Ranks are 0 to 0"),
        ({"WORLD_SIZE": "2"}, "There are 2 ranks .* nothing says which"),
        ({"RANK": "first", "WORLD_SIZE": "2"}, "RANK is 'first' in the environment"),
        ({"RANK": "0", "WORLD_SIZE": "-1"}, "WORLD_SIZE is '-1'"),
    ],
)
def test_ranks_that_cannot_be_are_refused(native, monkeypatch, environment, told):
    stream = TileStream(TileDataset(native, size=100))
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ValueError, match=told):
        next(iter(stream))


@pytest.mark.parametrize("given", [{"buffer": 0}, {"open_runs": 0}, {"seed": -1}])
def test_wrong_numbers_are_refused(native, given):
    with pytest.raises(ValueError, match=next(iter(given))):
        TileStream(TileDataset(native, size=100), **given)


def test_streams_cross_to_spawned_processes(native):
    stream = TileStream(TileDataset(native, size=100), buffer=20)
    again = pickle.loads(pickle.dumps(stream))  # noqa: S301  our own bytes
    assert indices(again) == indices(stream)
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        assert pool.apply(indices, (stream,)) == indices(stream)
    assert repr(stream).startswith(f"TileStream({len(stream.tiles)} windows in ")


def test_no_more_windows_wait_than_the_buffer_holds(native):
    tiles = TileDataset(native, size=100, stride=60)
    stream = TileStream(tiles, buffer=16)
    order = stream._order(Share(number=0, count=1))
    read = []

    def reader(numbers):
        for number in numbers:
            read.append(number)
            yield number

    for count, _ in enumerate(given_windows(order, 0, reader), 1):
        assert len(read) - count < 16

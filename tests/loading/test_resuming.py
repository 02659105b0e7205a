"""TileStream goes on once where it was saved, with whatever workers; what follows is whole."""

import copy
import json
import multiprocessing
import pickle
from itertools import chain, islice

import pytest
import torch
from torch.utils.data import DataLoader

from slidetile.torch import TileDataset, TileStream
from slidetile.torch._progress import delivered

# However many cores the tests run on.
pytestmark = pytest.mark.filterwarnings("ignore:This DataLoader will create")

TWO = {"batch_size": 16, "num_workers": 2}
WORKERS = {
    "none": {"num_workers": 0},
    "forked": {"num_workers": 2, "multiprocessing_context": "fork"},
    "kept": {"num_workers": 2, "multiprocessing_context": "fork", "persistent_workers": True},
    "pickled": {"num_workers": 2, "multiprocessing_context": "forkserver"},
    "spawned": {"num_workers": 2, "multiprocessing_context": "spawn", "persistent_workers": True},
}
ALL = [pytest.param(each, marks=pytest.mark.slow if each == "spawned" else []) for each in WORKERS]


@pytest.fixture(scope="module", autouse=True)
def _forkserver():
    """A server that forks workers which have PyTorch already; their streams are pickled."""
    multiprocessing.set_forkserver_preload(["slidetile.torch", "torch.utils.data"])


@pytest.fixture
def stream(native):
    return TileStream(TileDataset(native, size=100), buffer=40)


def batches_of(loader):
    return [batch["index"].tolist() for batch in loader]


def saved(stream, **options):
    """Return the batches of epoch 3, and a state after four of them."""
    stream.set_epoch(3)
    whole = batches_of(DataLoader(stream, batch_size=16, **options))
    state = stream.state_after(4, batch_size=16, num_workers=options["num_workers"])
    stream.set_epoch(0)
    return whole, json.loads(json.dumps(state))


@pytest.mark.parametrize("workers", ALL)
def test_the_first_iteration_after_a_load_goes_on_and_those_after_it_are_whole(stream, workers):
    options = WORKERS[workers]
    whole, state = saved(stream, num_workers=options["num_workers"])
    stream.load_state_dict(state)
    loader = DataLoader(stream, batch_size=16, **options)
    assert batches_of(loader) == whole[4:]
    assert stream.epoch == 3
    assert batches_of(loader) == whole
    assert sorted(chain(*whole)) == list(range(len(stream.tiles)))
    assert stream._beginnings.by_workers(0) == (options["num_workers"] > 0)


@pytest.mark.parametrize("workers", ["none", "forked", "kept"])
def test_the_next_epoch_follows_what_was_left(stream, workers):
    whole, state = saved(stream, num_workers=WORKERS[workers]["num_workers"])
    stream.load_state_dict(state)
    loader = DataLoader(stream, batch_size=16, **WORKERS[workers])
    assert batches_of(loader) == whole[4:]
    stream.set_epoch(4)
    following = batches_of(loader)
    assert following != whole
    assert sorted(chain(*following)) == sorted(chain(*whole))


@pytest.mark.parametrize("workers", ["none", "forked", "kept", "pickled"])
def test_the_same_epoch_is_set_after_a_load(stream, workers):
    """As a training loop does, which sets its epoch before each iteration."""
    whole, state = saved(stream, num_workers=WORKERS[workers]["num_workers"])
    stream.load_state_dict(state)
    loader = DataLoader(stream, batch_size=16, **WORKERS[workers])
    found = []
    for epoch in (3, 3, 3):
        stream.set_epoch(epoch)
        found.append(batches_of(loader))
    assert found == [whole[4:], whole, whole]


@pytest.mark.parametrize("workers", ["none", "forked", "kept"])
def test_another_epoch_gives_up_what_was_loaded(stream, workers):
    whole, state = saved(stream, num_workers=WORKERS[workers]["num_workers"])
    stream.load_state_dict(state)
    stream.set_epoch(4)
    stream.set_epoch(3)
    loader = DataLoader(stream, batch_size=16, **WORKERS[workers])
    assert batches_of(loader) == whole


@pytest.mark.parametrize("workers", ["none", "forked", "kept", "pickled"])
def test_an_iteration_that_was_broken_off_is_the_first_one_too(stream, workers):
    whole, state = saved(stream, num_workers=WORKERS[workers]["num_workers"])
    stream.load_state_dict(state)
    loader = DataLoader(stream, batch_size=16, **WORKERS[workers])
    assert next(iter(loader))["index"].tolist() == whole[4]
    assert batches_of(loader) == whole


def test_iterations_are_told_apart_by_more_than_their_random_seed(stream):
    whole, state = saved(stream, num_workers=2)
    stream.load_state_dict(state)
    found = []
    for _ in range(2):
        torch.manual_seed(7)
        found.append(batches_of(DataLoader(stream, **TWO)))
    assert found == [whole[4:], whole]


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda it: pickle.loads(pickle.dumps(it))])  # noqa: S301  our own bytes
def test_copies_go_on_as_well_each_by_itself(stream, copied):
    whole, state = saved(stream, num_workers=2)
    stream.load_state_dict(state)
    again = copied(stream)
    for each in (again, stream):
        assert batches_of(DataLoader(each, **TWO)) == whole[4:]
        assert batches_of(DataLoader(each, **TWO)) == whole


def test_another_number_of_workers_takes_over_after_what_was_left(stream):
    whole, state = saved(stream, num_workers=2)
    stream.load_state_dict(state)
    three = DataLoader(stream, batch_size=16, num_workers=3)
    with pytest.raises(ValueError, match="is of 2 workers, all ranks together, but there are 3"):
        next(iter(three))
    with pytest.raises(ValueError, match="is of 2 workers, all ranks together, but there are 3"):
        stream.state_after(1, batch_size=16, num_workers=3)
    assert stream.state_dict() == state  # nothing has begun
    assert batches_of(DataLoader(stream, **TWO)) == whole[4:]
    assert sorted(chain(*batches_of(three))) == list(range(len(stream.tiles)))


def test_other_workers_than_those_that_give_are_refused(stream):
    next(iter(DataLoader(stream, **TWO)))
    with pytest.raises(ValueError, match="num_workers is 0, but this stream is given by 2 workers"):
        stream.state_after(1, batch_size=16)
    assert stream.state_after(1, **TWO)["shares"] == 2


def test_running_workers_that_do_not_have_what_is_loaded_say_so(stream):
    loader = DataLoader(stream, **TWO, persistent_workers=True)
    _, state = saved(stream, num_workers=2)
    stream.set_epoch(3)
    whole = batches_of(loader)
    stream.load_state_dict(state)
    with pytest.raises(ValueError, match="loaded after the workers of this DataLoader had started"):
        batches_of(loader)
    stream.set_epoch(5)  # for which they need nothing of it
    loader = DataLoader(stream, **TWO, persistent_workers=True)
    five = batches_of(loader)
    stream.load_state_dict(state)
    assert batches_of(DataLoader(stream, **TWO)) == whole[4:]
    assert batches_of(loader) == whole  # others went on from it
    stream.load_state_dict(state)
    stream.set_epoch(5)
    assert batches_of(loader) == five


@pytest.mark.parametrize(("workers", "drop_last"), [(0, False), (2, True), (3, False), (3, True)])
def test_an_epoch_that_is_interrupted_often_loses_and_repeats_nothing(stream, workers, drop_last):
    options = {"batch_size": 30, "num_workers": workers, "drop_last": drop_last}
    whole = batches_of(DataLoader(stream, **options))
    found, taken = [], 4
    while taken == 4:  # of workers that take turns unevenly
        batches = list(islice(DataLoader(stream, **options), 4))
        found += [batch["index"].tolist() for batch in batches]
        taken = len(batches)
        stream.load_state_dict(stream.state_after(taken, **options))
    assert sorted(found) == sorted(whole)


def test_batches_that_are_dropped_were_not_given():
    assert delivered({0: 9, 1: 10}, 3, 5, drop_last=True) == {0: 5, 1: 10}
    assert delivered({0: 9, 1: 10}, 99, 5, drop_last=True) == {0: 5, 1: 10}


def test_what_only_workers_know_is_not_told_by_the_process_that_trains(stream):
    start = stream.state_dict()
    loader = DataLoader(stream, **TWO)
    next(iter(loader))
    with pytest.raises(RuntimeError, match="ask state_after"):
        stream.state_dict()
    stream.set_epoch(0)  # which it was
    with pytest.raises(RuntimeError, match="use torchdata's StatefulDataLoader"):
        stream.state_dict()
    state = stream.state_after(1, **TWO)
    stream.set_epoch(1)  # which nobody has begun
    assert stream.state_dict() == start | {"epoch": 1}
    next(iter(loader))
    with pytest.raises(RuntimeError, match="ask state_after"):
        stream.state_dict()
    stream.load_state_dict(state)
    assert stream.state_dict() == state
    next(iter(loader))
    with pytest.raises(RuntimeError, match="ask state_after"):
        stream.state_dict()
    stream.set_epoch(2)
    next(iter(stream))
    assert stream.state_dict() == start | {"epoch": 2, "given": {"0": 1}}


def test_a_state_is_of_the_iteration_that_gave_last(stream):
    items = iter(stream)
    next(items)
    stream.set_epoch(1)
    assert stream.state_dict()["given"] == {}
    next(items)  # of epoch 0 still
    state = stream.state_dict()
    assert (state["epoch"], state["given"]) == (0, {"0": 2})
    rest = [item["index"] for item in items]
    stream.load_state_dict(state)
    assert [item["index"] for item in stream] == rest


def test_a_state_that_has_nothing_left_does_not_go_back(stream):
    stream.set_epoch(3)
    list(stream)
    state = stream.state_dict()
    stream.set_epoch(4)
    stream.load_state_dict(state)
    assert stream.epoch == 4
    assert list(stream) == []
    assert len(list(stream)) == len(stream.tiles)
    stream.load_state_dict(state)
    stream.set_epoch(4)
    assert len(list(stream)) == len(stream.tiles)


def test_ranks_that_were_started_with_one_stream_are_told_apart(stream, monkeypatch):
    """As torch.multiprocessing.spawn hands it to them: what is shared is shared by all."""
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("RANK", "0")
    next(iter(DataLoader(stream, **TWO)))
    monkeypatch.setenv("RANK", "1")
    assert stream.state_dict()["given"] == {}
    stream.load_state_dict(stream.state_after(1, **TWO))
    monkeypatch.setenv("RANK", "0")
    with pytest.raises(RuntimeError, match="ask state_after"):
        stream.state_dict()

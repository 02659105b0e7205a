"""torchdata's StatefulDataLoader saves a TileStream and goes on from it, in a new process, too."""

import json
import subprocess
import sys
from itertools import islice

import pytest
import torch

from slidetile.torch import TileDataset, TileStream

StatefulDataLoader = pytest.importorskip(
    "torchdata.stateful_dataloader",
    reason="torchdata is not installed: pip install torchdata, where PyTorch is",
).StatefulDataLoader

pytestmark = [
    # However many cores the tests run on.
    pytest.mark.filterwarnings("ignore:This DataLoader will create"),
    # What torchdata 0.11 calls of PyTorch 2.13.
    pytest.mark.filterwarnings("ignore:'set_vital' is deprecated"),
]

WORKERS = {
    "none": {"num_workers": 0},
    "two": {"num_workers": 2},
    "kept": {"num_workers": 2, "persistent_workers": True},
}

IN_A_NEW_PROCESS = """
import json, sys, warnings
import torch
from torchdata.stateful_dataloader import StatefulDataLoader
from slidetile.torch import TileDataset, TileStream
warnings.filterwarnings("ignore", "This DataLoader will create")
store, saved, workers = sys.argv[1], sys.argv[2], int(sys.argv[3])
stream = TileStream(TileDataset(store, size=100), buffer=40)
loader = StatefulDataLoader(stream, batch_size=16, num_workers=workers)
loader.load_state_dict(torch.load(saved))
found = []
for epoch in (3, 4):
    stream.set_epoch(epoch)
    found.append([batch["index"].tolist() for batch in loader])
print(json.dumps(found))
"""


def loader_of(store, **options):
    stream = TileStream(TileDataset(store, size=100), buffer=40)
    return stream, StatefulDataLoader(stream, batch_size=16, **options)


def epochs_of(stream, loader, epochs):
    """Return the batches of epochs, as a training loop sets them."""
    found = []
    for epoch in epochs:
        stream.set_epoch(epoch)
        found.append([batch["index"].tolist() for batch in loader])
    return found


def saved_after(stream, loader, batches):
    """Return the state after so many batches of epoch 3."""
    stream.set_epoch(3)
    for _ in islice(loader, batches):
        pass
    return loader.state_dict()


@pytest.mark.parametrize("workers", [0, 2])
def test_what_was_left_is_given_in_a_new_process(native, tmp_path, workers):
    three, four = epochs_of(*loader_of(native, num_workers=workers), (3, 4))
    torch.save(saved_after(*loader_of(native, num_workers=workers), 5), tmp_path / "saved")
    told = subprocess.run(
        [sys.executable, "-c", IN_A_NEW_PROCESS, native.path, tmp_path / "saved", str(workers)],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert json.loads(told) == [three[5:], four]


@pytest.mark.parametrize("workers", WORKERS)
def test_wherever_it_was_saved_the_rest_is_given_and_then_whole_epochs(native, workers):
    options = WORKERS[workers]
    three, four = epochs_of(*loader_of(native, **options), (3, 4))
    for batches in (1, len(three)):
        state = saved_after(*loader_of(native, **options), batches)
        stream, loader = loader_of(native, **options)
        loader.load_state_dict(state)
        assert epochs_of(stream, loader, (3, 4)) == [three[batches:], four]


@pytest.mark.parametrize("workers", WORKERS)
def test_a_state_of_the_end_of_an_epoch_lets_the_next_one_begin(native, workers):
    options = WORKERS[workers]
    three, four = epochs_of(*loader_of(native, **options), (3, 4))
    stream, loader = loader_of(native, **options)
    assert epochs_of(stream, loader, (3,)) == [three]
    state = loader.state_dict()
    stream, loader = loader_of(native, **options)
    loader.load_state_dict(state)
    assert epochs_of(stream, loader, (4, 3)) == [four, three]


@pytest.mark.parametrize("workers", WORKERS)
def test_a_state_that_is_asked_before_anything_began_changes_nothing(native, workers):
    """As Accelerate asks it, where it prepares a loader."""
    options = WORKERS[workers]
    (zero,) = epochs_of(*loader_of(native, **options), (0,))
    stream, loader = loader_of(native, **options)
    loader.state_dict()
    stream.set_epoch(0)
    for _ in islice(loader, 4):
        pass
    state = loader.state_dict()
    stream, loader = loader_of(native, **options)
    loader.load_state_dict(state)
    assert epochs_of(stream, loader, (0,)) == [zero[4:]]


@pytest.mark.parametrize("workers", ["two", "kept"])
def test_the_stream_itself_does_not_say_that_nothing_was_given(native, workers):
    stream, loader = loader_of(native, **WORKERS[workers])
    state = saved_after(stream, loader, 4)
    with pytest.raises(RuntimeError, match="use torchdata's StatefulDataLoader and ask that"):
        stream.state_dict()
    stream, loader = loader_of(native, **WORKERS[workers])
    loader.load_state_dict(state)
    next(iter(loader))
    with pytest.raises(RuntimeError, match="use torchdata's StatefulDataLoader and ask that"):
        stream.state_dict()

"""Whole numbers that processes share.

A DataLoader calls nothing of a dataset in the process that trains, and its workers have copies of
the dataset, forked or pickled: what one of them is to know of the others stands here.
"""

import os
import threading
from collections.abc import Sequence
from multiprocessing.reduction import ForkingPickler
from typing import Any

from slidetile.torch._library import torch

_COUNT = 1 << 13
"""Numbers in one piece of shared memory: each takes a file descriptor, and there are cohorts of
which each slide is a dataset."""


class SharedNumbers:
    """Whole numbers that forked copies of this see and change, too, and those sent to a process.

    Another copy begins with the same numbers, and has its own.

    Parameters
    ----------
    numbers
        What they are at first.
    """

    __slots__ = ("_shared", "_values")

    def __init__(self, numbers: Sequence[int]) -> None:
        self._look_at(_place.take(len(numbers)))
        self._values[:] = numbers

    def _look_at(self, shared: Any) -> None:
        # By numpy, as PyTorch lets nobody change outside of inference mode what was made in it.
        self._shared, self._values = shared, shared.numpy()

    def __getitem__(self, place: int) -> int:
        return int(self._values[place])

    def __setitem__(self, place: int, number: int) -> None:
        self._values[place] = number

    def __reduce__(self) -> tuple[Any, ...]:
        return SharedNumbers, (self._values.tolist(),)


class _Place:
    """Where the next numbers of this process lie. No place is ever taken twice."""

    def __init__(self) -> None:
        self.begin_anew()

    def begin_anew(self) -> None:
        """Take other memory in a process that was forked: this one goes on with what is left."""
        self._lock = threading.Lock()
        self._left: Any = torch.empty(0, dtype=torch.int64)

    def take(self, count: int) -> Any:
        with self._lock:
            if len(self._left) < count:
                self._left = _shared(max(_COUNT, count))
            taken, self._left = self._left[:count], self._left[count:]
        return taken


def _shared(count: int) -> Any:
    """Return int64 [number] that other processes see.

    As PyTorch's own collation takes it: to share a tensor copies it, for which PyTorch may wait for
    its threads, and a process that was forked has none.
    """
    storage = torch.UntypedStorage._new_shared(8 * count, device="cpu")  # noqa: SLF001
    return torch.empty(0, dtype=torch.int64).set_(storage)


def _sent(numbers: SharedNumbers) -> tuple[Any, ...]:
    return _received, (numbers._shared,)  # noqa: SLF001  of this module


def _received(shared: Any) -> SharedNumbers:
    numbers = SharedNumbers.__new__(SharedNumbers)
    numbers._look_at(shared)  # noqa: SLF001  of this module
    return numbers


_place = _Place()
ForkingPickler.register(SharedNumbers, _sent)
os.register_at_fork(after_in_child=_place.begin_anew)

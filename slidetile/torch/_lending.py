"""Shared memory that a worker lends to its loader, and uses again when it is given back.

The pages of new shared memory cost a worker nearly half as much time as decoding what is written
into them. So a batch travels in memory that earlier ones travelled in, as soon as nobody looks at
those any more: the worker's own tensors are gone, and so are the loader's. Who keeps a batch keeps
its memory, and the worker takes other.
"""

import math
import os
import threading
from collections.abc import Mapping, Sequence
from multiprocessing.reduction import ForkingPickler
from typing import Any

import numpy as np
from numpy.typing import NDArray

from slidetile.torch._library import get_worker_info, torch
from slidetile.torch._watching import watched

Place = tuple[int, Any, tuple[int, ...], tuple[int, ...]]
"""Where a tensor lies: its first byte, dtype, shape and strides."""

MOST_FREE = 8
"""Most pieces of memory that wait to be used again."""

MOST_FREE_BYTES = 1 << 28
"""256 MiB: most memory of pieces that wait, besides one."""

_FREE, _SEEN, _GIVEN_UP = 0, 1, 2
"""Whether the loader does not look at a loan, does, or may do so for ever."""


class Loan:
    """A piece of shared memory, and who looks at it. Its last byte tells whether the loader does.

    Parameters
    ----------
    nbytes
        How many bytes can be lent.
    """

    def __init__(self, nbytes: int) -> None:
        # As PyTorch's own collation takes memory that other processes can see.
        storage = torch.UntypedStorage._new_shared(nbytes + 1, device="cpu")  # noqa: SLF001
        self.memory = torch.empty(0, dtype=torch.uint8).set_(storage)
        self._state = _state_of(self.memory)
        self._state[:] = _FREE
        self._is_held = self._was_sent = False

    @property
    def is_free(self) -> bool:
        """Whether nobody looks at it."""
        return not self._is_held and self._state[0] == _FREE

    @property
    def is_given_up(self) -> bool:
        """Whether it is never to be used again."""
        return bool(self._state[0] == _GIVEN_UP)

    def fits(self, nbytes: int) -> bool:
        """Return whether it has so many bytes, and not far more."""
        return nbytes < len(self.memory) <= 2 * nbytes + 1

    def lend(self, shape: Sequence[int], dtype: Any) -> Any:
        """Return a tensor without values on it, which holds it while it lives."""
        self._is_held, self._was_sent = True, False
        flat = watched(self.memory[:-1], self._drop)[: math.prod(shape) * dtype.itemsize]
        return flat.view(dtype).view(*shape)

    def has(self, value: Any) -> bool:
        """Return whether a value is a tensor on it."""
        is_tensor = type(value) is torch.Tensor and value.layout == torch.strided
        is_here = is_tensor and value.device.type == "cpu"
        return is_here and 0 <= value.data_ptr() - self.memory.data_ptr() < len(self.memory)

    def send(self) -> bool:
        """Return whether the loader may look at it now, which it may once."""
        if self._was_sent:
            return False
        self._was_sent = True
        self._state[:] = _SEEN
        return True

    def _drop(self) -> None:
        self._is_held = False


class LentBatch(dict[str, Any]):
    """A batch in a worker, of which some tensors are on loans."""

    def __init__(self, batch: Mapping[str, Any], loans: Sequence[Loan] = ()) -> None:
        super().__init__(batch)
        self.loans = tuple(loans)

    def __reduce__(self) -> tuple[Any, ...]:
        """Return how it is copied, and pickled by others: as a dictionary."""
        return dict, (dict(self),)


class Receipt:
    """What the loader's process knows of a loan that it looks at."""

    def __init__(self, memory: Any) -> None:
        self._state = _state_of(memory)
        _receipts.add(self)

    def give_back(self) -> None:
        """Let the worker use the memory again, unless it was given up."""
        if _took(self):
            self._state[:] = _FREE

    def give_up(self) -> None:
        """Let the memory never be used again."""
        if _took(self):
            self._state[:] = _GIVEN_UP


_loans: list[Loan] = []
"""Those of this worker."""

_lending = threading.Lock()
"""One thread of a worker at a time takes of them."""

_receipts: set[Receipt] = set()
"""Of all loans that this process looks at."""


def lend(shape: Sequence[int], dtype: Any) -> tuple[Any, Loan | None]:
    """Return a tensor without values, and in a worker what it is on."""
    if get_worker_info() is None:
        return torch.empty(shape, dtype=dtype), None
    nbytes = math.prod(shape) * dtype.itemsize
    with _lending:
        loan = _taken(nbytes)
        return loan.lend(shape, dtype), loan


def _taken(nbytes: int) -> Loan:
    """Return a loan that nobody looks at, and keep few others that nobody looks at."""
    free = [loan for loan in _loans if loan.is_free]
    taken = next((each for each in free if each.fits(nbytes)), None)
    loan = taken or Loan(nbytes)
    rest = [each for each in free if each is not taken][:MOST_FREE]
    while rest and sum(len(each.memory) for each in rest) > MOST_FREE_BYTES:
        rest.pop()
    used = [each for each in _loans if not (each in free or each.is_given_up)]
    _loans[:] = [*used, loan, *rest]
    return loan


def _reduced(batch: LentBatch) -> tuple[Any, ...]:
    """Return how the loader's process makes a batch: on the same memory, if it has not had it."""
    rest, parts = dict(batch), []
    for loan in batch.loans:
        names = [name for name, value in rest.items() if loan.has(value)]
        if names and loan.send():
            places = {name: _place(rest[name], loan.memory) for name in names}
            rest |= dict.fromkeys(names)
            parts.append((loan.memory, places))
    return _received, (rest, parts)


def _received(batch: dict[str, Any], parts: list[tuple[Any, dict[str, Place]]]) -> dict[str, Any]:
    """Return a batch whose lent tensors give back the memory when the last of them is gone."""
    for memory, places in parts:
        flat = watched(memory[:-1], Receipt(memory).give_back)
        for name, (offset, dtype, shape, strides) in places.items():
            whole = (len(flat) - offset) // dtype.itemsize * dtype.itemsize
            batch[name] = flat[offset : offset + whole].view(dtype).as_strided(shape, strides)
    return batch


def _state_of(memory: Any) -> NDArray[np.uint8]:
    """Return the byte that tells whether the loader looks at a loan.

    By numpy, as PyTorch lets nobody change outside of inference mode what was made in it.
    """
    state: NDArray[np.uint8] = memory.numpy()[-1:]
    return state


def _place(tensor: Any, memory: Any) -> Place:
    offset = tensor.data_ptr() - memory.data_ptr()
    return offset, tensor.dtype, tuple(tensor.shape), tensor.stride()


def _took(receipt: Receipt) -> bool:
    """Return whether a receipt was still there; it is not afterwards."""
    try:
        _receipts.remove(receipt)
    except KeyError:
        return False
    return True


def _give_up() -> None:
    """Let memory be that a process which is forked here looks at for ever, as nobody hears of it.

    What such a process lets go of, this one may still look at; and what this one lets go of, that.
    """
    _loans.clear()
    for receipt in list(_receipts):
        receipt.give_up()


ForkingPickler.register(LentBatch, _reduced)
os.register_at_fork(before=_give_up, after_in_child=_receipts.clear)

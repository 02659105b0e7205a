"""Shared memory that a worker lends to its loader, and uses again when it is given back.

The pages of new shared memory cost a worker about a third as much time as decoding what is written
into them. So a batch travels in memory that earlier ones travelled in, as soon as nobody looks at
those any more: the worker's own tensors are gone, and so are the loader's. Who keeps a batch keeps
its memory, and the worker takes other.
"""

import math
import weakref
from collections.abc import Callable, Sequence
from multiprocessing.reduction import ForkingPickler
from typing import Any

from slidetile.torch._library import get_worker_info, torch

Place = tuple[int, Any, tuple[int, ...], tuple[int, ...]]
"""Where a tensor lies: its first byte, dtype, shape and strides."""

MOST_FREE = 8
"""Most pieces of memory that wait to be used again."""


class Loan:
    """A piece of shared memory, and who looks at it. Its last byte is 1 while the loader does.

    Parameters
    ----------
    nbytes
        How many bytes can be lent.
    """

    def __init__(self, nbytes: int) -> None:
        # As PyTorch's own collation takes memory that other processes can see.
        storage = torch.UntypedStorage._new_shared(nbytes + 1, device="cpu")  # noqa: SLF001
        self.memory = torch.empty(0, dtype=torch.uint8).set_(storage)
        self.memory[-1] = 0
        self._is_held = self._was_sent = False

    @property
    def is_free(self) -> bool:
        """Whether nobody looks at it."""
        return not self._is_held and not self.memory[-1].item()

    def fits(self, nbytes: int) -> bool:
        """Return whether it has so many bytes, and not far more."""
        return nbytes < len(self.memory) <= 2 * nbytes + 1

    def lend(self, shape: Sequence[int], dtype: Any) -> Any:
        """Return a tensor without values on it, which holds it while it lives."""
        self._is_held, self._was_sent = True, False
        flat = _watched(self.memory[:-1], self._drop)[: math.prod(shape) * dtype.itemsize]
        return flat.view(dtype).view(*shape)

    def has(self, value: Any) -> bool:
        """Return whether a value is a tensor on it."""
        is_tensor = type(value) is torch.Tensor and value.device.type == "cpu"
        return is_tensor and 0 <= value.data_ptr() - self.memory.data_ptr() < len(self.memory)

    def send(self) -> bool:
        """Return whether the loader may look at it now, which it may once."""
        if self._was_sent:
            return False
        self._was_sent = True
        self.memory[-1] = 1
        return True

    def _drop(self) -> None:
        self._is_held = False


class LentBatch(dict[str, Any]):
    """A batch in a worker, of which some tensors are on loans."""

    loans: tuple[Loan, ...] = ()
    """What they are on."""


_loans: list[Loan] = []
"""Those of this worker."""


def lend(shape: Sequence[int], dtype: Any) -> tuple[Any, Loan | None]:
    """Return a tensor without values, and in a worker what it is on."""
    if get_worker_info() is None:
        return torch.empty(shape, dtype=dtype), None
    nbytes = math.prod(shape) * dtype.itemsize
    free = [loan for loan in _loans if loan.is_free]
    loan = next((each for each in free if each.fits(nbytes)), None)
    if loan is None:
        for each in free[MOST_FREE - 1 :]:
            _loans.remove(each)
        loan = Loan(nbytes)
        _loans.append(loan)
    return loan.lend(shape, dtype), loan


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
        flat = _watched(memory[:-1], memory[-1].zero_)
        for name, (offset, dtype, shape, strides) in places.items():
            whole = (len(flat) - offset) // dtype.itemsize * dtype.itemsize
            batch[name] = flat[offset : offset + whole].view(dtype).as_strided(shape, strides)
    return batch


def _place(tensor: Any, memory: Any) -> Place:
    offset = tensor.data_ptr() - memory.data_ptr()
    return offset, tensor.dtype, tuple(tensor.shape), tensor.stride()


def _watched(memory: Any, gone: Callable[[], Any]) -> Any:
    """Return a tensor on memory; when nothing is left that looks at it, ``gone`` is called."""
    seen = memory.numpy()
    weakref.finalize(seen, gone).atexit = False
    return torch.from_numpy(seen)


ForkingPickler.register(LentBatch, _reduced)

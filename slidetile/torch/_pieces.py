"""Memory of windows that is used again once nobody looks at them any more.

The pages of new memory cost more than a window's copy. Each window has a piece of its own, so that
whoever keeps one keeps no other.
"""

import math
from collections.abc import Sequence
from typing import Any

from slidetile.torch._library import torch
from slidetile.torch._watching import watched

MOST_FREE_BYTES = 1 << 26
"""64 MiB: most memory that waits to be used again."""


class Pieces:
    """Pieces of memory of one size, of this process. Any number of threads may take them.

    Parameters
    ----------
    nbytes
        Of each.
    """

    def __init__(self, nbytes: int) -> None:
        self.nbytes = nbytes
        self._free: list[Any] = []

    def take(self) -> Any:
        """Return uint8 [byte], without values; it is used again when nothing is left on it."""
        try:
            memory = self._free.pop()
        except IndexError:
            memory = torch.empty(self.nbytes, dtype=torch.uint8)
        return watched(memory, lambda: self._give_back(memory))

    def _give_back(self, memory: Any) -> None:
        if (len(self._free) + 1) * self.nbytes <= MOST_FREE_BYTES:
            self._free.append(memory)


_last: list[Pieces] = [Pieces(0)]
"""Those of the size that was asked for last: as a rule it is asked for again."""


def piece(shape: Sequence[int]) -> Any:
    """Return a uint8 tensor without values."""
    nbytes, pieces = math.prod(shape), _last[0]
    if pieces.nbytes != nbytes:
        _last[0] = pieces = Pieces(nbytes)
    return pieces.take().view(*shape)

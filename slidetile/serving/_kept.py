"""The arrays that were made last, as far as so many bytes hold them. Knows no stores."""

import threading
from collections import OrderedDict
from collections.abc import Hashable
from typing import Any

from numpy.typing import NDArray

KEPT_BYTES = 96 << 20
"""Most bytes that are kept, however many stores are served."""


class KeptArrays:
    """The arrays that were used last. Safe for several threads.

    Parameters
    ----------
    most_bytes
        How much is kept.
    """

    def __init__(self, most_bytes: int = KEPT_BYTES) -> None:
        self._most_bytes = most_bytes
        self._kept: OrderedDict[Hashable, NDArray[Any]] = OrderedDict()
        self._lock = threading.Lock()
        self.nbytes = 0
        """How much is kept now."""

    def get(self, key: Hashable) -> NDArray[Any] | None:
        """Return what is kept under a key; None where nothing is."""
        with self._lock:
            if key not in self._kept:
                return None
            self._kept.move_to_end(key)
            return self._kept[key]

    def keep(self, key: Hashable, array: NDArray[Any]) -> None:
        """Keep an array; what was used longest ago makes room."""
        with self._lock:
            before = self._kept.pop(key, None)
            self.nbytes += array.nbytes - (0 if before is None else before.nbytes)
            self._kept[key] = array
            while self.nbytes > self._most_bytes:
                _, freed = self._kept.popitem(last=False)
                self.nbytes -= freed.nbytes

"""What was made last, kept as far as so many bytes hold it. Knows keys and sizes."""

import threading
from collections import OrderedDict
from collections.abc import Hashable
from typing import Generic, TypeVar

Kept = TypeVar("Kept")

CACHE_BYTES = 96 << 20
"""Most bytes that are kept, unless it is said otherwise."""


class ByteCache(Generic[Kept]):
    """The values that were used last, up to a number of bytes. Safe for several threads.

    Parameters
    ----------
    most_bytes
        How much is kept; a value that is larger is not.
    """

    def __init__(self, most_bytes: int = CACHE_BYTES) -> None:
        self.most_bytes = most_bytes
        self._kept: OrderedDict[Hashable, tuple[Kept, int]] = OrderedDict()
        self._bytes = 0
        self._lock = threading.Lock()

    @property
    def kept_bytes(self) -> int:
        """How much is kept now."""
        return self._bytes

    def get(self, key: Hashable) -> Kept | None:
        """Return what is kept under a key; None where nothing is."""
        with self._lock:
            found = self._kept.get(key)
            if found is None:
                return None
            self._kept.move_to_end(key)
            return found[0]

    def keep(self, key: Hashable, value: Kept, size: int) -> None:
        """Keep a value of so many bytes; what was used longest ago makes room."""
        if size > self.most_bytes:
            return
        with self._lock:
            before = self._kept.pop(key, None)
            self._bytes += size - (0 if before is None else before[1])
            self._kept[key] = value, size
            while self._bytes > self.most_bytes:
                _, (_, freed) = self._kept.popitem(last=False)
                self._bytes -= freed

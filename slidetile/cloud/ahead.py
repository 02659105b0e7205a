"""Whole objects that are read one after another, the next of which are fetched meanwhile."""

import threading
from collections import OrderedDict
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor

from slidetile.cloud.address import Address
from slidetile.cloud.objects import IN_FLIGHT, read_object

LARGEST_AHEAD_BYTES = 64 << 20
"""Fetched, or asked for, and not read yet; one object may be larger."""


class ObjectsAhead:
    """Objects that are read about in an order; several threads may read them.

    Parameters
    ----------
    sizes
        The bytes of each, in that order.
    """

    def __init__(self, sizes: Mapping[Address, int]) -> None:
        self._waiting = OrderedDict(sizes)
        self._under_way: dict[Address, tuple[Future[bytes], int]] = {}
        self._held_bytes = 0
        self._lock = threading.Lock()
        self._pool = ThreadPoolExecutor(IN_FLIGHT, thread_name_prefix="slidetile_objects")
        with self._lock:
            self._fetch_more()

    def read(self, address: Address, most_bytes: int) -> bytes:
        """Return the content of an object, or its first bytes where it has more.

        Raises
        ------
        FileNotFoundError
            There is no such object.
        OSError
            It cannot be read.
        """
        with self._lock:
            self._waiting.pop(address, None)
            found = self._under_way.pop(address, None)
        if found is None:
            return read_object(address, most_bytes)
        future, size = found
        try:
            return future.result()[:most_bytes]
        finally:
            with self._lock:
                self._held_bytes -= size
                self._fetch_more()

    def close(self) -> None:
        """Fetch no more; what is under way is let go of."""
        with self._lock:
            self._waiting.clear()
            self._under_way.clear()
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _fetch_more(self) -> None:
        while self._waiting and len(self._under_way) < 2 * IN_FLIGHT:
            address, size = next(iter(self._waiting.items()))
            if self._under_way and self._held_bytes + size > LARGEST_AHEAD_BYTES:
                return
            del self._waiting[address]
            self._held_bytes += size
            # One byte more than it had: of one that is longer by now, that shows.
            future = self._pool.submit(read_object, address, size + 1)
            self._under_way[address] = future, size

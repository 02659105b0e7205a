"""A semaphore whose size may change."""

import threading


class Places:
    """A semaphore whose size may change, even while its places are taken."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._taken = 0
        self._changed = threading.Condition()

    @property
    def size(self) -> int:
        """Number of places that may be taken."""
        return self._size

    def acquire(self) -> bool:
        """Wait for a place and take it."""
        with self._changed:
            while self._taken >= self._size:
                self._changed.wait()
            self._taken += 1
        return True

    def release(self) -> None:
        """Give a place back."""
        with self._changed:
            self._taken -= 1
            self._changed.notify()

    def resize(self, size: int) -> None:
        """Change the number of places; a lower one applies as taken places are given back."""
        with self._changed:
            self._size = size
            self._changed.notify_all()

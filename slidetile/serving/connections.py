"""The connections of a server: so many at most, and none that only waits.

Who opens hundreds of them and sends half a request on each would otherwise keep all others out.
Knows uvicorn. Does not know what is asked or answered.
"""

import asyncio
import resource
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

MOST_OPEN = 512
"""Requests that are answered at a time; more are turned away with the status 503."""

MOST_WAITING = 448
"""Connections that are open at a time; of more, the one that has waited longest for a request is
ended, so that a new one finds room."""

HEADERS_S = 10.0
"""A request has to be whole so long after its connection was opened, or after the answer before."""

KEEP_ALIVE_S = 5
"""A connection on which nothing comes after an answer is ended so soon."""

STALLED_S = 60.0
"""An answer of which nothing was taken for so long is ended."""


class BoundedProtocol(H11Protocol):
    """One connection, which ends itself when it only waits."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for a request."""
        super().connection_made(transport)
        self._waits_since: float = self.loop.time()
        self._unsent: int = 0
        self._clock = self.loop.call_later(HEADERS_S, self._look)
        self._make_room()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no more."""
        self._clock.cancel()
        super().connection_lost(exc)

    def on_response_complete(self) -> None:
        """Begin to wait for the next request."""
        self._waits_since = self.loop.time()
        super().on_response_complete()

    @property
    def is_waiting(self) -> bool:
        """Whether no request is whole, so that nothing is answered."""
        return self.cycle is None or self.cycle.response_complete

    @property
    def is_endable(self) -> bool:
        """Whether it waits, and nobody has ended it yet."""
        return self.is_waiting and not self.transport.is_closing()

    def _look(self) -> None:
        """End the connection where nothing comes or nothing is taken; else look again."""
        if self.transport.is_closing() and not self.transport.get_write_buffer_size():
            return
        left = self._waits_since + HEADERS_S - self.loop.time()
        if not self.is_waiting or self.transport.get_write_buffer_size():
            self._look_at_answer()
        elif left > 0:
            self._clock = self.loop.call_later(left, self._look)
        else:
            self.transport.abort()

    def _look_at_answer(self) -> None:
        unsent = self.transport.get_write_buffer_size()
        if unsent and unsent == self._unsent:
            self.transport.abort()
            return
        self._unsent = unsent
        self._clock = self.loop.call_later(STALLED_S if unsent else HEADERS_S, self._look)

    def _make_room(self) -> None:
        if len(self.connections) <= _most_waiting():
            return
        others = [each for each in self.connections if isinstance(each, BoundedProtocol)]
        waiting = [each for each in others if each is not self and each.is_endable]
        if waiting:
            longest = min(waiting, key=lambda each: each._waits_since)  # noqa: SLF001  its own
            longest.transport.abort()


def _most_waiting() -> int:
    """Return how many connections there may be: stores have files and maps of files open, too."""
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return MOST_WAITING if limit < 0 else min(MOST_WAITING, limit * 3 // 8)


def bounded_connections() -> dict[str, Any]:
    """Return the options by which uvicorn bounds its connections."""
    return {
        "http": BoundedProtocol,
        "limit_concurrency": MOST_OPEN,
        "timeout_keep_alive": KEEP_ALIVE_S,
    }

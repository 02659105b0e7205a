"""What is held in memory of the objects that a slide is read from: one bound for all of them.

Knows spans of objects, and which go first. Does not know how they are fetched.
"""

import threading
import weakref
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Protocol

from slidetile.cloud.objects import IN_FLIGHT

AHEAD_BYTES = 64 << 20
"""Fetched, or asked for, before it is read; more only where it is wanted at once."""

KEPT_BYTES = 32 << 20
"""Kept of what was read, since coarse levels and directories are read twice."""

HELD_BYTES = AHEAD_BYTES + KEPT_BYTES
"""What is held of a slide, unless more is wanted at once."""

_COST_BYTES = 64 << 10
"""Of what is kept, a request counts as so much more, so that there are not too many."""


@dataclass(slots=True, eq=False)
class Span:
    """Bytes that are fetched in one request."""

    start: int
    stop: int
    left: list[tuple[int, int]] = field(default_factory=list)
    """What is announced and not read yet."""
    is_kept: bool = True
    """Whether it is kept once nothing of it is left."""
    used: int = 0
    """When it was last used."""
    future: "Future[bytes] | None" = None

    @property
    def size(self) -> int:
        """Its bytes."""
        return self.stop - self.start


class SpanOwner(Protocol):
    """An object whose spans are held."""

    spans: list[Span]
    """What is fetched of it, or will be."""

    def fetch(self, span: Span) -> None:
        """Begin to fetch a span, unless that has begun."""
        ...


class Held:
    """What is held of several objects. Its lock guards the spans of all of them."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self._owners = weakref.WeakSet[SpanOwner]()
        self._ahead: list[tuple[weakref.ref[SpanOwner], Span]] = []
        self._clock = 0

    def add(self, owner: SpanOwner) -> None:
        """Count one more object, until nobody has it any more."""
        with self.lock:
            self._owners.add(owner)

    def tick(self) -> int:
        """Return a number that is larger than all before."""
        self._clock += 1
        return self._clock

    def announce(self, owner: SpanOwner, span: Span) -> None:
        """Note that a span will be read, after all that was announced before."""
        self._ahead.append((weakref.ref(owner), span))

    def forget(self, owner: SpanOwner) -> list[Span]:
        """Forget what was announced of an object, and return it."""
        mine = [span for of, span in self._ahead if of() is owner]
        self._ahead = [(of, span) for of, span in self._ahead if of() is not owner]
        return mine

    def fetch_ahead(self) -> None:
        """Begin to fetch what is announced, as long as little is under way and unread."""
        held = sum(
            span.size
            for owner in self._owners
            for span in owner.spans
            if span.left and span.future is not None
        )
        waiting = [(of, span) for of, span in self._ahead if span.future is None]
        self._ahead = [(of, span) for of, span in self._ahead if span.left and of() is not None]
        under_way = sum(s.future is not None and not s.future.done() for _, s in self._ahead)
        for of, span in waiting:
            if (owner := of()) is None:
                continue
            if under_way >= IN_FLIGHT or held + span.size > AHEAD_BYTES:
                return
            owner.fetch(span)
            held, under_way = held + span.size, under_way + 1

    def drop(self) -> None:
        """Drop the longest unused of what is kept, until it is little enough."""
        kept = [
            (span.used, number, span, owner)
            for owner in self._owners
            for number, span in enumerate(owner.spans)
            if not span.left and span.future is not None and span.future.done()
        ]
        room = KEPT_BYTES - sum(span.size + _COST_BYTES for _, _, span, _ in kept)
        for _, _, span, owner in sorted(kept, key=lambda each: each[:2]):
            if room >= 0:
                return
            owner.spans.remove(span)
            room += span.size + _COST_BYTES


_current: ContextVar[Held | None] = ContextVar("what is held of a slide", default=None)


def held_now() -> Held:
    """Return the bound of what is being opened; one of its own where there is none."""
    return _current.get() or Held()


@contextmanager
def held_within(held: Held) -> Iterator[None]:
    """Have the objects that are opened meanwhile share a bound."""
    token = _current.set(held)
    try:
        yield
    finally:
        _current.reset(token)

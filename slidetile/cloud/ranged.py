"""An object that is read by ranges, kept for a while, and fetched ahead where that is announced.

That takes few requests, of which several are in flight.

Every request asks for the very object that was opened. Does not know what the bytes are.
"""

import bisect
import os
import threading
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import NamedTuple

from slidetile.cloud._spans import LARGEST_GAP_BYTES, requests, without
from slidetile.cloud.address import Address
from slidetile.cloud.held import Held, Span, held_now, held_within
from slidetile.cloud.objects import IN_FLIGHT, ObjectState, objects_in, read_range
from slidetile.cloud.options import StorageOptions

HEAD_BYTES = 1 << 20
"""Fetched of an object that is opened by its name, and of its end where that is needed: what a
slide's fingerprint is of."""

_READ_AHEAD_BYTES = 1 << 18

Ranges = tuple[Sequence[int], Sequence[int]]
"""The offsets and the lengths of ranges."""


class Cut(NamedTuple):
    """Bytes of an object in memory."""

    data: bytes
    start: int
    """Where in the object they begin."""


class RangedObject:
    """An object that is read by ranges; several threads may use it.

    Parameters
    ----------
    address
        The object.
    state
        What it is known to be. None asks for it, together with its first bytes.
    head_bytes
        How many bytes those are.

    Raises
    ------
    FileNotFoundError
        There is no such object.
    OSError
        It cannot be read.
    """

    def __init__(
        self,
        address: Address,
        *,
        state: ObjectState | None = None,
        head_bytes: int = _READ_AHEAD_BYTES,
    ) -> None:
        self.address = address
        self.spans: list[Span] = []
        """What is fetched of it, or will be: see `slidetile.cloud.held`."""
        self._held = held_now()
        self._users = 0
        self._head_bytes = head_bytes
        if state is None:
            data, state = read_range(address, 0, head_bytes)
            if data:
                self.spans = [Span(0, len(data), future=_done(data))]
        self.state = state
        """Size and mark when it was opened."""
        self._held.add(self)

    def use(self) -> "RangedObject":
        """Count somebody more who reads it; `leave` ends that."""
        with self._held.lock:
            self._users += 1
        return self

    def leave(self) -> None:
        """Forget all that is kept, unless others read it."""
        with self._held.lock:
            self._users -= 1
            if self._users > 0:
                return
            for span in self._held.forget(self):
                if span.future is not None:
                    span.future.cancel()
            self.spans = []

    def read(self, start: int, stop: int) -> bytes:
        """Return bytes within the object; what follows them is fetched too, if not much is asked.

        Raises
        ------
        ObjectChangedError
            It is another object by now.
        OSError
            It cannot be read.
        """
        (cut,) = self.cuts([start], [stop - start], reads_ahead=True)
        return cut.data[start - cut.start : stop - cut.start]

    def cuts(
        self, offsets: Sequence[int], counts: Sequence[int], *, reads_ahead: bool = False
    ) -> list[Cut]:
        """Return for each of many ranges within the object bytes that hold it.

        Neighbouring ranges share theirs. Raises what `read` does.
        """
        order = sorted(range(len(offsets)), key=offsets.__getitem__)
        ranges = [(offsets[n], offsets[n] + counts[n]) for n in order]
        found = self._found(ranges, reads_ahead=reads_ahead)
        cuts: list[Cut] = [Cut(b"", 0)] * len(order)
        begin = 0
        for end in range(1, len(order) + 1):
            if end < len(order) and _go_together(
                found[begin], found[end], ranges[end - 1 : end + 1]
            ):
                continue
            last = max(stop for _, stop in ranges[begin:end])
            cut = Cut(_bytes(found[begin], ranges[begin][0], last), ranges[begin][0])
            for place in range(begin, end):
                cuts[order[place]] = cut
            begin = end
        self._note_read(ranges, found)
        return cuts

    def expect(self, groups: Iterable[Ranges], *, is_kept: bool = False) -> None:
        """Announce ranges that will be read once each, and fetch them ahead in few requests.

        Parameters
        ----------
        groups
            The (offsets, lengths) of ranges that are read about in this order, one group after
            another: what is fetched in one request is of one group.
        is_kept
            Whether they are read more than once, so that they are kept as far as there is room.
        """
        with self._held.lock:
            self._forget_announced()
            for offsets, counts in groups:
                self._announce(offsets, counts, is_kept=is_kept)
            self._held.fetch_ahead()

    def _announce(self, offsets: Sequence[int], counts: Sequence[int], *, is_kept: bool) -> None:
        missing = [
            gap
            for offset, count in zip(offsets, counts, strict=True)
            for gap in self._missing(offset, min(offset + count, self.state.size))
        ]
        found = requests([a for a, _ in missing], [b - a for a, b in missing])
        for each in sorted(found, key=lambda request: request.first):
            for start, stop in list(self._missing(each.start, each.stop)):
                left = [(max(a, start), min(b, stop)) for a, b in each.wanted]
                left = [(a, b) for a, b in left if a < b]
                if left:
                    span = Span(start, stop, left, is_kept=is_kept)
                    self._put(span)
                    self._held.announce(self, span)

    def _found(self, ranges: Sequence[tuple[int, int]], *, reads_ahead: bool) -> list[list[Span]]:
        """Return for each range the fetched spans that hold it, in order."""
        with self._held.lock:
            now = self._held.tick()
            missing = [gap for start, stop in ranges for gap in self._missing(start, stop)]
            if reads_ahead:
                missing = [self._longer(*gap) for gap in missing]
            for each in requests([a for a, _ in missing], [b - a for a, b in missing]):
                for start, stop in list(self._missing(each.start, each.stop)):
                    self._put(Span(start, stop))
            found = [self._covering(start, stop) for start, stop in ranges]
            wanted = list(dict.fromkeys(span for spans in found for span in spans))
            for span in wanted:
                span.used = now
                self.fetch(span)
            self._held.fetch_ahead()
        for span in wanted:
            self._wait(span)
        return found

    def _wait(self, span: Span) -> None:
        assert span.future is not None, "it was asked for"
        try:
            span.future.result()
        except BaseException:
            with self._held.lock:  # so that it is asked for again, should anybody read on
                if span in self.spans:
                    self.spans.remove(span)
            raise

    def _longer(self, start: int, stop: int) -> tuple[int, int]:
        """Return a range and what is likely to be read next, up to what is there already."""
        size = self.state.size
        if self._head_bytes == HEAD_BYTES and start >= size - 2 * HEAD_BYTES:
            return min(start, max(0, size - HEAD_BYTES)), size
        return start, min(max(stop, start + _READ_AHEAD_BYTES), size)

    def _missing(self, start: int, stop: int) -> Iterator[tuple[int, int]]:
        """Yield what of a range lies in no span."""
        for span in self._covering(start, stop):
            if start < span.start:
                yield start, span.start
            start = max(start, span.stop)
        if start < stop:
            yield start, stop

    def _covering(self, start: int, stop: int) -> list[Span]:
        """Return the spans that a range meets, in order; none overlap."""
        first = bisect.bisect_right(self.spans, start, key=lambda span: span.stop)
        last = first
        while last < len(self.spans) and self.spans[last].start < stop:
            last += 1
        return self.spans[first:last]

    def _put(self, span: Span) -> None:
        bisect.insort(self.spans, span, key=lambda each: each.start)

    def fetch(self, span: Span) -> None:
        """Begin to fetch a span, unless that has begun."""
        if span.future is None:
            span.future = _pool().submit(self._fetched, span.start, span.stop)

    def _fetched(self, start: int, stop: int) -> bytes:
        return read_range(self.address, start, stop, self.state)[0]

    def _note_read(
        self, ranges: Sequence[tuple[int, int]], found: Sequence[Sequence[Span]]
    ) -> None:
        """Drop what is read, and the longest unused of what is kept."""
        with self._held.lock:
            for (start, stop), spans in zip(ranges, found, strict=True):
                for span in spans:
                    if span.left:
                        span.left = without(span.left, start, stop)
                        if not span.left and not span.is_kept and span in self.spans:
                            self.spans.remove(span)
            self._held.drop()
            self._held.fetch_ahead()

    def _forget_announced(self) -> None:
        """Forget what was announced and has not been read; what is fetched by now is kept."""
        for span in self._held.forget(self):
            span.left = []
            is_begun = span.future is not None and not span.future.cancel()
            if not is_begun and span in self.spans:
                self.spans.remove(span)


def _go_together(
    these: Sequence[Span], others: Sequence[Span], ranges: Sequence[tuple[int, int]]
) -> bool:
    """Return whether two ranges, one after the other, lie in one span and close together."""
    is_one = len(these) == len(others) == 1 and these[0] is others[0]
    return is_one and ranges[1][0] - ranges[0][1] <= LARGEST_GAP_BYTES


def _bytes(spans: Sequence[Span], start: int, stop: int) -> bytes:
    parts = []
    for span in spans:
        assert span.future is not None, "it was waited for"
        data = span.future.result()
        parts.append(data[max(0, start - span.start) : max(0, stop - span.start)])
    return parts[0] if len(parts) == 1 else b"".join(parts)


def _done(data: bytes) -> "Future[bytes]":
    future: Future[bytes] = Future()
    future.set_result(data)
    return future


_pools: dict[int, ThreadPoolExecutor] = {}


def _pool() -> ThreadPoolExecutor:
    """Return the threads that wait for requests, of this process: no fork has its parent's."""
    pool = _pools.get(os.getpid())
    if pool is None:
        pool = ThreadPoolExecutor(IN_FLIGHT, thread_name_prefix="slidetile_ranges")
        pool = _pools.setdefault(os.getpid(), pool)
    return pool


_Name = tuple[Address, StorageOptions]


@dataclass(slots=True)
class _Shared:
    objects: dict[_Name, RangedObject] = field(default_factory=dict)
    listed: dict[_Name, dict[Address, ObjectState]] = field(default_factory=dict)


_shared: ContextVar[_Shared | None] = ContextVar("objects that are being opened", default=None)
_shared_lock = threading.Lock()


@contextmanager
def sharing_objects() -> Iterator[None]:
    """Open each object once meanwhile, however often it is asked for, within one bound of memory.

    A slide's readers look at it one after another.
    """
    if _shared.get() is not None:
        yield
        return
    shared = _Shared()
    token = _shared.set(shared)
    try:
        with held_within(Held()):
            yield
    finally:
        _shared.reset(token)
        for found in shared.objects.values():
            found.leave()


def ranged(
    address: Address, *, state: ObjectState | None = None, head_bytes: int = _READ_AHEAD_BYTES
) -> RangedObject:
    """Return an object, which the caller has to `leave`; see `RangedObject` for the parameters.

    Raises
    ------
    ObjectChangedError
        It is known to be another than that of the state.
    FileNotFoundError, OSError
        As `RangedObject` does.
    """
    shared = _shared.get()
    if shared is None:
        return RangedObject(address, state=state, head_bytes=head_bytes).use()
    name = address, address.options
    with _shared_lock:
        found = shared.objects.get(name)
    if found is None or (state is not None and not state.is_same(found.state)):
        made = RangedObject(address, state=state, head_bytes=head_bytes)
        with _shared_lock:
            found = shared.objects.get(name)
            if found is None:
                found = shared.objects[name] = made.use()
            elif state is not None:
                found = made
    return found.use()


def listed(prefix: Address) -> dict[Address, ObjectState]:
    """Return the objects directly below an address; see `objects_in` for what it raises."""
    shared = _shared.get()
    if shared is None:
        return objects_in(prefix)
    name = prefix, prefix.options
    if name not in shared.listed:
        shared.listed[name] = objects_in(prefix)
    return shared.listed[name]

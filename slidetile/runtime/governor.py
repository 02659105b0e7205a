"""Watches memory during a run, and changes how much may be in flight."""

import ctypes
import gc
import logging
import math
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from slidetile.runtime.memory import Budget, Gauge, is_space_tight
from slidetile.runtime.places import Places

_log = logging.getLogger(__name__)

HIGH_SHARE = 0.8
"""Above this share of the limit, less is kept in flight."""

LOW_SHARE = 0.6
"""Below this share of it, more is allowed again."""

# Parameters of mallopt(3), and their values.
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8
_ARENAS = 2
_LARGEST_MMAP_THRESHOLD_BYTES = 32 << 20
_KEPT_HEAP_BYTES = 256 << 20
_DEFAULT_THRESHOLD_BYTES = 128 << 10


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryUse:
    """What a run held."""

    peak_bytes: int
    """The most resident memory of the process that was seen."""

    budget_bytes: int
    """What everything in flight was allowed to take."""

    throttled: int
    """How often less was kept in flight because memory ran short."""


class Governor:
    """Watches memory during a run and changes how much may be in flight; never what is written.

    Parameters
    ----------
    budget
        The run's memory.
    gauge
        What tells how much is in use.
    interval_s
        Looks that follow one another sooner are not made: to measure takes time too.
    """

    def __init__(self, budget: Budget, gauge: Gauge, *, interval_s: float = 0.25) -> None:
        self.places = Places(budget.units)
        self._budget = budget
        self._gauge = gauge
        self._peak = gauge.resident_bytes()
        self._peak_before = gauge.peak_bytes()
        self._throttled = 0
        self._interval_s = interval_s
        self._looked_at = -math.inf

    @property
    def use(self) -> MemoryUse:
        """What the run has held so far."""
        peak = self._gauge.peak_bytes()
        if peak == self._peak_before:  # it was higher before this run than ever in it
            peak = self._peak
        return MemoryUse(
            peak_bytes=peak,
            budget_bytes=self._budget.in_flight_bytes,
            throttled=self._throttled,
        )

    def look(self) -> None:
        """Measure, and act: halve what is in flight when memory runs short, regrow one by one."""
        if time.monotonic() - self._looked_at < self._interval_s:
            return
        self._looked_at = time.monotonic()
        resident, available = self._gauge.resident_bytes(), self._gauge.available_bytes()
        self._peak = max(self._peak, resident)
        limit = self._budget.limit_bytes
        share = max(resident / limit, resident / max(1, resident + available))
        size = self.places.size
        if share > HIGH_SHARE and size > 1:
            self._throttled += 1
            self.places.resize(max(1, size // 2))
            free_what_can_be_freed()
            _log.warning(
                "memory: %.0f %% of %d MB in use, so %d instead of %d shards in flight",
                100 * share,
                limit // 1_000_000,
                self.places.size,
                size,
            )
        elif share < LOW_SHARE and size < self._budget.units:
            self.places.resize(size + 1)


@contextmanager
def kept_heap() -> Iterator[None]:
    """Have the C library keep freed memory for reuse while a run goes on, then give it back.

    Shards are allocated in one thread and freed in another, and glibc may return the top of a
    thread's heap to the system at once, only to ask for it again: at its worst 5,000 page faults
    a shard, half of the time. What is kept is bounded like what is in flight.

    glibc also gives each new thread a heap of its own, and what run after run leaves in them is
    never given back: slide after slide a process grew by half. Two heaps are enough, since large
    pieces are few, and one where the address space is limited, of which each reserves 64 MiB; this
    bound stays with the process. Elsewhere than with glibc nothing is done.
    """
    libc = ctypes.CDLL(None)
    mallopt, trim = getattr(libc, "mallopt", None), getattr(libc, "malloc_trim", None)
    if mallopt is None or trim is None:
        yield
        return
    mallopt(_M_ARENA_MAX, 1 if is_space_tight() else _ARENAS)
    mallopt(_M_MMAP_THRESHOLD, _LARGEST_MMAP_THRESHOLD_BYTES)
    mallopt(_M_TRIM_THRESHOLD, _KEPT_HEAP_BYTES)
    try:
        yield
    finally:
        mallopt(_M_MMAP_THRESHOLD, _DEFAULT_THRESHOLD_BYTES)
        mallopt(_M_TRIM_THRESHOLD, _DEFAULT_THRESHOLD_BYTES)
        trim(0)


def keep_to_one_heap() -> None:
    """Have the C library give new threads no heaps of their own, where it is glibc."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_ARENA_MAX, 1)


def free_what_can_be_freed() -> None:
    """Collect garbage and hand unused heap back to the system, where its C library can."""
    gc.collect()
    if (arrow := sys.modules.get("pyarrow")) is not None:
        arrow.default_memory_pool().release_unused()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)

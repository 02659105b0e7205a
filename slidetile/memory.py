"""How many bytes a run may hold at once, and who sees to it."""

import ctypes
import gc
import logging
import math
import os
import resource
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

_log = logging.getLogger(__name__)

USABLE_SHARE = 0.7
"""The rest stays with the operating system, the page cache and the neighbours."""

OVERHEAD = 3
"""A unit of work is held about three times: as read, as decoded, as encoded."""

HIGH_SHARE = 0.8
"""Above this share of the limit, less is kept in flight."""

LOW_SHARE = 0.6
"""Below this share of it, more is allowed again."""

# Parameters of mallopt(3), and their values.
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
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


class Gauge(Protocol):
    """What tells how much memory is in use."""

    def resident_bytes(self) -> int:
        """Return what this process holds."""
        ...

    def available_bytes(self) -> int:
        """Return what this process could still have."""
        ...

    def peak_bytes(self) -> int:
        """Return the most this process has ever held."""
        ...


class SystemGauge:
    """The gauge of the machine, or the container, the process runs in.

    Parameters
    ----------
    proc
        Where the kernel tells about processes.
    cgroups
        Where control groups are mounted.
    """

    def __init__(
        self, *, proc: Path = Path("/proc"), cgroups: Path = Path("/sys/fs/cgroup")
    ) -> None:
        self._proc = proc
        self._cgroups = cgroups

    def resident_bytes(self) -> int:
        """Return the resident memory of this process."""
        import psutil

        return int(psutil.Process().memory_info().rss)

    def available_bytes(self) -> int:
        """Return the memory this process could still have.

        The least of what the system has free, what the container's limits leave (cgroup v2 and
        v1, those of the groups above included) and what the address-space limit leaves.
        """
        import psutil

        candidates = [int(psutil.virtual_memory().available), *self._cgroup_headrooms()]
        soft_limit, _ = resource.getrlimit(resource.RLIMIT_AS)
        if soft_limit != resource.RLIM_INFINITY:
            candidates.append(soft_limit - int(psutil.Process().memory_info().vms))
        return max(0, min(candidates))

    def peak_bytes(self) -> int:
        """Return the most resident memory of this process, as the kernel counts it."""
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak if sys.platform == "darwin" else peak * 1024

    def _cgroup_headrooms(self) -> Iterator[int]:
        for folder, limit_name, used_name in self._cgroup_folders():
            limit = _read_number(folder / limit_name)
            used = _read_number(folder / used_name)
            if limit is not None and used is not None:
                yield limit - (used - _reclaimable_bytes(folder / "memory.stat"))

    def _cgroup_folders(self) -> Iterator[tuple[Path, str, str]]:
        """Yield this process's groups and all above them, with the names of limit and use."""
        try:
            lines = (self._proc / "self" / "cgroup").read_text().splitlines()
        except OSError:  # not Linux
            return
        for line in lines:
            _, controllers, path = line.split(":", 2)
            if controllers == "":
                root, names = self._cgroups, ("memory.max", "memory.current")
            elif "memory" in controllers.split(","):
                root = self._cgroups / "memory"
                names = ("memory.limit_in_bytes", "memory.usage_in_bytes")
            else:
                continue
            own = root / path.strip("/")
            yield from ((folder, *names) for folder in (own, *own.parents) if _within(folder, root))


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """The memory of one run.

    Raises
    ------
    ValueError
        A number is less than 1.
    """

    limit_bytes: int
    """What the whole process may hold."""

    in_flight_bytes: int
    """What everything in flight may take together."""

    unit_bytes: int
    """The pixels of one unit of work."""

    most: int
    """As many units as keep the cores busy; more would only cost memory."""

    def __post_init__(self) -> None:
        for name in self.__slots__:
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is at least 1, but it is {getattr(self, name)}.")

    @property
    def units(self) -> int:
        """Units that may be in flight: the budget ÷ (3 × unit), from 1 to ``most``."""
        return max(1, min(self.most, self.in_flight_bytes // (OVERHEAD * self.unit_bytes)))


def make_budget(
    gauge: Gauge, *, unit_bytes: int, most: int, memory_bytes: int | None = None
) -> Budget:
    """Return the budget of a run that begins now.

    Parameters
    ----------
    gauge
        What tells how much memory there is.
    unit_bytes
        The pixels of one unit of work.
    most
        As many units as keep the cores busy.
    memory_bytes
        The most the process shall hold; what is really available unless given.

    Returns
    -------
    Budget
        available × 0.7 for what is in flight; what the process holds already counts against
        ``memory_bytes``.
    """
    resident, available = gauge.resident_bytes(), gauge.available_bytes()
    limit = resident + available
    if memory_bytes is not None:
        limit = min(limit, memory_bytes)
    free = max(0, limit - resident)
    return Budget(
        limit_bytes=limit,
        in_flight_bytes=max(1, int(free * USABLE_SHARE)),
        unit_bytes=unit_bytes,
        most=most,
    )


class Places:
    """A semaphore whose size may change: who gives a place back makes room or does not."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._taken = 0
        self._changed = threading.Condition()

    @property
    def size(self) -> int:
        """How many may be taken."""
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
        """Allow more, or fewer once those taken are given back."""
        with self._changed:
            self._size = size
            self._changed.notify_all()


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

    def __init__(self, budget: Budget, gauge: Gauge, *, interval_s: float = 0.1) -> None:
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

    Shards are allocated in one thread and freed in another, and glibc returns the top of every
    thread's heap to the system at once, only to ask for it again: some 5,000 page faults a shard,
    which made half of the time. What is kept is bounded like what is in flight. Elsewhere than
    with glibc this does nothing.
    """
    libc = ctypes.CDLL(None)
    mallopt, trim = getattr(libc, "mallopt", None), getattr(libc, "malloc_trim", None)
    if mallopt is None or trim is None:
        yield
        return
    mallopt(_M_MMAP_THRESHOLD, _LARGEST_MMAP_THRESHOLD_BYTES)
    mallopt(_M_TRIM_THRESHOLD, _KEPT_HEAP_BYTES)
    try:
        yield
    finally:
        mallopt(_M_MMAP_THRESHOLD, _DEFAULT_THRESHOLD_BYTES)
        mallopt(_M_TRIM_THRESHOLD, _DEFAULT_THRESHOLD_BYTES)
        trim(0)


def free_what_can_be_freed() -> None:
    """Collect garbage and hand unused heap back to the system, where its C library can."""
    gc.collect()
    if (arrow := sys.modules.get("pyarrow")) is not None:
        arrow.default_memory_pool().release_unused()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


def default_workers() -> int:
    """Return the number of cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _within(folder: Path, root: Path) -> bool:
    return folder == root or root in folder.parents


def _reclaimable_bytes(stat: Path) -> int:
    """Return the page cache a group could give up at once; it counts as used, but is not."""
    try:
        entries = dict(line.split() for line in stat.read_text().splitlines())
        return int(entries.get("inactive_file", entries.get("total_inactive_file", 0)))
    except (OSError, ValueError):
        return 0


def _read_number(path: Path) -> int | None:
    try:
        return int(path.read_text())
    except (OSError, ValueError):  # no such controller, or "max": no limit
        return None

"""How many bytes a run may hold at once."""

import contextlib
import logging
import os
import resource
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Protocol

from slidetile.runtime._cgroups import CGROUPS, PROC, groups_of

_log = logging.getLogger(__name__)

USABLE_SHARE = 0.7
"""Share of the free memory that a run may use. The rest is left to the operating system, the page
cache and other programs."""

OVERHEAD = 3
"""A unit of work is in memory about three times: read, decoded and encoded."""

TIGHT_BYTES = 4 << 30
"""Below this limit of the address space, memory that is reserved but not used matters too."""

_GROUP_FILES = {
    1: ("memory.limit_in_bytes", "memory.usage_in_bytes"),
    2: ("memory.max", "memory.current"),
}
"""The files that hold a control group's limit and its usage, by the group's version."""


class Gauge(Protocol):
    """Measures how much memory is in use."""

    def resident_bytes(self) -> int:
        """Return the bytes that this process holds."""
        ...

    def available_bytes(self) -> int:
        """Return the bytes that this process could still get."""
        ...

    def peak_bytes(self) -> int:
        """Return the most bytes that this process has ever held."""
        ...


class _Used(NamedTuple):
    resident_bytes: int
    address_bytes: int
    data_bytes: int


class SystemGauge:
    """Measures the memory of the machine or container that the process runs in.

    Parameters
    ----------
    proc, cgroups
        As in `groups_of`.
    """

    def __init__(self, *, proc: Path = PROC, cgroups: Path = CGROUPS) -> None:
        self._proc = proc
        self._cgroups = cgroups
        self._has_told = False

    def resident_bytes(self) -> int:
        """Return the resident memory of this process; its peak where no /proc tells."""
        return self._used().resident_bytes

    def available_bytes(self) -> int:
        """Return the bytes that this process could still get.

        This is the least of what the system has free, what the container's limits leave (cgroup v2
        and v1, including the groups above) and what the process's own limits leave (of its address
        space and of its data, ``ulimit -v`` and ``-d``).
        """
        candidates = [self._free_bytes(), *self._cgroup_headrooms()]
        used = self._used()
        if (limit := _soft_limit(resource.RLIMIT_AS)) is not None:
            candidates.append(limit - used.address_bytes)
        if (limit := _soft_limit(resource.RLIMIT_DATA)) is not None:
            candidates.append(limit - used.data_bytes)
        return max(0, min(candidates))

    def _used(self) -> "_Used":
        if (told := _told_by_kernel()) is not None:
            return told
        import psutil

        try:
            used = psutil.Process().memory_info()
        except (psutil.Error, OSError):
            self._tell()
            peak = self.peak_bytes()
            return _Used(peak, peak, peak)
        return _Used(int(used.rss), int(used.vms), int(getattr(used, "data", 0)))

    def _free_bytes(self) -> int:
        if (told := _free_by_kernel()) is not None:
            return told
        import psutil

        try:
            return int(psutil.virtual_memory().available)
        except (psutil.Error, OSError):
            self._tell()
            return max(0, os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))

    def _tell(self) -> None:
        """Say once how memory is measured where the kernel's files are not mounted."""
        if not self._has_told:
            self._has_told = True
            _log.info("no /proc here: memory is what is free, and this process's is its peak")

    def peak_bytes(self) -> int:
        """Return the most resident memory of this process, as the kernel counts it."""
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak if sys.platform == "darwin" else peak * 1024

    def _cgroup_headrooms(self) -> Iterator[int]:
        for group in groups_of("memory", proc=self._proc, cgroups=self._cgroups):
            limit_name, used_name = _GROUP_FILES[group.version]
            limit = _read_number(group.folder / limit_name)
            used = _read_number(group.folder / used_name)
            if limit is not None and used is not None:
                yield limit - (used - _reclaimable_bytes(group.folder / "memory.stat"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """The memory of one run.

    Raises
    ------
    ValueError
        A number is less than 1.
    """

    limit_bytes: int
    """Memory that the whole process may hold."""

    in_flight_bytes: int
    """Memory that everything in flight may take together."""

    unit_bytes: int
    """The pixels of one unit of work."""

    most: int
    """Number of units that keep the cores busy; more would only cost memory."""

    def __post_init__(self) -> None:
        for name in self.__slots__:
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, but it is {getattr(self, name)}.")

    @property
    def units(self) -> int:
        """Units that may be in flight: the budget ÷ (3 × unit), from 1 to ``most``."""
        return max(1, min(self.most, self.in_flight_bytes // (OVERHEAD * self.unit_bytes)))


def make_budget(
    gauge: Gauge,
    *,
    unit_bytes: int,
    most: int,
    memory_bytes: int | None = None,
    beside_bytes: int = 0,
) -> Budget:
    """Return the budget of a run that begins now.

    Parameters
    ----------
    gauge
        Measures how much memory there is.
    unit_bytes
        The pixels of one unit of work.
    most
        Number of units that keep the cores busy.
    memory_bytes
        The most the process may hold; what is really available unless given.
    beside_bytes
        What the run holds beside its units, such as what is fetched ahead.

    Returns
    -------
    Budget
        available × 0.7 for everything in flight; memory that the process already holds counts
        against ``memory_bytes``.
    """
    resident, available = gauge.resident_bytes(), gauge.available_bytes()
    limit = resident + available
    if memory_bytes is not None:
        limit = min(limit, memory_bytes)
    free = max(0, limit - resident - beside_bytes)
    return Budget(
        limit_bytes=limit,
        in_flight_bytes=max(1, int(free * USABLE_SHARE)),
        unit_bytes=unit_bytes,
        most=most,
    )


def reset_peak() -> None:
    """Let the peak that `peak_since_reset_bytes` returns begin anew, where Linux can do that."""
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def peak_since_reset_bytes() -> int | None:
    """Return the most resident memory of this process since `reset_peak`; None where unknown.

    Not that of ``getrusage``: a process that was started inherits its parent's there.
    """
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:"))
    except (OSError, ValueError, IndexError, StopIteration):
        return None


def resident_bytes_of(pid: int) -> int:
    """Return the resident memory of another process; 0 where it has ended, or is unknown."""
    if (told := _told_by_kernel(pid)) is not None:
        return told.resident_bytes
    import psutil

    try:
        return int(psutil.Process(pid).memory_info().rss)
    except psutil.Error:  # it has ended
        return 0


def space_limit_bytes() -> int | None:
    """Return the lower of this process's limits of address space and of data; None without any.

    Linux enforces both (``ulimit -v``, ``-d``), but not that of resident memory (``ulimit -m``).
    """
    limits = _soft_limit(resource.RLIMIT_AS), _soft_limit(resource.RLIMIT_DATA)
    return min((limit for limit in limits if limit is not None), default=None)


def is_space_tight() -> bool:
    """Return whether a limit of the address space is below `TIGHT_BYTES`."""
    limit = space_limit_bytes()
    return limit is not None and limit < TIGHT_BYTES


def _soft_limit(kind: int) -> int | None:
    soft, _ = resource.getrlimit(kind)
    return None if soft == resource.RLIM_INFINITY else soft


def _told_by_kernel(pid: int | None = None) -> _Used | None:
    """Return the memory of a process as Linux tells it; None elsewhere, to be asked of psutil.

    It is this process, unless another's number is given. To load psutil takes longer than all that
    a run asks of it.
    """
    try:
        pages = [int(count) for count in Path(f"/proc/{pid or 'self'}/statm").read_text().split()]
        size = os.sysconf("SC_PAGE_SIZE")
        return _Used(pages[1] * size, pages[0] * size, pages[5] * size)
    except (OSError, ValueError, IndexError):
        return None


def _free_by_kernel() -> int | None:
    """Return the free memory of the system as Linux tells it; None elsewhere."""
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
        counts = [line.split()[1] for line in lines if line.startswith("MemAvailable:")]
        return int(counts[0]) * 1024
    except (OSError, ValueError, IndexError):
        return None


def _reclaimable_bytes(stat: Path) -> int:
    """Return the page cache that a group could give up at once, although it counts as used."""
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

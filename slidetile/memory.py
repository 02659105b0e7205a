"""How many bytes a run may hold at once."""

import os
import resource
from pathlib import Path

USABLE_SHARE = 0.7
"""The rest stays with the operating system, the page cache and the neighbours."""

OVERHEAD = 3
"""A unit of work is held about three times: as read, as decoded, as encoded."""


def available_bytes() -> int:
    """Return the memory this process can really have.

    The least of what the system has free, what the container's limit leaves (cgroup v2 and v1)
    and what the address-space limit leaves.
    """
    import psutil

    process_bytes = psutil.Process().memory_info().vms
    candidates = [int(psutil.virtual_memory().available), *_cgroup_headrooms()]
    soft_limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    if soft_limit != resource.RLIM_INFINITY:
        candidates.append(soft_limit - process_bytes)
    return max(0, min(candidates))


def units_in_flight(unit_bytes: int, *, most: int, available: int | None = None) -> int:
    """Return how many units of work may be under way at once.

    Parameters
    ----------
    unit_bytes
        Bytes of one unit, decoded.
    most
        As many as keep the cores busy; more would only cost memory.
    available
        Bytes to count on; what is really free unless given.

    Returns
    -------
    int
        available × 0.7 ÷ (3 × unit), from 1 to ``most``.
    """
    free = available_bytes() if available is None else available
    return max(1, min(most, int(free * USABLE_SHARE / (OVERHEAD * unit_bytes))))


def default_workers() -> int:
    """Return the number of cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _cgroup_headrooms() -> list[int]:
    folders = {
        Path("/sys/fs/cgroup"): ("memory.max", "memory.current"),
        Path("/sys/fs/cgroup/memory"): ("memory.limit_in_bytes", "memory.usage_in_bytes"),
    }
    return [
        limit - used
        for folder, (limit_name, used_name) in folders.items()
        if (limit := _read_number(folder / limit_name)) is not None
        and (used := _read_number(folder / used_name)) is not None
    ]


def _read_number(path: Path) -> int | None:
    try:
        return int(path.read_text())
    except (OSError, ValueError):  # no such controller, or "max": no limit
        return None

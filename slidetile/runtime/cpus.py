"""How many cores this process may keep busy: the machine's cores, within the process's limits.

A job on a large node often has few of its cores. The kernel keeps it to them by an affinity
(``taskset``, a cpuset) or by a quota of time (``docker --cpus``, a Kubernetes limit), or nothing
does but the scheduler's word. More threads than cores take turns, and each holds memory.
"""

import math
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from slidetile.runtime._cgroups import CGROUPS, PROC, Group, groups_of


@dataclass(frozen=True, slots=True, kw_only=True)
class CpuLimits:
    """The limits of a process's cores.

    Raises
    ------
    ValueError
        A limit leaves no core.
    """

    allowed: int
    """Cores it may run on."""

    quota: float | None = None
    """Quota of its control groups, in cores used all the time; None without a quota."""

    per_task: int | None = None
    """Cores that SLURM has given to its task; None where it has not set any."""

    def __post_init__(self) -> None:
        if self.allowed < 1 or (self.per_task is not None and self.per_task < 1):
            raise ValueError(f"A process needs at least 1 core, but its limits are {self!r}.")
        if self.quota is not None and not self.quota > 0:
            raise ValueError(f"A quota must be more than 0 cores, but this one is {self.quota}.")

    @classmethod
    def of_this_process(
        cls,
        *,
        proc: Path = PROC,
        cgroups: Path = CGROUPS,
        environment: Mapping[str, str] = os.environ,
    ) -> Self:
        """Return the limits of this process.

        Parameters
        ----------
        proc, cgroups
            As in `groups_of`.
        environment
            Where SLURM sets its variables.
        """
        quotas = [
            quota
            for group in groups_of("cpu", proc=proc, cgroups=cgroups)
            for quota in _quotas(group)
        ]
        # The only place where the library reads the environment. SLURM confines a job to its cores
        # only where its site has set that up. Elsewhere this variable alone shows that a job shares
        # its node, and without it a hundred threads of one job take the cores of all others.
        given = environment.get("SLURM_CPUS_PER_TASK", "")
        return cls(
            allowed=_allowed_cores(),
            quota=min(quotas, default=None),
            per_task=int(given) if given.isdecimal() and int(given) else None,
        )

    @property
    def cores(self) -> int:
        """The least of the limits, in whole cores.

        A quota is rounded up: another thread uses the last half core, and waits the rest of the
        time.
        """
        limits = [
            self.allowed,
            self.per_task,
            None if self.quota is None else math.ceil(self.quota),
        ]
        return min(limit for limit in limits if limit is not None)


def worker_count(workers: int | None, *, processes: int = 1) -> int:
    """Return the number of threads for a call.

    Parameters
    ----------
    workers
        Number that the caller requests; None is one thread for each core of this process.
    processes
        Number of processes that share the cores.

    Raises
    ------
    ValueError
        ``workers`` is less than 1.
    """
    if workers is None:
        return max(1, CpuLimits.of_this_process().cores // processes)
    if workers < 1:
        raise ValueError(f"workers must be at least 1, but it is {workers}.")
    return workers


def _allowed_cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _quotas(group: Group) -> Iterator[float]:
    """Yield the quota of a group, in cores, where it has one."""
    try:
        if group.version == 1:
            quota = (group.folder / "cpu.cfs_quota_us").read_text()
            period = (group.folder / "cpu.cfs_period_us").read_text()
        else:
            quota, period = (group.folder / "cpu.max").read_text().split()
        cores = int(quota) / int(period)
    except (OSError, ValueError, ZeroDivisionError):  # no such file, or "max": no quota
        return
    if cores > 0:  # -1 means that there is no quota
        yield cores

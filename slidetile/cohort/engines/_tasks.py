"""What runs on the workers of a cluster: values in, values out, whichever worker takes them.

Knows the steps of a job and of a giant. Does not know the scheduler's part in it.
"""

import os
import platform
import time
from dataclasses import dataclass
from typing import Any, Protocol

from slidetile.cohort.engines.cluster_job import ClusterJob
from slidetile.cohort.engines.engine import OnSlideProgress
from slidetile.cohort.giant import FoundGiant, Giant
from slidetile.errors import StoreBusyError
from slidetile.planning.plan import TilePlan
from slidetile.writing.group import Group, Permit
from slidetile.writing.options import Progress

ORPHAN_S = (0.5, 1.0, 2.0, 4.0)
"""So long a task waits, before each new try, with a store that another process writes: that of a
lost worker ends within a second or so, and Dask gives its task to another at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Means:
    """What a worker gives a task."""

    worker: str
    """The worker's address, for people."""

    threads: int
    """Threads that encode."""

    memory_bytes: int | None
    """The most memory of the process; None is what is available."""

    on_progress: OnSlideProgress
    """Takes the label of a slide, and how far it is."""


class Task(Protocol):
    """One step of the work on one slide; it can be pickled."""

    def run(self, means: Means, found: Any) -> Any:
        """Carry the step out; ``found`` is what has found the giant, for the steps of one."""
        ...


class PathMissingError(FileNotFoundError):
    """A worker does not have what the machine has that hands out the work."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SlideTask:
    """A whole slide, unless it is a giant."""

    job: ClusterJob[Any]
    """What to do."""

    most_tiles: int | None
    """The most tiles that one task writes; None is any number."""

    def run(self, means: Means, _found: Any) -> Any:
        """Return the job's outcome, or the giant that it is, with its plan."""
        missing = missing_path(self.job, means.worker)
        if missing is not None:
            return self.job.failure(missing, str(missing), 0.0)
        job = self.job.on_worker(workers=means.threads, memory_bytes=means.memory_bytes)
        outcome = self._outcome(job, means)
        for seconds in ORPHAN_S:
            if not is_busy(outcome):
                break
            time.sleep(seconds)
            outcome = self._outcome(job, means)
        return outcome

    def _outcome(self, job: ClusterJob[Any], means: Means) -> Any:
        if self.most_tiles is None:
            return job.run(means.on_progress)
        return job.run_unless_giant(self.most_tiles, means.on_progress)


def is_busy(outcome: Any) -> bool:
    """Return whether another process was writing the store, as the outcome of a job says."""
    return getattr(outcome, "error_type", None) == StoreBusyError.__name__


def missing_path(job: ClusterJob[Any], worker: str) -> PathMissingError | None:
    """Return the error of a worker that does not see a job's files; None if it sees them."""
    for path in job.paths:
        if not os.path.lexists(path):
            return PathMissingError(
                f"{path} is not there on the host {platform.node()} (worker {worker}): every "
                "worker needs the slides and the output folder under the same paths as the "
                "machine that hands out the work"
            )
    return None


def _plan_of(found: Any, giant: Giant) -> TilePlan:
    """Return a giant's plan, which the task that found it has made.

    It is made again where that task was repeated, since its worker was lost with the plan, and has
    found the store finished meanwhile.
    """
    return found.plan if isinstance(found, FoundGiant) else giant.plan()


@dataclass(frozen=True, slots=True, kw_only=True)
class BeginTask:
    """Begin a giant's store."""

    giant: Giant
    permit: Permit

    def run(self, _means: Means, found: Any) -> Group:
        """Return what the parts need."""
        plan = _plan_of(found, self.giant)
        return self.giant.begin(plan, self.permit)


@dataclass(frozen=True, slots=True, kw_only=True)
class PartTask:
    """Write one part of a giant's store."""

    label: str
    """The path of the slide, as given."""

    giant: Giant
    group: Group
    number: int

    def run(self, means: Means, found: Any) -> Progress:
        """Return what the part has."""
        plan = _plan_of(found, self.giant)
        return self.giant.within(means.memory_bytes).write_part(
            plan,
            self.group,
            self.number,
            workers=means.threads,
            on_progress=lambda progress: means.on_progress(self.label, progress),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class FinishTask:
    """Finish a giant's store."""

    job: ClusterJob[Any]
    giant: Giant
    group: Group
    seconds: float
    """How long the slide has taken before."""

    def run(self, means: Means, found: Any) -> Any:
        """Return the job's outcome."""
        plan = _plan_of(found, self.giant)
        job = self.job.on_worker(workers=means.threads, memory_bytes=means.memory_bytes)
        giant = self.giant.within(means.memory_bytes)
        return job.finish(
            giant, plan, self.group, seconds=self.seconds, on_progress=means.on_progress
        )

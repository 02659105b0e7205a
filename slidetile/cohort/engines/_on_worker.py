"""How a worker of dask.distributed carries one task out.

Knows Dask's workers. Does not know what a task does.
"""

import pickle
import platform
import time
from typing import TYPE_CHECKING, Any, NamedTuple

from slidetile.cohort.engines._in_child import PackedTask, TaskProcess, to_parent
from slidetile.cohort.engines._tasks import Means
from slidetile.cohort.sizing import LEAST_LIMIT_BYTES
from slidetile.runtime.memory import SystemGauge
from slidetile.runtime.processes import Limits
from slidetile.writing.options import Progress

if TYPE_CHECKING:
    from distributed import Worker

USABLE_SHARE = 0.7
"""Share of a worker's memory limit that a task plans with; its process is ended when it holds all
that the worker itself leaves."""

_PROCESS = TaskProcess()
"""That of this worker."""

_ENDING = {"closing", "closed", "stopping", "stopped", "failed"}
"""States of a worker that finishes nothing any more."""


class VersionsDifferError(RuntimeError):
    """A worker has another version of slidetile than the machine that hands out the work."""


class CancelledOnWorkerError(KeyboardInterrupt):
    """Nobody wants the task's result any more: no error of the slide, so it is not one of a job."""


class TaskLimits(NamedTuple):
    """What a task may take of its worker."""

    threads: int | None = None
    """Threads that encode; None is as many as the worker has."""

    memory_bytes: int | None = None
    """The most memory of its process; None is as much as the worker may hold, and never more."""

    timeout_s: float | None = None
    """Seconds; None is for ever."""


class Envelope(NamedTuple):
    """A task on its way to a worker."""

    version: str
    """The version of slidetile that packed it: first of all, since another cannot unpack it."""

    data: bytes
    """The pickled task."""

    topic: str
    """Where progress is told."""

    progress_s: float
    """How often, in seconds."""

    limits: TaskLimits
    """What the task may take, as the user asked for."""


def carry_out(envelope: Envelope, plan: Any = None) -> Any:
    """Carry out a task in a process of its own, and return what it returns, or a `Cut`.

    ``plan`` is what the giant's first task returned, for those that need its plan.

    Raises
    ------
    VersionsDifferError
        This worker's slidetile is another version.
    """
    from distributed import get_worker

    import slidetile

    worker = get_worker()
    if slidetile.__version__ != envelope.version:
        raise VersionsDifferError(
            f"the worker {worker.address} on the host {platform.node()} has slidetile "
            f"{slidetile.__version__}, and this is slidetile {envelope.version}: install the same "
            "version on all of them"
        )
    teller = _Teller(worker, envelope)
    most_bytes = _most_bytes(worker, envelope.limits)
    limits = Limits(
        timeout_s=envelope.limits.timeout_s, memory_bytes=lambda: _ended_at_bytes(most_bytes)
    )
    task = PackedTask(envelope.data, _means(worker, envelope.limits, most_bytes), plan)
    try:
        return _PROCESS.carry_out(task, limits, on_progress=teller.tell, look=teller.check_wanted)
    except CancelledOnWorkerError:
        return None


def _means(worker: "Worker", limits: TaskLimits, most_bytes: int | None) -> Means:
    return Means(
        worker=worker.address,
        threads=worker.state.nthreads if limits.threads is None else limits.threads,
        memory_bytes=None if most_bytes is None else max(1, int(most_bytes * USABLE_SHARE)),
        on_progress=to_parent,
    )


def _most_bytes(worker: "Worker", limits: TaskLimits) -> int | None:
    given = worker.memory_manager.memory_limit, limits.memory_bytes
    return min((each for each in given if each is not None), default=None)


def _ended_at_bytes(most_bytes: int | None) -> int | None:
    """Return the memory at which a task's process is ended: what the worker itself leaves of it."""
    if most_bytes is None:
        return None
    return max(LEAST_LIMIT_BYTES, most_bytes - SystemGauge().resident_bytes())


class _Teller:
    """Tells the client of progress, and ends a task whose result nobody wants any more."""

    def __init__(self, worker: "Worker", envelope: Envelope) -> None:
        self._worker = worker
        self._topic = envelope.topic
        self._every_s = envelope.progress_s
        self._key = worker.get_current_task()
        self._told_s = time.monotonic()

    def tell(self, progress: Progress) -> None:
        """Take how far the task is."""
        if time.monotonic() - self._told_s >= self._every_s:
            self._told_s = time.monotonic()
            self._worker.log_event(self._topic, (self._key, pickle.dumps(progress)))

    def check_wanted(self) -> None:
        """Check that the task is still to be done.

        Raises
        ------
        CancelledOnWorkerError
            The client or the scheduler wants it no more, or the worker is about to end.
        """
        task = self._worker.state.tasks.get(self._key)
        is_wanted = task is not None and task.state not in ("cancelled", "released", "forgotten")
        if not is_wanted or self._worker.status.name in _ENDING:
            raise CancelledOnWorkerError

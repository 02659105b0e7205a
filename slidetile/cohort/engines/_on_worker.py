"""How a worker of dask.distributed carries one task out.

Knows Dask's workers. Does not know what a task does.
"""

import pickle
import platform
import threading
import time
from typing import TYPE_CHECKING, Any, NamedTuple

from slidetile.cohort.engines._tasks import Means, Task
from slidetile.planning.plan import TilePlan
from slidetile.writing.options import Progress

if TYPE_CHECKING:
    from distributed import Worker

USABLE_SHARE = 0.7
"""Share of a worker's memory limit that a task may hold: above 0.8 Dask pauses a worker, and above
0.95 it ends it."""

_ONE_AT_A_TIME = threading.Lock()
"""Held by the running task. What a slide logs, its current folder and its memory are those of the
process, so a worker of several threads gives them all to one task."""


class VersionsDifferError(RuntimeError):
    """A worker has another version of slidetile than the machine that hands out the work."""


class CancelledOnWorkerError(KeyboardInterrupt):
    """Nobody wants the task's result any more: no error of the slide, so it is not one of a job."""


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

    threads: int | None
    """Threads that encode, as the user asked for; None is what the worker has."""


def carry_out(envelope: Envelope, plan: TilePlan | None = None) -> Any:
    """Carry out a task, and return what it returns.

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
    task: Task = pickle.loads(envelope.data)  # noqa: S301  as Dask itself does with all it is sent
    with _ONE_AT_A_TIME:
        try:
            return task.run(_means(worker, envelope), plan)
        except CancelledOnWorkerError:
            return None
        except KeyboardInterrupt as error:  # would end the worker
            raise RuntimeError("something on the worker wanted to interrupt the run") from error


def _means(worker: "Worker", envelope: Envelope) -> Means:
    limit = worker.memory_manager.memory_limit
    return Means(
        worker=worker.address,
        threads=worker.state.nthreads if envelope.threads is None else envelope.threads,
        memory_bytes=None if limit is None else max(1, int(limit * USABLE_SHARE)),
        on_progress=_Teller(worker, envelope),
    )


class _Teller:
    """Tells the client of progress, and ends a task whose result nobody wants any more."""

    def __init__(self, worker: "Worker", envelope: Envelope) -> None:
        self._worker = worker
        self._topic = envelope.topic
        self._every_s = envelope.progress_s
        self._key = worker.get_current_task()
        self._told_s = time.monotonic()

    def __call__(self, _label: str, progress: Progress) -> None:
        self._check_wanted()
        if time.monotonic() - self._told_s >= self._every_s:
            self._told_s = time.monotonic()
            self._worker.log_event(self._topic, (self._key, pickle.dumps(progress)))

    def _check_wanted(self) -> None:
        task = self._worker.state.tasks.get(self._key)
        if task is None or task.state in ("cancelled", "released", "forgotten"):
            raise CancelledOnWorkerError

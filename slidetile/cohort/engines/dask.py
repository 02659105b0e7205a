"""The workers of a dask.distributed scheduler as an engine; a task is a slide, or part of one.

Knows Dask's client. Does not know how a slide is tiled, nor how a cluster is started.
"""

import heapq
import itertools
import logging
import os
import pickle
import queue
import time
from collections import deque
from collections.abc import Callable, Generator, Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar, cast

from slidetile.cohort.engines._giant_work import GiantWork
from slidetile.cohort.engines._on_worker import Envelope, VersionsDifferError, carry_out
from slidetile.cohort.engines._steps import Done, Ending, Following, Step
from slidetile.cohort.engines._tasks import PlanTask, SlideTask, Task
from slidetile.cohort.engines.cluster_error import ClusterError
from slidetile.cohort.engines.cluster_job import ClusterJob
from slidetile.cohort.engines.engine import Job, JobQueue, OnSlideProgress
from slidetile.cohort.giant import Giant, SplitLimit
from slidetile.errors import explain
from slidetile.runtime.cpus import worker_count
from slidetile.runtime.processes import ProcessDiedError
from slidetile.writing.options import Progress

if TYPE_CHECKING:
    from distributed import Client

Outcome = TypeVar("Outcome")

_log = logging.getLogger(__name__)

PER_WORKER = 2
"""Tasks in flight for each worker: one that runs, and one that it has at hand for then."""

FEWEST = 4
"""Tasks in flight where there are no workers yet: a cluster starts them when there is work."""

LOOK_S = 5.0
"""How often the workers are counted, in seconds."""

POLL_S = 0.5
"""How often the scheduler's connection is looked at, in seconds."""

GATHER_S = 30.0
"""Seconds within which a task's result comes, unless its worker was lost after it had ended."""

PROGRESS_PER_S = 50.0
"""Messages of progress from all workers together, in a second."""

BUSY_S = 75.0
"""A store whose worker was lost is claimed by it until it has been silent for a minute."""


class DaskEngine:
    """An engine that does jobs on the workers of a dask.distributed scheduler.

    Parameters
    ----------
    client
        A client of the scheduler; it stays open.
    most_tiles
        A slide of more tiles is written by several tasks, each a part of about so many; None
        splits none.
    threads
        Threads that encode in each task; None is as many as the worker has.

    Raises
    ------
    ValueError
        A number is less than 1.
    """

    def __init__(
        self, client: "Client", *, most_tiles: int | None = None, threads: int | None = None
    ) -> None:
        if most_tiles is not None:
            SplitLimit(most_tiles=most_tiles)
        worker_count(threads)
        self._client = client
        self._most_tiles = most_tiles
        self._threads = threads

    def carry_out(
        self, jobs: JobQueue[Outcome], on_progress: OnSlideProgress | None = None
    ) -> Generator[tuple[Job[Outcome], Outcome]]:
        """Yield each job when it ends, and what became of it.

        Raises
        ------
        ClusterError
            The scheduler is gone, or a worker has another version of slidetile, or none.
        """
        run = _Run(self._client, jobs, self._most_tiles, self._threads, on_progress)
        try:
            yield from run.results()
        finally:
            run.close()


class _UnderWay(NamedTuple):
    """A step that was handed out."""

    step: Step
    future: Any
    begin_s: float


class _Unpacked(NamedTuple):
    """A task that cannot be packed, to be sent to a worker."""

    key: str
    error: Exception


class _Told(NamedTuple):
    """Progress of a task."""

    key: str
    progress: bytes


class _Run:
    """One run of the engine: what is under way, and what follows from what has ended."""

    def __init__(
        self,
        client: Any,  # of whose methods few have types
        jobs: JobQueue[Any],
        most_tiles: int | None,
        threads: int | None,
        on_progress: OnSlideProgress | None,
    ) -> None:
        self._client = client
        self._jobs = jobs
        self._most_tiles = most_tiles
        self._threads = threads
        self._on_progress = on_progress
        self._name = f"slidetile-{os.urandom(6).hex()}"
        self._numbers = itertools.count()
        self._events: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._urgent: deque[Step] = deque()
        self._ready: deque[Step] = deque()
        self._waiting: list[tuple[float, int, Step]] = []
        self._under_way: dict[str, _UnderWay] = {}
        self._giants: set[GiantWork] = set()
        self._busy_before: set[str] = set()
        self._lost_before: set[str] = set()
        self._workers = _Workers(client)

    def results(self) -> Iterator[tuple[Any, Any]]:
        """Yield (job, outcome) of each job when it ends."""
        if self._on_progress is not None:
            self._client.subscribe_topic(self._name, self._note_progress)
        while self._hand_out():
            event = self._next_event()
            if isinstance(event, _Told):
                self._tell(event)
            elif isinstance(event, _Unpacked):
                step = self._under_way.pop(event.key).step
                for done in self._follow(step.on_end(Ending(error=event.error))):
                    yield done.job, done.outcome
            elif event is not None:
                for done in self._follow(self._ended(event)):
                    yield done.job, done.outcome

    def close(self) -> None:
        """Have nothing more done, and let go of all stores."""
        for giant in self._giants:
            giant.close()
        futures = [each.future for each in self._under_way.values() if each.future is not None]
        with suppress(Exception):  # the scheduler may be gone
            if self._on_progress is not None:
                self._client.unsubscribe_topic(self._name)
            if futures and self._client.status == "running":
                self._client.cancel(futures, force=True)

    def _hand_out(self) -> bool:
        """Hand out as much as there is room for; return whether anything is left to wait for."""
        while len(self._under_way) < self._workers.room:
            step = self._next_step()
            if step is None:
                break
            self._begin(step)
        return bool(self._under_way or self._waiting or self._urgent or self._ready)

    def _begin(self, step: Step) -> None:
        try:
            future = self._submit(step.task, step.plan, is_urgent=step.is_urgent)
        except Exception as error:  # noqa: BLE001  such as a detector that cannot be pickled
            self._check_scheduler(error)
            key = f"unpacked-{next(self._numbers)}"
            self._under_way[key] = _UnderWay(step, None, time.monotonic())
            self._events.put(_Unpacked(key, error))
            return
        self._under_way[future.key] = _UnderWay(step, future, time.monotonic())
        future.add_done_callback(self._events.put)

    def _next_step(self) -> Step | None:
        if self._waiting and self._waiting[0][0] <= time.monotonic():
            return heapq.heappop(self._waiting)[2]
        if self._urgent:
            return self._urgent.popleft()
        job = self._jobs.take()
        if job is not None:
            return self._slide_step(cast("ClusterJob[Any]", job))
        return self._ready.popleft() if self._ready else None

    def _slide_step(self, job: ClusterJob[Any]) -> Step:
        return self._step_of(job, self._most_tiles)

    def _whole_step(self, job: ClusterJob[Any]) -> Step:
        return self._step_of(job, None)

    def _step_of(self, job: ClusterJob[Any], most_tiles: int | None) -> Step:
        def tell(progress: Progress) -> None:
            if self._on_progress is not None:
                self._on_progress(job.label, progress)

        return Step(
            task=SlideTask(job=job, most_tiles=most_tiles),
            on_end=lambda ending: self._slide_ended(job, ending),
            on_progress=tell,
        )

    def _submit(self, task: Task, plan: Any = None, *, is_urgent: bool = False) -> Any:
        from distributed.protocol import pickle as packing

        from slidetile import __version__

        pack: Callable[[Task], bytes] = packing.dumps

        envelope = Envelope(
            version=__version__,
            data=pack(task),  # by cloudpickle where need be: what a notebook defines
            topic=self._name,
            progress_s=max(1.0, self._workers.count / PROGRESS_PER_S),
            threads=self._threads,
        )
        return self._client.submit(
            carry_out,
            envelope,
            plan,
            key=f"{self._name}-{next(self._numbers)}",
            pure=False,
            retries=0,
            priority=int(is_urgent),
        )

    def _next_event(self) -> Any:
        """Wait for what happens next; None where nothing did for a moment."""
        try:
            return self._events.get(timeout=POLL_S)
        except queue.Empty:
            self._check_scheduler()
            return None

    def _check_scheduler(self, error: BaseException | None = None) -> None:
        """Check that the scheduler is there.

        Raises
        ------
        ClusterError
            It is not.
        """
        if self._client.status != "running":
            raise _scheduler_lost(self._client) from error

    def _ended(self, future: Any) -> Following:
        """Return what follows from the end of a task."""
        under_way = self._under_way.get(future.key)
        if under_way is None:
            return
        ending = self._ending(under_way)
        if ending is None:  # its worker died after it had ended: Dask does it again
            future.add_done_callback(self._events.put)
            return
        del self._under_way[future.key]
        yield from under_way.step.on_end(ending)

    def _ending(self, under_way: _UnderWay) -> Ending | None:
        from distributed import KilledWorker
        from distributed.client import FutureCancelledError
        from distributed.comm.core import CommClosedError

        seconds = time.monotonic() - under_way.begin_s
        try:
            return Ending(value=under_way.future.result(timeout=GATHER_S), seconds=seconds)
        except (KilledWorker, FutureCancelledError, CommClosedError) as error:
            self._check_scheduler(error)
            lost = ProcessDiedError(_loss(error))
            return Ending(error=lost, is_lost=True, seconds=seconds)
        except TimeoutError as error:
            self._check_scheduler()
            if under_way.future.status == "error":  # it is the task's own
                return Ending(error=error, seconds=seconds)
            return None  # its result is not here yet
        except Exception as error:  # noqa: BLE001  one bad slide never ends the run
            _refuse_unfit_worker(error)
            return Ending(error=error, seconds=seconds)

    def _slide_ended(self, job: ClusterJob[Any], ending: Ending) -> Following:
        if ending.is_lost and job.label not in self._lost_before:
            # Of all tasks that a worker had at hand Dask takes each for what ended it.
            self._lost_before.add(job.label)
            yield self._slide_step(job)
        elif ending.error is not None:
            reason = explain(ending.error)
            if not ending.is_lost:
                reason = f"could not be handed to a worker, or back: {reason}"
            yield Done(job, job.failure(ending.error, reason, ending.seconds))
        elif isinstance(ending.value, Giant):
            work = GiantWork(
                job,
                ending.value,
                submit=self._submit_plan,
                whole=self._whole_step,
                on_progress=self._on_progress,
            )
            self._giants.add(work)
            yield from work.begin()
        elif self._is_to_wait_for(job, ending.value):
            step = self._slide_step(job)
            heapq.heappush(self._waiting, (time.monotonic() + BUSY_S, next(self._numbers), step))
        else:
            yield Done(job, ending.value)

    def _submit_plan(self, task: PlanTask) -> Any:
        return self._submit(task, is_urgent=True)

    def _is_to_wait_for(self, job: ClusterJob[Any], outcome: Any) -> bool:
        """Return whether a store may be claimed by a worker that was lost, and is to be waited for.

        Dask has then given the slide to another worker already.
        """
        if getattr(outcome, "error_type", None) != "StoreBusyError":
            return False
        is_first = job.label not in self._busy_before
        self._busy_before.add(job.label)
        return is_first and len(self._waiting) < self._workers.room

    def _follow(self, following: Following) -> Iterator[Done]:
        for each in following:
            if isinstance(each, Done):
                yield each
            elif each.is_urgent:
                self._urgent.append(each)
            else:
                self._ready.append(each)

    def _note_progress(self, event: tuple[float, Any]) -> None:
        """Take what a worker tells; called in the client's own thread."""
        _, (key, progress) = event
        self._events.put(_Told(key, progress))

    def _tell(self, told: _Told) -> None:
        under_way = self._under_way.get(told.key)
        if under_way is not None:
            under_way.step.on_progress(pickle.loads(told.progress))  # noqa: S301  of our workers


class _Workers:
    """How many workers there are, asked for now and then."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self._looked_s = float("-inf")
        self._count = 0

    @property
    def count(self) -> int:
        """Their number.

        Raises
        ------
        ClusterError
            The scheduler does not say.
        """
        if time.monotonic() - self._looked_s > LOOK_S:
            try:
                self._count = len(self._client.nthreads())
            except Exception as error:
                raise _scheduler_lost(self._client) from error
            self._looked_s = time.monotonic()
        return self._count

    @property
    def room(self) -> int:
        """How many tasks may be in flight."""
        return max(FEWEST, PER_WORKER * self.count)


def _scheduler_lost(client: Any) -> ClusterError:
    where = getattr(client.scheduler, "address", None) or "of this run"
    return ClusterError(
        f"The scheduler {where} does not answer any more. What is finished is kept, and so is what "
        "was written of other slides: run the same command again when it is back."
    )


def _loss(error: BaseException) -> str:
    return (
        f"its worker died or was lost ({type(error).__name__}): a decoder or a detector crashed, "
        "memory ran out, or the machine was stopped"
    )


def _refuse_unfit_worker(error: BaseException) -> None:
    """Raise the error that ends the run where a worker can do none of it.

    Raises
    ------
    ClusterError
        It has another slidetile, or none.
    """
    if isinstance(error, VersionsDifferError):
        raise ClusterError(f"The run ends: {error}.") from error
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ModuleNotFoundError) and (cause.name or "").startswith("slidetile"):
            raise ClusterError(
                f"The run ends: a worker cannot load {cause.name}. Install the same version of "
                "slidetile on all workers as on this machine."
            ) from error
        cause = cause.__cause__ or cause.__context__

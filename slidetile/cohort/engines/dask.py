"""The workers of a dask.distributed scheduler as an engine; a task is a slide, or part of one.

Knows Dask's client. Does not know how a slide is tiled, nor how a cluster is started.
"""

import itertools
import os
import pickle
import queue
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar, cast

from slidetile.cohort.engines._in_child import Cut
from slidetile.cohort.engines._on_worker import (
    Envelope,
    TaskLimits,
    VersionsDifferError,
    carry_out,
)
from slidetile.cohort.engines._schedule import Schedule
from slidetile.cohort.engines._steps import Done, Ending, Step
from slidetile.cohort.engines._tasks import Task
from slidetile.cohort.engines.cluster_error import ClusterError
from slidetile.cohort.engines.engine import Job, JobQueue, OnSlideProgress
from slidetile.cohort.giant import SplitLimit
from slidetile.runtime.cpus import worker_count
from slidetile.runtime.processes import ProcessDiedError

if TYPE_CHECKING:
    from distributed import Client

Outcome = TypeVar("Outcome")

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

ANSWER_S = 60.0
"""A scheduler that takes longer to say how many workers there are is taken for gone."""


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
    timeout_s
        Seconds that a task may take, with the start of its process; None is for ever.
    memory_bytes
        The most memory that a task's process may hold; None is what its worker may hold, and it is
        never more.

    Raises
    ------
    ValueError
        A number is less than 1.
    """

    def __init__(
        self,
        client: "Client",
        *,
        most_tiles: int | None = None,
        threads: int | None = None,
        timeout_s: float | None = None,
        memory_bytes: int | None = None,
    ) -> None:
        if most_tiles is not None:
            SplitLimit(most_tiles=most_tiles)
        worker_count(threads)
        self._client = client
        self._most_tiles = most_tiles
        self._limits = TaskLimits(threads=threads, timeout_s=timeout_s, memory_bytes=memory_bytes)

    def carry_out(
        self, jobs: JobQueue[Outcome], on_progress: OnSlideProgress | None = None
    ) -> Generator[tuple[Job[Outcome], Outcome]]:
        """Yield each job when it ends, and what became of it.

        Raises
        ------
        ClusterError
            The scheduler is gone, or a worker has another version of slidetile, or none.
        """
        schedule = Schedule(jobs, most_tiles=self._most_tiles, on_progress=on_progress)
        dispatch = _Dispatch(
            self._client, schedule, self._limits, wants_progress=on_progress is not None
        )
        try:
            for done in dispatch.results():
                yield cast("Job[Outcome]", done.job), done.outcome
        finally:
            dispatch.close()


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


class _Dispatch:
    """Hands the steps of a schedule out to workers, and hears what becomes of them."""

    def __init__(
        self,
        client: Any,  # of whose methods few have types
        schedule: Schedule[Any],
        limits: TaskLimits,
        *,
        wants_progress: bool,
    ) -> None:
        self._client = client
        self._schedule = schedule
        self._limits = limits
        self._wants_progress = wants_progress
        self._name = f"slidetile-{os.urandom(6).hex()}"
        self._numbers = itertools.count()
        self._events: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._under_way: dict[str, _UnderWay] = {}
        self._workers = _Workers(client)

    def results(self) -> Iterator[Done]:
        """Yield each job when it ends, and what became of it."""
        if self._wants_progress:
            self._client.subscribe_topic(self._name, self._note_progress)
        while self._hand_out():
            event = self._next_event()
            if isinstance(event, _Told):
                self._tell(event)
            elif event is not None:
                yield from self._ended(event)
            yield from self._schedule.wake(time.monotonic())

    def close(self) -> None:
        """Have nothing more done, and let go of all stores."""
        self._schedule.close()
        futures = [each.future for each in self._under_way.values() if each.future is not None]
        with suppress(Exception):  # the scheduler may be gone
            if self._client.status != "running" or not self._workers.are_counted:
                return  # nobody would take it
            if self._wants_progress:
                self._client.unsubscribe_topic(self._name)
            if futures:
                self._client.cancel(futures, force=True)

    def _hand_out(self) -> bool:
        """Hand out as much as there is room for; return whether anything is left to wait for."""
        while len(self._under_way) < self._workers.room:
            step = self._schedule.next_step()
            if step is None:
                break
            self._begin(step)
        return bool(self._under_way) or self._schedule.has_more

    def _begin(self, step: Step) -> None:
        try:
            future = self._submit(step)
        except Exception as error:  # noqa: BLE001  such as a detector that cannot be pickled
            self._check_scheduler(error)
            key = f"unpacked-{next(self._numbers)}"
            self._under_way[key] = _UnderWay(step, None, time.monotonic())
            self._events.put(_Unpacked(key, error))
            return
        self._under_way[future.key] = _UnderWay(step, future, time.monotonic())
        future.add_done_callback(self._events.put)

    def _submit(self, step: Step) -> Any:
        from distributed.protocol import pickle as packing

        from slidetile import __version__

        pack: Callable[[Task], bytes] = packing.dumps

        envelope = Envelope(
            version=__version__,
            data=pack(step.task),  # by cloudpickle where need be: what a notebook defines
            topic=self._name,
            progress_s=max(1.0, self._workers.count / PROGRESS_PER_S),
            limits=self._limits,
        )
        return self._client.submit(
            carry_out,
            envelope,
            step.found,
            key=f"{self._name}-{next(self._numbers)}",
            pure=False,
            retries=0,
            priority=int(step.is_urgent),
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

    def _ended(self, event: Any) -> Iterator[Done]:
        """Yield the job that has ended by the end of a task, if one has."""
        under_way = self._under_way.get(event.key)
        if under_way is None:
            return
        ending = Ending(error=event.error) if under_way.future is None else self._ending(under_way)
        if ending is None:  # its worker died after it had ended: Dask does it again
            event.add_done_callback(self._events.put)
            return
        del self._under_way[event.key]
        yield from self._schedule.ended(under_way.step, ending, time.monotonic())

    def _ending(self, under_way: _UnderWay) -> Ending | None:
        from distributed import KilledWorker
        from distributed.client import FutureCancelledError
        from distributed.comm.core import CommClosedError

        future, seconds = under_way.future, time.monotonic() - under_way.begin_s
        try:
            value = future.result(timeout=GATHER_S)
        except (KilledWorker, FutureCancelledError, CommClosedError) as error:
            self._check_scheduler(error)
            lost = ProcessDiedError(_loss(error))
            return Ending(error=lost, is_lost=True, seconds=seconds)
        except TimeoutError as error:
            self._check_scheduler()
            if future.status == "error":  # it is the task's own
                return Ending(error=error, seconds=seconds)
            return None  # its result is not here yet
        except Exception as error:  # noqa: BLE001  one bad slide never ends the run
            _refuse_unfit_worker(error)
            return Ending(error=error, seconds=seconds)
        if isinstance(value, Cut):
            return Ending(error=value.error, is_cut=True, seconds=value.seconds)
        return Ending(value=value, seconds=seconds, result=future)

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
        self.are_counted = True
        """Whether the scheduler has answered when it was asked last."""

    @property
    def count(self) -> int:
        """Their number.

        Raises
        ------
        ClusterError
            The scheduler does not say. A connection whose other end has vanished without a word, as
            when its host has lost its power, looks open for ever: so it is told here.
        """
        if time.monotonic() - self._looked_s > LOOK_S:
            self.are_counted = False
            try:
                told = self._client.sync(self._client.scheduler.ncores, callback_timeout=ANSWER_S)
            except Exception as error:
                raise _scheduler_lost(self._client) from error
            self._count, self.are_counted = len(told), True
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

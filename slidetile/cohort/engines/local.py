"""The machine at hand as an engine: jobs in the calling process, or in several others.

Knows how many jobs the machine has room for. Does not know what a job does.
"""

import logging
from collections.abc import Callable, Generator
from contextlib import closing
from typing import NamedTuple, TypeVar

from slidetile.cohort.engines.ending import PROCESS_ERRORS, reason_of
from slidetile.cohort.engines.engine import Job, JobQueue, OnSlideProgress
from slidetile.errors import explain
from slidetile.runtime.child import report
from slidetile.runtime.processes import Ended, Limits, while_there_are_calls
from slidetile.writing.options import Progress

Outcome = TypeVar("Outcome")

_log = logging.getLogger(__name__)


class InThisProcess:
    """An engine that does one job after another in the calling process."""

    def carry_out(
        self, jobs: JobQueue[Outcome], on_progress: OnSlideProgress | None = None
    ) -> Generator[tuple[Job[Outcome], Outcome]]:
        """Yield each job when it ends, and what became of it."""
        while (job := jobs.take()) is not None:
            yield job, job.run(on_progress)


class _Call(NamedTuple):
    """A job's call in a child process."""

    job: Job[object]

    def __call__(self) -> object:
        return self.job.run(lambda _, progress: report(progress))


class InProcesses:
    """An engine that does each job in a process of its own, so that a crash costs only that job.

    Parameters
    ----------
    room
        How many jobs there is room for now.
    timeout_s
        Seconds that a job may take; None is for ever.
    memory_bytes
        The most memory a job's process may hold now, in bytes; None is any.
    """

    def __init__(
        self,
        room: Callable[[], int],
        *,
        timeout_s: float | None = None,
        memory_bytes: Callable[[], int | None] = lambda: None,
    ) -> None:
        self._room = room
        self._limits = Limits(timeout_s=timeout_s, memory_bytes=memory_bytes)

    def carry_out(
        self, jobs: JobQueue[Outcome], on_progress: OnSlideProgress | None = None
    ) -> Generator[tuple[Job[Outcome], Outcome]]:
        """Yield each job when it ends, and what became of it."""
        under_way: dict[int, Job[Outcome]] = {}
        taken = 0

        def take() -> tuple[int, Callable[[], Outcome]] | None:
            nonlocal taken
            job = jobs.take()
            if job is None:
                return None
            taken += 1
            under_way[taken] = job
            return taken, _Call(job)  # type: ignore[return-value]

        def on_report(number: int, progress: Progress) -> None:
            if on_progress is not None:
                on_progress(under_way[number].label, progress)

        calls = while_there_are_calls(take, self._room, limits=self._limits, on_report=on_report)
        with closing(calls) as finished:
            for ended in finished:
                job = under_way.pop(ended.number)
                yield job, _collect(ended, job)


def _collect(ended: Ended[Outcome], job: Job[Outcome]) -> Outcome:
    try:
        return ended.future.result()
    except PROCESS_ERRORS as error:
        return job.failure(error, reason_of(error), ended.seconds)
    except Exception as error:  # noqa: BLE001  such as a detector that cannot be pickled
        reason = (
            f"could not be handed to another process: {explain(error)}; tile in the calling "
            "process: processes=0 (--processes 0)"
        )
        return job.failure(error, reason, ended.seconds)

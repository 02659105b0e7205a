"""The steps of one giant: claimed here, begun, written in parts and finished on workers.

Knows what follows from the end of each step. Does not know workers.
"""

import functools
import logging
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from slidetile.cohort.engines._steps import BUSY_S, Done, Ending, Following, Step, Wait
from slidetile.cohort.engines._tasks import BeginTask, FinishTask, PartTask, Task
from slidetile.cohort.engines.cluster_job import ClusterJob
from slidetile.cohort.engines.ending import PROCESS_ERRORS, reason_of
from slidetile.cohort.engines.engine import OnSlideProgress
from slidetile.cohort.giant import Giant
from slidetile.errors import NotNativeError, StoreBusyError, StoreError, explain
from slidetile.writing.changed import SourceChangedError
from slidetile.writing.group import Group, GroupClaim
from slidetile.writing.options import Progress

_log = logging.getLogger(__name__)

MOST_TRIES = 2
"""So often a step is handed out whose worker or process died; Dask itself tries each several times
where it was the worker."""


class GiantWork:
    """The work on one giant.

    Parameters
    ----------
    job
        The job that it is.
    giant
        The slide.
    found
        Where the value lies of the step that found it, with its plan.
    whole
        Returns the step that tiles the slide as one task.
    on_busy
        Returns what follows where another writes the store, of the outcome that this would be.
    on_progress
        As in `Engine.carry_out`.
    """

    def __init__(
        self,
        job: ClusterJob[Any],
        giant: Giant,
        *,
        found: Any,
        whole: Callable[[], Step],
        on_busy: Callable[[Any], Iterator[Following]],
        on_progress: OnSlideProgress | None,
    ) -> None:
        self._job = job
        self._giant = giant
        self._found = found
        self._whole = whole
        self._on_busy = on_busy
        self._on_progress = on_progress
        self._begin_s = time.monotonic()
        self._waits = iter(BUSY_S)
        self._claim: GroupClaim | None = None
        self._group: Group | None = None
        self._left: set[int] = set()
        self._tries: Counter[str] = Counter()
        self._progress: dict[int, Progress] = {}

    @property
    def is_over(self) -> bool:
        """Whether the store is let go of."""
        return self._claim is None

    def close(self) -> None:
        """Let others write the store, and have all parts that still run stop by themselves."""
        if self._claim is not None:
            self._claim.close()
        self._claim = self._found = None

    def begin(self) -> Iterator[Following]:
        """Claim the store, and begin it."""
        try:
            self._claim = GroupClaim(self._giant.store, overwrite=self._giant.overwrite)
        except StoreBusyError as error:
            self.close()
            yield from self._on_busy(self._failure(error))
        except (StoreError, OSError) as error:
            yield from self._failed(error)
        else:
            yield self._begin_step()

    def _step(
        self,
        task: Task,
        on_end: Callable[[Ending], Iterator[Following]],
        on_progress: Callable[[Progress], None],
    ) -> Step:
        return Step(
            task=task, on_end=on_end, on_progress=on_progress, found=self._found, is_urgent=True
        )

    def _begin_step(self) -> Step:
        assert self._claim is not None
        task = BeginTask(giant=self._giant, permit=self._claim.permit)
        return self._step(task, self._begun, lambda _: None)

    def _begun(self, ending: Ending) -> Iterator[Following]:
        if ending.has_died and self._may_try("begin"):
            yield self._begin_step()
        elif ending.error is not None:
            yield from self._ended_early(ending)
        else:
            self._group = ending.value
            # What is told of the store from now on is continued, and never begun anew.
            self._giant = replace(self._giant, options=self._continuing)
            self._left = set(range(self._group.parts)) if self._group.parts > 1 else set()
            if self._left:
                yield from map(self._part_step, sorted(self._left))
            else:
                yield from self._finish()

    @property
    def _continuing(self) -> Any:
        options = self._giant.options
        return replace(options, existing="continue") if options.existing == "restart" else options

    def _part_step(self, number: int) -> Step:
        assert self._group is not None
        task = PartTask(label=self._job.label, giant=self._giant, group=self._group, number=number)
        ended = functools.partial(self._part_ended, number)
        return self._step(task, ended, functools.partial(self._tell, number))

    def _part_ended(self, number: int, ending: Ending) -> Iterator[Following]:
        if self._claim is None:  # the slide has ended by now
            return
        if ending.has_died and self._may_try(f"part {number}"):
            yield self._part_step(number)
            return
        if ending.error is not None and not ending.has_died:
            yield from self._ended_early(ending)
            return
        if ending.has_died:
            _log.info("%s: part %d was lost; it is made at the end", self._job.label, number)
        else:
            self._tell(number, ending.value)
        self._left.discard(number)
        if not self._left:
            yield from self._finish()

    def _finish(self) -> Iterator[Following]:
        assert self._claim is not None
        assert self._group is not None
        try:
            permit = self._claim.renew()
        except (StoreBusyError, OSError) as error:
            yield from self._failed(error)
            return
        task = FinishTask(
            job=self._job,
            giant=self._giant,
            group=self._group.permitted(permit),
            seconds=self._seconds,
        )
        yield self._step(task, self._finished, self._tell_all)

    def _finished(self, ending: Ending) -> Iterator[Following]:
        if ending.has_died and self._may_try("finish"):
            yield from self._finish()
        elif (
            ending.is_busy
            and self._claim is not None
            and (seconds := next(self._waits, None)) is not None
        ):
            # Its worker was lost, and Dask has given it to another while the first went on: by the
            # next permit that may write no more.
            yield Wait(seconds=seconds, then=self._finish)
        elif ending.error is not None:
            yield from self._ended_early(ending)
        else:
            self.close()
            yield Done(self._job, ending.value)

    def _may_try(self, step: str) -> bool:
        self._tries[step] += 1
        return self._tries[step] < MOST_TRIES

    def _ended_early(self, ending: Ending) -> Iterator[Following]:
        """Follow an error that ends the group."""
        error = ending.error
        assert error is not None
        if isinstance(error, NotNativeError):
            # As a run of one process does, which finds out by the same tile what becomes of it.
            _log.info("%s: tiled as one task, since %s", self._job.label, error)
            self.close()
            yield self._whole()
            return
        if isinstance(error, SourceChangedError):
            self._discard()
        yield from self._failed(error, reason_of(error) if ending.is_cut else explain(error))

    def _discard(self) -> None:
        assert self._claim is not None
        try:
            self._claim.discard()
        except (StoreError, OSError) as error:
            _log.warning("%s: %s", self._job.label, explain(error))

    def _failed(self, error: BaseException, reason: str | None = None) -> Iterator[Following]:
        self.close()
        yield Done(self._job, self._failure(error, reason))

    def _failure(self, error: BaseException, reason: str | None = None) -> Any:
        reason = reason or explain(error)
        if isinstance(error, PROCESS_ERRORS):
            reason += "; what was written is kept, and the next run continues it"
        return self._job.failure(error, reason, self._seconds)

    @property
    def _seconds(self) -> float:
        return time.monotonic() - self._begin_s

    def _tell(self, number: int, progress: Progress) -> None:
        """Tell how far the slide is, now that one of its parts is so far."""
        assert self._group is not None
        self._progress[number] = progress
        told = self._progress.values()
        self._tell_all(
            replace(
                progress,
                shards_done=sum(each.shards_done for each in told),
                shards_total=self._group.shards,
                bytes_written=sum(each.bytes_written for each in told),
            )
        )

    def _tell_all(self, progress: Progress) -> None:
        if self._on_progress is not None:
            self._on_progress(self._job.label, progress)

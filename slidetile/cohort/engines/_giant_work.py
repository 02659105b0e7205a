"""The steps of one giant: claimed here, begun, written in parts and finished on workers.

Knows what follows from the end of each step. Does not know workers.
"""

import functools
import logging
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from slidetile.cohort.engines._steps import Done, Ending, Following, Step
from slidetile.cohort.engines._tasks import BeginTask, FinishTask, PartTask, PlanTask
from slidetile.cohort.engines.cluster_job import ClusterJob
from slidetile.cohort.engines.engine import OnSlideProgress
from slidetile.cohort.giant import Giant
from slidetile.errors import NotNativeError, StoreBusyError, StoreError, explain
from slidetile.runtime.processes import ProcessDiedError
from slidetile.writing.changed import SourceChangedError
from slidetile.writing.group import Group, GroupClaim
from slidetile.writing.options import Progress

_log = logging.getLogger(__name__)

MOST_TRIES = 2
"""So often a step is handed out whose worker was lost; Dask itself tries each several times."""


class GiantWork:
    """The work on one giant.

    Parameters
    ----------
    job
        The job that it is.
    giant
        The slide.
    submit
        Hands a task out at once, and returns its future.
    whole
        Returns the step that tiles the slide as one task.
    on_progress
        As in `Engine.carry_out`.
    """

    def __init__(
        self,
        job: ClusterJob[Any],
        giant: Giant,
        *,
        submit: Callable[[PlanTask], Any],
        whole: Callable[[ClusterJob[Any]], Step],
        on_progress: OnSlideProgress | None,
    ) -> None:
        self._job = job
        self._giant = giant
        self._submit = submit
        self._whole = whole
        self._on_progress = on_progress
        self._begin_s = time.monotonic()
        self._claim: GroupClaim | None = None
        self._plan: Any = None
        self._group: Group | None = None
        self._left: set[int] = set()
        self._tries: Counter[str] = Counter()
        self._progress: dict[int, Progress] = {}

    def close(self) -> None:
        """Let others write the store, and have all parts that still run stop by themselves."""
        if self._claim is not None:
            self._claim.close()
        self._claim = self._plan = None

    def begin(self) -> Following:
        """Claim the store, and begin it."""
        try:
            self._claim = GroupClaim(self._giant.store, overwrite=self._giant.overwrite)
        except (StoreError, OSError) as error:
            yield from self._failed(error)
            return
        self._plan = self._submit(PlanTask(giant=self._giant))
        yield self._begin_step()

    def _begin_step(self) -> Step:
        assert self._claim is not None
        task = BeginTask(giant=self._giant, permit=self._claim.permit)
        return Step(
            task=task,
            on_end=self._begun,
            on_progress=lambda _: None,
            plan=self._plan,
            is_urgent=True,
        )

    def _begun(self, ending: Ending) -> Following:
        if ending.is_lost and self._may_try("begin"):
            yield self._begin_step()
        elif ending.error is not None:
            yield from self._ended_early(ending.error)
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
        return Step(
            task=task,
            on_end=functools.partial(self._part_ended, number),
            on_progress=functools.partial(self._tell, number),
            plan=self._plan,
            is_urgent=True,
        )

    def _part_ended(self, number: int, ending: Ending) -> Following:
        if self._claim is None:  # the slide has ended by now
            return
        if ending.is_lost and self._may_try(f"part {number}"):
            yield self._part_step(number)
            return
        if ending.error is not None and not ending.is_lost:
            yield from self._ended_early(ending.error)
            return
        if ending.is_lost:
            _log.info("%s: part %d was lost; it is made at the end", self._job.label, number)
        else:
            self._tell(number, ending.value)
        self._left.discard(number)
        if not self._left:
            yield from self._finish()

    def _finish(self) -> Following:
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
        yield Step(
            task=task,
            on_end=self._finished,
            on_progress=self._tell_all,
            plan=self._plan,
            is_urgent=True,
        )

    def _finished(self, ending: Ending) -> Following:
        if ending.is_lost and self._may_try("finish"):
            yield from self._finish()
        elif ending.error is not None:
            yield from self._ended_early(ending.error)
        else:
            self.close()
            yield Done(self._job, ending.value)

    def _may_try(self, step: str) -> bool:
        self._tries[step] += 1
        return self._tries[step] < MOST_TRIES

    def _ended_early(self, error: BaseException) -> Following:
        """Follow an error that ends the group."""
        if isinstance(error, NotNativeError):
            # As a run of one process does, which finds out by the same tile what becomes of it.
            _log.info("%s: tiled as one task, since %s", self._job.label, error)
            self.close()
            yield self._whole(self._job)
            return
        if isinstance(error, SourceChangedError):
            self._discard()
        yield from self._failed(error)

    def _discard(self) -> None:
        assert self._claim is not None
        try:
            self._claim.discard()
        except (StoreError, OSError) as error:
            _log.warning("%s: %s", self._job.label, explain(error))

    def _failed(self, error: BaseException) -> Following:
        self.close()
        reason = explain(error)
        if isinstance(error, ProcessDiedError):
            reason += "; what was written is kept, and the next run continues it"
        yield Done(self._job, self._job.failure(error, reason, self._seconds))

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

"""The steps of one slide: tiled as one task, unless that finds a giant.

Knows what follows from the end of each step. Does not know workers.
"""

from collections.abc import Callable, Iterator
from typing import Any

from slidetile.cohort.engines._giant_work import GiantWork
from slidetile.cohort.engines._steps import BUSY_S, Done, Ending, Following, Step, Wait
from slidetile.cohort.engines._tasks import SlideTask
from slidetile.cohort.engines.cluster_job import ClusterJob
from slidetile.cohort.engines.ending import reason_of
from slidetile.cohort.engines.engine import OnSlideProgress
from slidetile.cohort.giant import FoundGiant, Giant
from slidetile.errors import explain
from slidetile.writing.options import Progress

MOST_LOST = 2
"""So often a slide is handed out whose worker was lost: of all tasks that a worker had at hand Dask
takes each for what ended it."""


class SlideWork:
    """The work on one slide.

    Parameters
    ----------
    job
        The job that it is.
    most_tiles
        The most tiles that one task writes; None is any number.
    on_giant
        Begins the work on the giant that the slide is, and returns what follows.
    on_progress
        As in `Engine.carry_out`.
    """

    def __init__(
        self,
        job: ClusterJob[Any],
        *,
        most_tiles: int | None = None,
        on_giant: Callable[[GiantWork], Iterator[Following]],
        on_progress: OnSlideProgress | None = None,
    ) -> None:
        self._job = job
        self._most_tiles = most_tiles
        self._on_giant = on_giant
        self._on_progress = on_progress
        self._lost = 0
        self._waits = iter(BUSY_S)

    def step(self) -> Step:
        """Return the step that tiles the slide."""
        return Step(
            task=SlideTask(job=self._job, most_tiles=self._most_tiles),
            on_end=self._ended,
            on_progress=self._tell,
        )

    def _ended(self, ending: Ending) -> Iterator[Following]:
        self._lost += ending.is_lost
        if ending.is_lost and self._lost < MOST_LOST:
            yield self.step()
        elif ending.error is not None:
            yield self._failed(ending, ending.error)
        elif isinstance(ending.value, FoundGiant):
            yield from self._begin(ending.value.giant, ending.result)
        elif ending.is_busy:
            yield from self._tried_later(ending.value)
        else:
            yield Done(self._job, ending.value)

    def _begin(self, giant: Giant, found: Any) -> Iterator[Following]:
        return self._on_giant(
            GiantWork(
                self._job,
                giant,
                found=found,
                whole=self._whole_step,
                on_busy=self._tried_later,
                on_progress=self._on_progress,
            )
        )

    def _tried_later(self, outcome: Any) -> Iterator[Following]:
        """Wait while another process writes the store, and then look what it has made of it.

        Perhaps that is this slide's own, whose worker was lost: Dask has then given it to another.
        """
        seconds = next(self._waits, None)
        if seconds is None:
            yield Done(self._job, outcome)
        else:
            yield Wait(seconds=seconds, then=lambda: iter([self.step()]))

    def _whole_step(self) -> Step:
        """Return the step that tiles the slide as one task, however many tiles it has."""
        self._most_tiles = None
        return self.step()

    def _failed(self, ending: Ending, error: BaseException) -> Done:
        if ending.is_cut:
            reason = reason_of(error)
        elif ending.is_lost:
            reason = explain(error)
        else:
            reason = f"could not be handed to a worker, or back: {explain(error)}"
        return Done(self._job, self._job.failure(error, reason, ending.seconds))

    def _tell(self, progress: Progress) -> None:
        if self._on_progress is not None:
            self._on_progress(self._job.label, progress)

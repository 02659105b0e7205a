"""What a cluster is given next, now that this and that has come back: no cluster, no clock.

Knows the order of steps. Does not know what they do, nor who carries them out.
"""

import heapq
import itertools
from collections import deque
from collections.abc import Iterable, Iterator
from typing import Any, Generic, TypeVar, cast

from slidetile.cohort.engines._giant_work import GiantWork
from slidetile.cohort.engines._slide_work import SlideWork
from slidetile.cohort.engines._steps import Done, Ending, Following, Step, Wait
from slidetile.cohort.engines.cluster_job import ClusterJob
from slidetile.cohort.engines.engine import JobQueue, OnSlideProgress

Outcome = TypeVar("Outcome")


class Schedule(Generic[Outcome]):
    """The steps of all jobs, in the order in which they are to be handed out.

    Parts of giants go before slides that wait, so that a giant does not hold up the end of the run;
    slides that are tried again come last.

    Parameters
    ----------
    jobs
        The jobs, taken one by one as there is room for them.
    most_tiles
        The most tiles that one task writes; None is any number.
    on_progress
        As in `Engine.carry_out`.
    """

    def __init__(
        self,
        jobs: JobQueue[Outcome],
        *,
        most_tiles: int | None = None,
        on_progress: OnSlideProgress | None = None,
    ) -> None:
        self._jobs = jobs
        self._most_tiles = most_tiles
        self._on_progress = on_progress
        self._numbers = itertools.count()
        self._urgent: deque[Step] = deque()
        self._ready: deque[Step] = deque()
        self._waits: list[tuple[float, int, Wait]] = []
        self._giants: set[GiantWork] = set()

    def next_step(self) -> Step | None:
        """Return the step to be handed out next; None where there is none now."""
        if self._urgent:
            return self._urgent.popleft()
        job = self._jobs.take()
        if job is not None:
            return self._work(cast("ClusterJob[Any]", job)).step()
        return self._ready.popleft() if self._ready else None

    def ended(self, step: Step, ending: Ending, now_s: float) -> Iterator[Done]:
        """Take note of a step's end, and yield the job that has ended by it, if one has."""
        return self._note(step.on_end(ending), now_s)

    def wake(self, now_s: float) -> Iterator[Done]:
        """Do what was to wait until now; yield the jobs that have ended by it."""
        while self._waits and self._waits[0][0] <= now_s:
            yield from self._note(heapq.heappop(self._waits)[2].then(), now_s)

    @property
    def has_more(self) -> bool:
        """Whether anything is left that no step under way stands for."""
        return bool(self._waits or self._urgent or self._ready)

    def close(self) -> None:
        """Let go of all stores."""
        while self._giants:
            self._giants.pop().close()

    def _work(self, job: ClusterJob[Any]) -> SlideWork:
        return SlideWork(
            job, most_tiles=self._most_tiles, on_giant=self._begin, on_progress=self._on_progress
        )

    def _begin(self, giant: GiantWork) -> Iterator[Following]:
        self._giants = {each for each in self._giants if not each.is_over} | {giant}
        return giant.begin()

    def _note(self, following: Iterable[Following], now_s: float) -> Iterator[Done]:
        for each in following:
            if isinstance(each, Done):
                yield each
            elif isinstance(each, Wait):
                heapq.heappush(self._waits, (now_s + each.seconds, next(self._numbers), each))
            elif each.is_urgent:
                self._urgent.append(each)
            else:
                self._ready.append(each)

"""What a job must be able to do to be carried out on other machines."""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol, Self, TypeVar

from slidetile.cohort.engines.engine import Job, OnSlideProgress
from slidetile.cohort.giant import FoundGiant, Giant
from slidetile.planning.plan import TilePlan
from slidetile.writing.group import Group

Outcome_co = TypeVar("Outcome_co", covariant=True)


class ClusterJob(Job[Outcome_co], Protocol[Outcome_co]):
    """A job that may run on another machine, and may be split."""

    @property
    def paths(self) -> Sequence[Path]:
        """What must be there, under the same path, wherever it runs."""
        ...

    def on_worker(self, *, workers: int, memory_bytes: int | None) -> Self:
        """Return the job for a process with so many threads and so much memory."""
        ...

    def run_unless_giant(
        self, most_tiles: int, on_progress: OnSlideProgress | None = None
    ) -> Outcome_co | FoundGiant:
        """Do it, as `run` does; or return the slide, if it has more tiles than that."""
        ...

    def finish(
        self,
        giant: Giant,
        plan: TilePlan,
        group: Group,
        *,
        seconds: float,
        on_progress: OnSlideProgress | None = None,
    ) -> Outcome_co:
        """Finish a slide that was split, and return what became of it, be it an error.

        ``seconds`` is how long it has taken before.

        Raises
        ------
        NotNativeError
            A tile cannot be copied: the slide is to be tiled whole, by `run`.
        """
        ...

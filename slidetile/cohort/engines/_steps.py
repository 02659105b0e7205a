"""What a cluster's engine has to do next, as values: steps, and jobs that have ended."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

from slidetile.cohort.engines._tasks import Task
from slidetile.cohort.engines.cluster_job import ClusterJob
from slidetile.writing.options import Progress


class Ending(NamedTuple):
    """What became of a step."""

    value: Any = None
    """What its task returned."""

    error: BaseException | None = None
    """What it raised; None where it returned."""

    is_lost: bool = False
    """Whether no task returned or raised anything: its worker died, as often as Dask tries."""

    seconds: float = 0.0
    """Time since it was handed out."""


class Done(NamedTuple):
    """A job that has ended."""

    job: ClusterJob[Any]
    outcome: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A task to be handed to some worker."""

    task: Task
    """What to do."""

    on_end: Callable[[Ending], Iterator["Step | Done"]]
    """What follows from its end."""

    on_progress: Callable[[Progress], None]
    """Takes how far it is."""

    plan: Any = None
    """The future of the giant's plan, for tasks that need it."""

    is_urgent: bool = False
    """Whether it goes before slides that wait: so a giant does not hold up the end of the run."""


Following = Iterator[Step | Done]
"""What follows from a step's end."""

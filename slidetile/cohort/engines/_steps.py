"""What a cluster's engine has to do next, as values: steps, and jobs that have ended."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

from slidetile.cohort.engines._tasks import Task, is_busy
from slidetile.cohort.engines.cluster_job import ClusterJob
from slidetile.errors import StoreBusyError
from slidetile.runtime.processes import ProcessDiedError
from slidetile.writing.options import Progress

BUSY_S = (2.0, 75.0)
"""So long it is waited with a store that another writes, before each try but the first. A process
whose worker was lost ends within a second; one on another host, or that cannot be seen, counts as
dead when it has been silent for a minute."""


class Ending(NamedTuple):
    """What became of a step."""

    value: Any = None
    """What its task returned."""

    error: BaseException | None = None
    """What it raised, or what ended its process; None where it returned."""

    is_lost: bool = False
    """Whether no task returned or raised anything: its worker died, as often as Dask tries."""

    is_cut: bool = False
    """Whether its process crashed, or was ended since it took more than it may."""

    seconds: float = 0.0
    """How long it took; where it is not cut, since it was handed out."""

    result: Any = None
    """Where the value lies on the cluster, for steps that need it."""

    @property
    def is_busy(self) -> bool:
        """Whether another process writes the store, as the error says, or the outcome of a job."""
        return isinstance(self.error, StoreBusyError) or is_busy(self.value)

    @property
    def has_died(self) -> bool:
        """Whether its worker or its process died, so that another try may succeed."""
        return self.is_lost or (self.is_cut and isinstance(self.error, ProcessDiedError))


class Done(NamedTuple):
    """A job that has ended."""

    job: ClusterJob[Any]
    outcome: Any


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Step:
    """A task to be handed to some worker."""

    task: Task
    """What to do."""

    on_end: Callable[[Ending], Iterator["Following"]]
    """What follows from its end."""

    on_progress: Callable[[Progress], None]
    """Takes how far it is."""

    found: Any = None
    """Where the value lies of the step that found the giant, for those that need its plan."""

    is_urgent: bool = False
    """Whether it goes before slides that wait: so a giant does not hold up the end of the run."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Wait:
    """Something that is to be done here, but not now."""

    seconds: float
    """How long it is waited."""

    then: Callable[[], Iterator["Following"]]
    """Does it; what follows from that."""


Following = Step | Wait | Done
"""What follows from a step's end."""

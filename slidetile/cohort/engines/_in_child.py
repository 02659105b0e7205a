"""A task in a process of its own beside a worker of dask.distributed, as this machine's slides are.

So a crash, a hang or too much memory ends that process, and no worker. Knows processes. Does not
know Dask.
"""

import pickle
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

from slidetile.cohort.engines._tasks import Means, Task
from slidetile.cohort.engines.ending import PROCESS_ERRORS
from slidetile.runtime.child import report
from slidetile.runtime.processes import Ended, KeptProcess, Limits
from slidetile.writing.options import Progress


class Cut(NamedTuple):
    """What comes of a task whose process was ended, or ended itself."""

    error: Exception
    """One of `PROCESS_ERRORS`."""

    seconds: float
    """How long it took, with the start of its process."""


@dataclass(frozen=True, slots=True)
class PackedTask:
    """A task as it travels; it is unpacked where it runs."""

    data: bytes
    """The pickled task."""

    means: Means
    plan: Any
    """What the giant's first task returned, for the steps that need its plan."""

    def __call__(self) -> Any:
        """Carry the task out."""
        task: Task = pickle.loads(self.data)  # noqa: S301  as Dask itself does with all it is sent
        return task.run(self.means, self.plan)


def to_parent(_label: str, progress: Progress) -> None:
    """Tell the worker how far its task is."""
    report(progress)


class TaskProcess:
    """The process of a worker's tasks, one at a time; it is kept from one to the next.

    What a slide logs, its current folder and its memory are those of its process, and a worker's
    memory is for one, so a worker of several threads gives them all to one task.
    """

    def __init__(self) -> None:
        self._turn = threading.Lock()
        self._process = KeptProcess()

    @property
    def is_busy(self) -> bool:
        """Whether a task is running."""
        return self._turn.locked()

    def carry_out(
        self,
        task: PackedTask,
        limits: Limits,
        *,
        on_progress: Callable[[Progress], None],
        look: Callable[[], None],
    ) -> Any:
        """Return what a task returns, or how it was `Cut` short.

        Raises
        ------
        Exception
            What the task raised, or ``look`` did, which is called now and then.
        """
        with self._turn:
            ended: Ended[Any] = self._process.call(
                task, limits=limits, on_report=lambda _, told: on_progress(told), look=look
            )
        error = ended.future.exception()
        if isinstance(error, PROCESS_ERRORS):
            return Cut(error, ended.seconds)
        return ended.future.result()

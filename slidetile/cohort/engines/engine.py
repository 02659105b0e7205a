"""What an engine is, and the jobs it is given."""

from collections import deque
from collections.abc import Callable, Generator, Iterable
from typing import Generic, Protocol, TypeVar

from slidetile.writing.options import Progress

Outcome = TypeVar("Outcome")
Result_co = TypeVar("Result_co", covariant=True)

OnSlideProgress = Callable[[str, Progress], None]
"""Takes the path of a slide being tiled, as given, and how far it is."""


class Job(Protocol[Result_co]):
    """What is to be done with one slide, in any process; it can be pickled."""

    @property
    def label(self) -> str:
        """The path of the slide, as given."""
        ...

    def run(self, on_progress: OnSlideProgress | None = None) -> Result_co:
        """Do it, and return what became of it, be it an error."""
        ...

    def again(self) -> "Job[Result_co]":
        """Return the job as it is for another try."""
        ...

    def failure(self, error: BaseException, reason: str, seconds: float) -> Result_co:
        """Return the outcome of a job whose process did not return any."""
        ...


class JobQueue(Generic[Outcome]):
    """The jobs that wait, in order; those that are tried again come last.

    Parameters
    ----------
    jobs
        The jobs, made one by one as they are taken.
    """

    def __init__(self, jobs: Iterable[Job[Outcome]]) -> None:
        self._jobs = iter(jobs)
        self._again: deque[Job[Outcome]] = deque()

    def take(self) -> Job[Outcome] | None:
        """Return the next job; None where none waits now: one may yet be put back."""
        job = next(self._jobs, None)
        if job is None and self._again:
            return self._again.popleft()
        return job

    def put_back(self, job: Job[Outcome]) -> None:
        """Let a job be tried again, when all others have been."""
        self._again.append(job)


class Engine(Protocol):
    """Carries jobs out."""

    def carry_out(
        self, jobs: JobQueue[Outcome], on_progress: OnSlideProgress | None = None
    ) -> Generator[tuple[Job[Outcome], Outcome]]:
        """Yield each job when it ends, and what became of it.

        Between two of them the caller may put jobs back. Closing the generator ends the jobs that
        are under way.
        """
        ...

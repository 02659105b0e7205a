"""The bounded streaming loop: read ▸ encode ▸ write, each in its own threads."""

import queue
import threading
from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from slidetile.runtime.places import Places

Task = TypeVar("Task")
Result = TypeVar("Result")

_END: Any = object()


@dataclass(frozen=True, slots=True, kw_only=True)
class Stages(Generic[Task, Result]):
    """What happens to a task; each stage takes what the one before it returned."""

    read: Callable[[Task], Any]
    """Bring the bytes into memory. Waits for the disk."""

    encode: Callable[[Any], Any]
    """Turn them into what is stored. Keeps a core busy."""

    write: Callable[[Any], Result]
    """Store it."""

    def carry(self, task: Task) -> Result:
        """Carry a task through all stages, one after another."""
        return self.write(self.encode(self.read(task)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How much happens at once.

    Raises
    ------
    ValueError
        A number is less than 1.
    """

    workers: int
    """Threads that encode; as many as there are cores to use."""

    readers: int
    """Threads that read; they mostly wait, so a slow disk wants more of them."""

    writers: int = 1
    """Threads that write."""

    def __post_init__(self) -> None:
        for name in self.__slots__:
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is at least 1, but this one is {getattr(self, name)}.")


def stream(
    tasks: Iterable[Task], stages: Stages[Task, Result], limits: Limits, places: Places
) -> Generator[Result]:
    """Carry tasks through the stages and yield their results, in the order they finish.

    A task waits for one of the ``places`` and holds it from the start of its reading to the end
    of its writing; their number may change meanwhile. The first error stops the run: what is
    under way ends, nothing new begins, and the error is raised here. Closing the iterator early
    does the same.
    """
    run = _Run(tasks, stages, limits, places)
    run.start()
    try:
        yield from iter(run.results.get, _END)
    finally:
        run.stop()
    if run.error is not None:
        raise run.error


class _Run(Generic[Task, Result]):
    """The threads of one call of `stream` and the queues between them."""

    def __init__(
        self,
        tasks: Iterable[Task],
        stages: Stages[Task, Result],
        limits: Limits,
        places: Places,
    ) -> None:
        self.results: queue.SimpleQueue[Result] = queue.SimpleQueue()
        self.error: BaseException | None = None
        self._tasks = iter(tasks)
        self._stages = stages
        self._lock = threading.Lock()
        self._stopped = False
        # The queues need no bounds of their own: whatever is in them holds one of the places.
        self._places = places
        self._read: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._encoded: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._busy: dict[Callable[[], None], int] = {
            self._read_loop: limits.readers,
            self._encode_loop: limits.workers,
            self._write_loop: limits.writers,
        }
        self._limits = limits
        self._threads = [
            threading.Thread(target=loop, name=f"slidetile{loop.__name__}", daemon=True)
            for loop, count in self._busy.items()
            for _ in range(count)
        ]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Begin nothing new and wait until what is under way has ended."""
        self._stopped = True
        for thread in self._threads:
            thread.join()

    def _read_loop(self) -> None:
        while self._places.acquire() and (task := self._next_task()) is not _END:
            self._carry(self._stages.read, task, self._read)
        self._places.release()  # another reader may wait for this place, to see that it is over
        if self._is_last(self._read_loop):
            for _ in range(self._limits.workers):
                self._read.put(_END)

    def _encode_loop(self) -> None:
        for item in iter(self._read.get, _END):
            self._carry(self._stages.encode, item, self._encoded)
        if self._is_last(self._encode_loop):
            for _ in range(self._limits.writers):
                self._encoded.put(_END)

    def _write_loop(self) -> None:
        for item in iter(self._encoded.get, _END):
            if self._carry(self._stages.write, item, self.results):
                self._places.release()
        if self._is_last(self._write_loop):
            self.results.put(_END)

    def _next_task(self) -> Any:
        try:
            with self._lock:
                return _END if self._stopped else next(self._tasks, _END)
        except BaseException as error:  # noqa: BLE001  raised again where the run was started
            self._fail(error)
            return _END

    def _carry(
        self, stage: Callable[[Any], Any], item: Any, onward: "queue.SimpleQueue[Any]"
    ) -> bool:
        """Take an item through a stage; return False where it goes no further."""
        if not self._stopped:
            try:
                onward.put(stage(item))
            except BaseException as error:  # noqa: BLE001  raised again where the run was started
                self._fail(error)
            else:
                return True
        self._places.release()
        return False

    def _fail(self, error: BaseException) -> None:
        with self._lock:
            self._stopped = True
            if self.error is None:  # an error may be false, such as one with a length
                self.error = error

    def _is_last(self, loop: Callable[[], None]) -> bool:
        with self._lock:
            self._busy[loop] -= 1
            return self._busy[loop] == 0

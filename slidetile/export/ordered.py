"""Work that is done by several threads and taken in order, within a budget of memory.

Knows chunks of a store as things to be made into bytes. Does not know what is made of them.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from slidetile.runtime import memory
from slidetile.runtime.cpus import worker_count
from slidetile.runtime.governor import Governor
from slidetile.store.store import TileStore
from slidetile.writing.options import OnProgress, Progress

Task = TypeVar("Task")
Result = TypeVar("Result")

AHEAD = 3
"""Tasks in flight for each thread: one under way, the others done or waiting to be."""


class Workshop:
    """Threads, the memory they may use, and the progress of what they do.

    Parameters
    ----------
    store
        The store that is exported.
    total
        Number of tasks of the whole export.
    on_progress
        Called after each task.
    workers
        Number of threads; None is one per core.
    memory_bytes
        The most memory to use at once.
    """

    def __init__(
        self,
        store: TileStore,
        total: int,
        *,
        on_progress: OnProgress | None,
        workers: int | None,
        memory_bytes: int | None,
    ) -> None:
        self._workers = worker_count(workers)
        self._tiles, self._total, self._on_progress = len(store), total, on_progress
        self._done = self._bytes = 0
        gauge = memory.SystemGauge()
        grid = store.grid(0)
        unit = grid.chunk_width * grid.chunk_height * len(store.channels) * store.dtype.itemsize
        most = AHEAD * self._workers
        self._governor = Governor(
            memory.make_budget(gauge, unit_bytes=unit, most=most, memory_bytes=memory_bytes), gauge
        )

    def skip(self, count: int) -> None:
        """Count tasks that an interrupted run has done."""
        self._done += count

    def made(self, tasks: Iterable[Task], make: Callable[[Task], Result]) -> Iterator[Result]:
        """Yield what is made of each task, in the order of the tasks.

        The first error is raised at its task's turn; tasks under way end first.
        """
        waiting: deque[Future[Result]] = deque()
        with ThreadPoolExecutor(self._workers, thread_name_prefix="slidetile_export") as pool:
            try:
                for task in tasks:
                    waiting.append(pool.submit(make, task))
                    while len(waiting) >= max(1, self._governor.places.size):
                        yield waiting.popleft().result()
                while waiting:
                    yield waiting.popleft().result()
            finally:
                for future in waiting:
                    future.cancel()

    def tell(self, written_bytes: int) -> None:
        """Count a task as done, and report."""
        self._done += 1
        self._bytes += written_bytes
        self._governor.look()
        if self._on_progress is not None:
            self._on_progress(
                Progress(
                    shards_done=self._done,
                    shards_total=self._total,
                    tiles_total=self._tiles,
                    bytes_written=self._bytes,
                    memory=self._governor.use,
                )
            )

"""Tasks carried out one after another, or several at a time while they wait for a disk."""

import time
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from typing import Any, TypeVar

from slidetile.runtime.places import Places

Task = TypeVar("Task")
Result = TypeVar("Result")

WAITING_SHARE = 0.5
"""A task that waits for a disk or a network more than this share of its time opens another lane;
any other task closes one."""

_END: Any = object()


def share_out(
    tasks: Iterable[Task], act: Callable[[Task], Result], places: Places, *, most: int
) -> Generator[Result]:
    """Carry tasks out and yield their results, in the order they finish.

    The calling thread does all the work, unless reading and writing make it wait: under the
    interpreter's lock several threads take longer than one, since they pass the lock on at every
    read and every write. The first error ends the run, once the tasks under way have ended; so does
    closing the iterator early.

    Parameters
    ----------
    tasks
        The tasks; taken one by one.
    act
        Carries out one task. Called from several threads.
    places
        How many tasks may be under way at once; their number may change meanwhile.
    most
        The most tasks under way at once, whatever ``places`` allows.
    """
    todo = iter(tasks)
    lanes = 1
    beside: set[Future[Result]] = set()
    with ThreadPoolExecutor(max(1, most - 1), thread_name_prefix="slidetile_lane") as others:
        while (task := next(todo, _END)) is not _END:
            while len(beside) < min(lanes, places.size) - 1:
                if (another := next(todo, _END)) is _END:
                    break
                beside.add(others.submit(act, another))
            begin, computed = time.perf_counter(), time.thread_time()
            result = act(task)
            taken, computed = time.perf_counter() - begin, time.thread_time() - computed
            waited = taken - computed > WAITING_SHARE * taken
            lanes = min(most, lanes + 1) if waited else max(1, lanes - 1)
            yield result
            for done in [future for future in beside if future.done()]:
                beside.remove(done)
                yield done.result()
        for done in as_completed(beside):
            yield done.result()

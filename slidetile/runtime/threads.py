"""Many calls in several threads, their results in the order of what they were called with."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

AHEAD_PER_WORKER = 2
"""Calls begun or waiting for each thread; no more results than that are held."""


def map_in_order(
    act: Callable[[Item], Result], items: Iterable[Item], *, workers: int
) -> Iterator[Result]:
    """Yield ``act(item)`` for each item, in their order, whichever is ready first.

    An error is raised at its item's turn, after all results before it. Whatever ends the iterator
    early waits for the calls under way and makes no more.
    """
    pending: deque[Future[Result]] = deque()
    pool = ThreadPoolExecutor(workers, thread_name_prefix="slidetile_map")
    try:
        for item in items:
            pending.append(pool.submit(act, item))
            if len(pending) >= AHEAD_PER_WORKER * workers:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)

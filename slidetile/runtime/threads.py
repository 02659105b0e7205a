"""Many calls in several threads, with their results in the order of the calls."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

AHEAD_PER_WORKER = 2
"""Calls begun or waiting for each thread; this also bounds the results held in memory."""


def map_in_order(
    act: Callable[[Item], Result], items: Iterable[Item], *, workers: int
) -> Iterator[Result]:
    """Yield ``act(item)`` for each item, in the order of the items.

    An error is raised at its item's turn, after all results before it. If the iterator ends early,
    it makes no more calls and waits for those under way.
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

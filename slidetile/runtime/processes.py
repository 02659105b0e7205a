"""Calls in child processes: a crash costs one call, and no process outlives its parent."""

import contextlib
import logging
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.connection import wait as wait_for_any
from typing import TypeVar, cast

from slidetile.runtime.heap import tune_heap

Result = TypeVar("Result")

CALLS_PER_PROCESS = 50
"""A process is replaced after this many calls, to free what decoders have leaked."""

STOP_S = 0.5
"""A process that must stop has this long to tidy up; the parent then still ends within a second."""


def in_processes(
    calls: Sequence[Callable[[], Result]], count: int
) -> Generator[tuple[int, "Future[Result]"]]:
    """Yield (number, finished future) of each call as it ends.

    The future of a call whose process died holds a `BrokenProcessPool`. If an error, Ctrl-C or
    ``close`` ends the iterator early, the processes stop within `STOP_S`; calls under way get a
    KeyboardInterrupt.
    """
    with _start_method_left_open():
        yield from _in_processes(calls, count)


def _in_processes(
    calls: Sequence[Callable[[], Result]], count: int
) -> Generator[tuple[int, "Future[Result]"]]:
    executors = [_executor() for _ in range(min(count, len(calls)))]
    idle = list(range(len(executors)))
    waiting = list(enumerate(calls))[::-1]
    running: dict[Future[Result], tuple[int, int]] = {}
    try:
        while waiting or running:
            while waiting and idle:
                number, call = waiting.pop()
                place = idle.pop()
                running[_submit(executors[place], call)] = number, place
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                number, place = running.pop(future)
                if isinstance(future.exception(), BrokenProcessPool):
                    executors[place].shutdown(wait=False)
                    executors[place] = _executor()
                idle.append(place)
                yield number, future
    except BaseException:
        _stop(executors)
        raise
    finally:
        for executor in executors:
            executor.shutdown(wait=False, cancel_futures=True)


@contextlib.contextmanager
def _start_method_left_open() -> Iterator[None]:
    """Let the calling program still choose how its own processes begin.

    Ours are spawned, whatever it chooses. But as soon as any process has begun, Python takes its
    default for chosen and refuses another.
    """
    is_open = _start_method() is None
    try:
        yield
    finally:
        if is_open and _start_method() == multiprocessing.get_all_start_methods()[0]:
            multiprocessing.set_start_method(None, force=True)


def _start_method() -> str | None:
    return multiprocessing.get_start_method(allow_none=True)


def _executor() -> ProcessPoolExecutor:
    """Return one process of its own, so that a crash shows which call caused it."""
    log_levels = {name: logging.getLogger(name).level for name in ("slidetile", "tifffile")}
    return ProcessPoolExecutor(
        1,
        mp_context=multiprocessing.get_context("spawn"),
        initializer=_begin,
        initargs=(log_levels, threading.stack_size()),
        max_tasks_per_child=CALLS_PER_PROCESS,
    )


def _submit(executor: ProcessPoolExecutor, call: Callable[[], Result]) -> "Future[Result]":
    """Submit a call; a process that starts for it ignores Ctrl-C, since its parent handles it."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    try:
        return executor.submit(_stoppable, call)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _stop(executors: Sequence[ProcessPoolExecutor]) -> None:
    """End the processes: by SIGTERM, so that they release what they hold, then by SIGKILL."""
    # Public from Python 3.14 on only, as terminate_workers and kill_workers.
    children = [child for e in executors for child in list((e._processes or {}).values())]  # noqa: SLF001
    for child in children:
        child.terminate()
    alive = {child.sentinel: child for child in children}
    end = time.monotonic() + STOP_S
    while alive and (left := end - time.monotonic()) > 0:
        for sentinel in wait_for_any(list(alive), timeout=left):
            del alive[cast("int", sentinel)]
    for child in alive.values():
        child.kill()


def _begin(log_levels: dict[str, int], stack_bytes: int) -> None:
    """Set up this process: logging and threads as in its parent, and an end when its parent ends.

    Its heap is tuned too, since it runs nothing but our calls.
    """
    tune_heap()
    threading.stack_size(stack_bytes)
    for name, level in log_levels.items():
        logging.getLogger(name).setLevel(level)
    threading.Thread(target=_end_with_parent, name="slidetile_parent", daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is None:
        return
    parent.join()
    os.kill(os.getpid(), signal.SIGTERM)
    threading.Event().wait(STOP_S)
    os._exit(128 + signal.SIGTERM)


def _stoppable(call: Callable[[], Result]) -> Result:
    """Make a call; SIGTERM interrupts it as Ctrl-C would, and then ends the process."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        return call()
    except KeyboardInterrupt:
        os._exit(128 + signal.SIGTERM)  # no one waits for the result any more
    finally:
        signal.signal(signal.SIGTERM, before)

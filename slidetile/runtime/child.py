"""A process that runs nothing but the calls of its parent: how it begins, tells and ends."""

import contextlib
import logging
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable
from multiprocessing.connection import Connection
from types import FrameType
from typing import Any, TypeVar

from slidetile.runtime.foreign import folder_kept
from slidetile.runtime.heap import tune_heap
from slidetile.runtime.streams import fill_standard_streams

Result = TypeVar("Result")

WHERE = signal.SIGUSR1
"""Asks a process to write which calls it is in, where it has a file for that; ignored elsewhere."""

BEGUN = "slidetile: begun"
"""What a process reports when it has begun."""

END_S = 0.5
"""A process whose parent has ended has this long to tidy up."""

MESSAGE_BYTES, TRACEBACK_BYTES = 1000, 2000
"""Most of what is logged that travels: together below what POSIX writes into a pipe at once, or not
at all, so that a crash cuts no report in two."""


class _Parent:
    """The process that waits for this one's calls; there is none in a process of its own."""

    def __init__(self) -> None:
        self._pipe: Connection | None = None
        self._lock = threading.Lock()

    def listens_at(self, pipe: Connection) -> None:
        self._pipe = pipe

    def tell(self, report: Any) -> None:
        if self._pipe is None:
            return
        with self._lock, contextlib.suppress(OSError):  # it has ended
            self._pipe.send(report)


_PARENT = _Parent()


def report(value: Any) -> None:
    """Hand a small value to the process that waits for the call under way; see `in_processes`.

    Does nothing in a process that is nobody's child.
    """
    _PARENT.tell(value)


class _ToParent(logging.Handler):
    """Hands what is logged to the parent, as plain text: its arguments may not travel."""

    def emit(self, record: logging.LogRecord) -> None:
        fields = {
            "name": record.name,
            "levelno": record.levelno,
            "levelname": record.levelname,
            "msg": _cut(record.getMessage(), MESSAGE_BYTES),
            "exc_text": _traceback(record.exc_info),
        }
        _PARENT.tell(logging.makeLogRecord(fields))


def _cut(text: str, most_bytes: int) -> str:
    data = text.encode(errors="backslashreplace")
    return text if len(data) <= most_bytes else data[:most_bytes].decode(errors="ignore") + "…"


def _traceback(error: Any) -> str | None:
    """Return the end of a traceback, which says most."""
    if not error:
        return None
    text = logging.Formatter().formatException(error)
    data = text.encode(errors="backslashreplace")
    return data[-TRACEBACK_BYTES:].decode(errors="ignore")


def begin(log_levels: dict[str, int], stack_bytes: int, parent: Connection) -> None:
    """Set up this process: logging and threads as in its parent, and an end when its parent ends.

    Its heap is tuned too, since it runs nothing but our calls.
    """
    fill_standard_streams()
    signal.signal(WHERE, signal.SIG_IGN)
    tune_heap()
    threading.stack_size(stack_bytes)
    _PARENT.listens_at(parent)
    logging.getLogger().addHandler(_ToParent())
    for name, level in log_levels.items():
        logging.getLogger(name).setLevel(level)
    report(BEGUN)
    threading.Thread(target=_end_with_parent, name="slidetile_parent", daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is None:
        return
    parent.join()
    os.kill(os.getpid(), signal.SIGTERM)
    threading.Event().wait(END_S)
    os._exit(128 + signal.SIGTERM)


class _Stop:
    """Turns SIGTERM into a KeyboardInterrupt, and knows it from one that the call raises."""

    def __init__(self) -> None:
        self.was_asked = False

    def __call__(self, _number: int, _frame: FrameType | None) -> None:
        self.was_asked = True
        raise KeyboardInterrupt


def stoppable(call: Callable[[], Result]) -> Result:
    """Make a call; SIGTERM interrupts it as Ctrl-C would, and then ends the process."""
    stop = _Stop()
    before = signal.signal(signal.SIGTERM, stop)
    try:
        with folder_kept():
            return call()
    finally:
        if stop.was_asked:
            os._exit(128 + signal.SIGTERM)  # no one waits for the result any more
        signal.signal(signal.SIGTERM, before)

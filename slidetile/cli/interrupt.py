"""How a command ends on Ctrl-C, on a scheduler's SIGTERM, or with its terminal: within a second.

It says one line. Does not know what the command does.
"""

import contextlib
import os
import signal
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any, Self

from slidetile.cli.plain import printable

TIDY_UP_S = 0.8
"""A command has this long to end by itself; then it is killed, and can still be continued."""

_STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_SHOW_CURSOR = "\x1b[?25h"


class Interruptible:
    """While it is entered, these signals raise KeyboardInterrupt in the main thread.

    KeyboardInterrupt tidies up: threads end, claims are released. But in a long call of a C library
    the main thread sees no signal until the call returns. So another thread listens too, and ends
    the process when `TIDY_UP_S` is over.

    Parameters
    ----------
    last_words
        Returns the line that says how to continue, for people or as a JSON object.
    is_server
        Returns whether the command runs until it is ended: then that is how it ends well.
    """

    def __init__(
        self, last_words: Callable[[], str], is_server: Callable[[], bool] = lambda: False
    ) -> None:
        self._last_words, self._is_server = last_words, is_server
        self._number: int | None = None
        self._unsaid = threading.Lock()
        self._before: dict[signal.Signals, Any] = {}
        self._wakeup = -1
        self._fd_before = -1

    @property
    def was_interrupted(self) -> bool:
        """Whether one of the signals has arrived."""
        return self._number is not None

    @property
    def exit_code(self) -> int:
        """The code by which shells report a command ended by this signal; 0 for a server."""
        return self._code(self._number or signal.SIGINT)

    def __enter__(self) -> Self:
        if threading.current_thread() is not threading.main_thread():
            return self  # a test's thread: it receives no signals
        listen, self._wakeup = os.pipe()
        os.set_blocking(self._wakeup, False)
        # Python writes a signal's number into this pipe at once, whatever the main thread does.
        self._fd_before = signal.set_wakeup_fd(self._wakeup, warn_on_full_buffer=False)
        threading.Thread(
            target=self._watch, args=(listen,), name="slidetile_signals", daemon=True
        ).start()
        for number in _STOPPING:
            if signal.getsignal(number) != signal.SIG_IGN:  # such as under nohup
                self._before[number] = signal.signal(number, self._interrupt)
        return self

    def __exit__(self, *exception: object) -> None:
        if self._wakeup == -1 or self._number is not None:
            return  # interrupted: watched until the process has ended
        for number, handler in self._before.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(self._fd_before)
        os.close(self._wakeup)

    def say(self) -> None:
        """Write the last words to the standard error stream, once; a server has none."""
        if self._is_server() or not self._unsaid.acquire(blocking=False):
            return
        words = printable(self._last_words())
        # A progress bar, of which there is none beside JSON, may have hidden it.
        cursor = _SHOW_CURSOR if os.isatty(2) and not words.startswith("{") else ""
        line = f"{cursor}{words}\n".encode(errors="backslashreplace")
        with contextlib.suppress(OSError):  # nobody listens
            os.write(2, line)

    def _interrupt(self, number: int, _: FrameType | None) -> None:
        if self._number is None:  # a second signal would only disturb the tidying up
            self._number = number
            raise KeyboardInterrupt

    def _watch(self, listen: int) -> None:
        numbers = b""
        while not (stopping := [n for n in numbers if n in self._before]):
            numbers = os.read(listen, 64)
            if not numbers:  # the command has ended
                os.close(listen)
                return
        threading.Event().wait(TIDY_UP_S)
        self.say()
        os._exit(self._code(stopping[0]))

    def _code(self, number: int) -> int:
        return 0 if self._is_server() else 128 + number

"""The log of one slide: what was warned of, and how it failed; there is none where all went well.

Knows log records. Does not know slides.
"""

import contextlib
import faulthandler
import logging
import multiprocessing
import traceback
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

from slidetile.runtime.child import WHERE

MOST_WARNINGS = 20
LONGEST_WARNING = 500

_CLIPPED = "…"


class SlideLog(logging.Handler):
    """Takes what is logged while a slide is tiled, and keeps it in a file if it says anything.

    In a process of our own a crash of native code leaves the calls it was in there, too, and so
    does one that is ended since it hangs.

    Parameters
    ----------
    path
        The file, whose folder exists; None keeps none. It is removed at the end if it is empty.
    """

    def __init__(self, path: Path | None) -> None:
        super().__init__()
        self.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
        self.warnings: list[str] = []
        self._path = path
        self._file: BinaryIO | None = None
        self._tells_crashes = False

    @property
    def is_kept(self) -> bool:
        """Whether the file says anything."""
        return self._file is not None and self._file.tell() > 0

    def __enter__(self) -> Self:
        if self._path is not None:
            with contextlib.suppress(OSError):  # a slide without a log is tiled all the same
                self._file = self._path.open("ab", buffering=0)
        if self._file is not None and multiprocessing.parent_process() is not None:
            faulthandler.enable(self._file)
            faulthandler.register(WHERE, self._file)
            self._tells_crashes = True
        logging.getLogger("slidetile").addHandler(self)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        logging.getLogger("slidetile").removeHandler(self)
        if self._tells_crashes:
            faulthandler.disable()
            faulthandler.unregister(WHERE)
        if self._file is not None and self._path is not None:
            is_empty = not self.is_kept
            self._file.close()
            if is_empty:
                with contextlib.suppress(OSError):
                    self._path.unlink(missing_ok=True)

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a record."""
        if record.levelno >= logging.WARNING and len(self.warnings) < MOST_WARNINGS:
            text = " ".join(record.getMessage().split())
            is_long = len(text) > LONGEST_WARNING
            self.warnings.append(text[: LONGEST_WARNING - 1] + _CLIPPED if is_long else text)
        self._write(self.format(record))

    def failed(self, error: BaseException) -> None:
        """Write how the slide failed."""
        self._write("".join(traceback.format_exception(error)).rstrip())

    def _write(self, text: str) -> None:
        if self._file is not None:
            with contextlib.suppress(OSError):  # a full disk
                self._file.write(f"{text}\n".encode(errors="backslashreplace"))


def add_reason(path: Path, reason: str) -> bool:
    """Write why a slide failed into its log; return whether there is one."""
    try:
        with path.open("a", encoding="utf-8", errors="backslashreplace") as file:
            file.write(f"failed: {reason}\n")
    except OSError:
        return False
    return True

"""The log of one slide: what was warned of, and how it failed; there is none where all went well.

Knows log records. Does not know slides.
"""

import contextlib
import faulthandler
import logging
import multiprocessing
import os
import traceback
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

from slidetile.cloud.address import Address, Location
from slidetile.cloud.objects import read_object, remove_objects, write_object
from slidetile.errors import explain
from slidetile.runtime.child import WHERE

_log = logging.getLogger(__name__)

MOST_WARNINGS = 20
LONGEST_WARNING = 500

LARGEST_LOG_BYTES = 16 << 20
"""More of what an attempt before has left in a bucket is not kept."""

_CLIPPED = "…"


class SlideLog(logging.Handler):
    """Takes what is logged while a slide is tiled, and keeps it in a file if it says anything.

    In a process of our own a crash of native code leaves the calls it was in there, too, and so
    does one that is ended since it hangs.

    Parameters
    ----------
    path
        The file, whose folder is made if missing; None keeps none. It is removed if it is empty.
    """

    def __init__(self, path: Path | None) -> None:
        super().__init__()
        self.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
        self.warnings: list[str] = []
        self.error: BaseException | None = None
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
                make_log_folder(self._path)
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
        self.error = error
        self._write("".join(traceback.format_exception(error)).rstrip())

    def _write(self, text: str) -> None:
        if self._file is not None:
            with contextlib.suppress(OSError):  # a full disk
                self._file.write(f"{text}\n".encode(errors="backslashreplace"))


def make_log_folder(log: Path) -> None:
    """Make the folder of a log that is to go to a bucket, which a worker may lack."""
    log.parent.mkdir(mode=0o700, exist_ok=True)


def put_log(log: Path, address: Address) -> bool:
    """Move a log into a bucket, after what an attempt before has left there; return whether it is.

    It stays where it is if it cannot be written there.
    """
    try:
        data = log.read_bytes()
        with contextlib.suppress(FileNotFoundError):
            data = read_object(address, LARGEST_LOG_BYTES) + data
        write_object(address, [data])
        log.unlink()
    except FileNotFoundError:
        return False
    except OSError as error:
        _log.warning(
            "%s cannot be written, so the log stays in %s: %s", address, log, explain(error)
        )
        return False
    return True


def remove_log(log: Path, place: Location) -> None:
    """Remove a log from this machine, and from the bucket that it went to; raises OSError."""
    log.unlink(missing_ok=True)
    if isinstance(place, Address):
        remove_objects([place])


def add_reason(path: Path, reason: str) -> bool:
    """Write why a slide failed into its log; return whether there is one."""
    try:
        make_log_folder(path)
        begin = "\n" if _is_cut_short(path) else ""
        with path.open("a", encoding="utf-8", errors="backslashreplace") as file:
            file.write(f"{begin}failed: {reason}\n")
    except OSError:
        return False
    return True


def _is_cut_short(path: Path) -> bool:
    """Return whether a log ends within a line, as that of a process that died while it wrote."""
    try:
        with path.open("rb") as file:
            file.seek(-1, os.SEEK_END)
            return file.read(1) != b"\n"
    except OSError:  # there is none, or nothing in it
        return False

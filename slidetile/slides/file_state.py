"""Whether a slide's file is still the one that was opened, and what errors of the system say."""

import errno
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from slidetile.errors import SlideReadError

_SYSTEM_ERRORS = (
    *("EIO", "ENOENT", "EACCES", "EPERM", "ENXIO", "ENODEV", "ENOTCONN", "ETIMEDOUT", "EHOSTDOWN"),
    *("ESTALE", "EREMOTEIO", "ECONNRESET", "ECONNABORTED", "ENETDOWN", "ENETUNREACH", "ENOTDIR"),
    *("EHOSTUNREACH", "ESHUTDOWN", "EMFILE", "ENFILE", "ENOMEM", "EBADF", "EINTR", "EAGAIN"),
)
"""What says that bytes could not be read, and nothing of the bytes."""

_SENTENCES = tuple(
    os.strerror(getattr(errno, name)) for name in _SYSTEM_ERRORS if hasattr(errno, name)
)
_PROBES = 64
_PROBE_BYTES = 512
"""Read at so many places, as far apart as the file allows: not all of them are in a cache."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FileState:
    """Size and time stamp of a file as it was opened."""

    size: int
    """Bytes."""

    mtime_ns: int
    """When it was last written."""

    @classmethod
    def of(cls, file: Path | int) -> Self:
        """Return the state of a path or an open descriptor; raises OSError."""
        found = os.fstat(file) if isinstance(file, int) else file.stat()
        return cls(size=found.st_size, mtime_ns=found.st_mtime_ns)

    def check(self, file: Path | int, path: Path) -> None:
        """Check that a file is as it was.

        Parameters
        ----------
        file
            The path or open descriptor to look at.
        path
            Its name, for messages.

        Raises
        ------
        SlideReadError
            It has changed, or cannot be found.
        """
        try:
            now = FileState.of(file)
        except OSError as error:
            raise unreadable(path, error) from error
        if now == self:
            return
        what = "was written to"
        if now.size != self.size:
            what = f"had {self.size} bytes and has {now.size}"
        raise SlideReadError(
            f"{path} changed while it was read: since it was opened it {what}. Run again when "
            "nothing writes it."
        )

    def probe(self, path: Path) -> None:
        """Check that a file is as it was, and that bytes of it can be read here and there.

        Raises
        ------
        SlideReadError
            It has changed, or cannot be read.
        """
        self.check(path, path)
        try:
            with path.open("rb", buffering=0) as file:
                for number in range(_PROBES):
                    file.seek(max(0, self.size - _PROBE_BYTES) * number // (_PROBES - 1))
                    file.read(_PROBE_BYTES)
        except OSError as error:
            raise unreadable(path, error) from error


def unreadable(path: Path, error: OSError) -> SlideReadError:
    """Return the error that says why the system does not read a file."""
    return SlideReadError(f"{path} cannot be read: {error.strerror or error}.")


def is_of_the_system(message: str) -> bool:
    """Return whether a library's message repeats an error of the system."""
    return "I/O error" in message or any(sentence in message for sentence in _SENTENCES)

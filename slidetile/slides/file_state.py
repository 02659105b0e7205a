"""Whether a slide's file is still the one that was opened, and what errors of the system say."""

import errno
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from slidetile.cloud.address import Address, Location
from slidetile.cloud.objects import ObjectState, object_state
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

    @property
    def mark(self) -> int | str:
        """What tells it from another of its name and size."""
        return self.mtime_ns

    @classmethod
    def of(cls, file: Path | int) -> Self:
        """Return the state of a path or an open descriptor; raises OSError."""
        found = os.fstat(file) if isinstance(file, int) else file.stat()
        return cls(size=found.st_size, mtime_ns=found.st_mtime_ns)

    def check(self, file: Location | int, path: Location) -> None:
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
        assert not isinstance(file, Address), "it is of a file of this machine"
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

    def probe(self, path: Location) -> None:
        """Check that a file is as it was, and that bytes of it can be read here and there.

        Raises
        ------
        SlideReadError
            It has changed, or cannot be read.
        """
        self.check(path, path)
        assert not isinstance(path, Address), "it is of a file of this machine"
        try:
            with path.open("rb", buffering=0) as file:
                for number in range(_PROBES):
                    file.seek(max(0, self.size - _PROBE_BYTES) * number // (_PROBES - 1))
                    file.read(_PROBE_BYTES)
        except OSError as error:
            raise unreadable(path, error) from error


@dataclass(frozen=True, slots=True, eq=False)
class RemoteState:
    """What an object was as it was opened: its size and its mark, which every read compares."""

    known: ObjectState
    """As the server tells it."""

    @property
    def size(self) -> int:
        """Bytes."""
        return self.known.size

    @property
    def mark(self) -> int | str:
        """What tells it from another of its name and size."""
        return self.known.etag or self.known.modified.isoformat()

    @classmethod
    def of(cls, address: Address) -> Self:
        """Return the state of an object; raises OSError."""
        return cls(object_state(address))

    def __eq__(self, other: object) -> bool:
        """Compare what is told of the content; one of two times may count whole seconds."""
        return isinstance(other, RemoteState) and self.known.is_same(other.known)

    def __hash__(self) -> int:
        return hash(self.size)

    def check(self, file: Location | int, path: Location) -> None:
        """Check that an object is as it was; see `FileState.check`."""
        assert isinstance(file, Address), "it is of an object"
        try:
            now = RemoteState.of(file)
        except OSError as error:
            raise unreadable(path, error) from error
        if now != self:
            raise replaced(path)

    def probe(self, path: Location) -> None:
        """Check that an object is as it was; that bytes of it can be read, each read shows."""
        self.check(path, path)


AnyState = FileState | RemoteState

FileStates = Mapping[Location, AnyState]
"""Files, each as it was when it was opened."""


def state_of(location: Location) -> AnyState:
    """Return the state of a file, wherever it lies; raises OSError."""
    if isinstance(location, Address):
        return RemoteState.of(location)
    return FileState.of(location)


def replaced(location: Location) -> SlideReadError:
    """Return the error of an object that is another by now."""
    return SlideReadError(
        f"{location} changed while it was read: it was replaced or written anew since it was "
        "opened. Run again when nothing writes it."
    )


def unreadable(path: Location, error: OSError) -> SlideReadError:
    """Return the error that says why the system does not read a file."""
    return SlideReadError(f"{path} cannot be read: {error.strerror or error}.")


def is_of_the_system(message: str) -> bool:
    """Return whether a library's message repeats an error of the system."""
    return "I/O error" in message or any(sentence in message for sentence in _SENTENCES)

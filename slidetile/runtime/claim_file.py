"""The file of a claim: created by one process alone, touched by it, taken over by one other.

Knows what must be atomic, and how a file system does it. Does not know when a holder counts as
dead; `slidetile.cloud.claim_file` is the same in a bucket.
"""

import hashlib
import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from slidetile.runtime._holder import Holder, uptime_s
from slidetile.runtime.files import open_regular, write_whole

MOST_BYTES = 1 << 16
"""A claim is far shorter; what is longer is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """The state of a claim's file when it was read."""

    data: bytes
    """Content of the file."""

    mtime_s: float
    """When it was last touched, by the clock of its file system or bucket, in seconds."""

    @property
    def holder(self) -> Holder | None:
        """The process that made it; None where the file does not name one, yet or any more."""
        return Holder.from_json(self.data)


class ClaimFile(Protocol):
    """What is asked of a claim's file, wherever it lies; its text is where that is."""

    tolerance_s: float
    """By so much a time stamp may lie ahead, since clocks round."""

    @property
    def store(self) -> str:
        """Where the store lies that is claimed."""
        ...

    def look(self) -> Seen | None:
        """Read it; return None if it does not exist."""
        ...

    def create(self, data: bytes) -> bool:
        """Write it, unless it exists; return whether it was written."""
        ...

    def take_over(self, dead: Seen, data: bytes, dead_after_s: float) -> bool:
        """Replace what a dead holder has left; return False where another process is about to.

        Of all processes that see the same dead claim, one succeeds.
        """
        ...

    def touch(self, data: bytes) -> bool:
        """Date it now, if this is its content; return whether it is.

        Raises
        ------
        FileNotFoundError
            It does not exist.
        """
        ...

    def date_now(self, seen: Seen) -> None:
        """Date it now, unless it is another's by now; raises OSError where it cannot be dated."""
        ...

    def rewrite(self, old: bytes, new: bytes) -> None:
        """Replace its content, of which this process knows that it is its own."""
        ...

    def remove(self, data: bytes) -> None:
        """Remove it, if this is its content."""
        ...

    def age_s(self, seen: Seen) -> float:
        """Return the seconds since it was last touched, by the clock that dated it.

        That is perhaps a file server's: the clocks of two hosts may differ.
        """
        ...


def is_same_claim(found: bytes, data: bytes) -> bool:
    """Return whether two contents are of one claim, whatever its signs of life."""
    holder = Holder.from_json(found)
    return found == data or (holder is not None and holder.is_same(Holder.from_json(data)))


def dated(data: bytes) -> bytes:
    """Return the content of a claim with one more sign of life."""
    holder = Holder.from_json(data)
    return data if holder is None else holder.dated().to_json()


def released(data: bytes) -> bytes:
    """Return a content by which everybody knows that the claim is theirs to take."""
    holder = Holder.from_json(data)
    return data if holder is None else replace(holder, is_released=True).to_json()


def now_s() -> float:
    """Return seconds of a clock that also counts while the system sleeps, where there is one."""
    return uptime_s()


class LocalClaimFile:
    """A claim's file on a disk.

    Parameters
    ----------
    path
        Its path: that of the store, with one more suffix.
    """

    tolerance_s = 1.0

    def __init__(self, path: Path) -> None:
        self._path = path

    def __str__(self) -> str:
        return str(self._path)

    @property
    def store(self) -> str:
        """Where the store lies that is claimed."""
        return str(self._path.with_suffix(""))

    def look(self) -> Seen | None:
        """Read it; return None if it does not exist."""
        return _look(self._path)

    def create(self, data: bytes) -> bool:
        """Write it, unless it exists; return whether it was written."""
        return _create(self._path, data)

    def take_over(self, dead: Seen, data: bytes, dead_after_s: float) -> bool:
        """Replace what a dead holder has left; return False where another process is about to.

        Only one process can create the gate file. The claim's file is never missing meanwhile, so
        later processes find the new claim.
        """
        mark = hashlib.sha256(dead.data).hexdigest()[:16]
        gate = self._path.with_name(f"{self._path.name}.{mark}")
        if not _create(gate, b""):
            stale = _look(gate)
            if stale is not None and self.age_s(stale) > dead_after_s:
                # The process that created the gate has died as well.
                gate.unlink(missing_ok=True)
            return False
        try:
            if (now := self.look()) is None or now.data != dead.data:
                return False  # another was quicker, and has removed its gate
            write_whole(self._path, [data])
        finally:
            gate.unlink(missing_ok=True)
        return True

    def touch(self, data: bytes) -> bool:
        """Date it now, if this is its content; return whether it is."""
        with self._path.open("rb") as file:
            is_ours = file.read(MOST_BYTES) == data
            if is_ours:
                os.utime(file.fileno())  # the opened file, even if the path has another now
            return is_ours

    def date_now(self, seen: Seen) -> None:
        """Date it now, unless it is another's by now."""
        with self._path.open("rb") as file:
            if os.fstat(file.fileno()).st_mtime == seen.mtime_s:
                os.utime(file.fileno())

    def rewrite(self, old: bytes, new: bytes) -> None:  # noqa: ARG002  a rename asks no condition
        """Replace its content, of which this process knows that it is its own."""
        write_whole(self._path, [new])

    def remove(self, data: bytes) -> None:
        """Remove it, if this is its content."""
        if (seen := self.look()) is not None and seen.data == data:
            self._path.unlink()

    def age_s(self, seen: Seen) -> float:
        """Return the seconds since it was last touched, by the clock that dated it."""
        probe = self._path.with_name(f"{self._path.name}.{os.urandom(8).hex()}")
        file = os.open(probe, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
        try:
            os.utime(file)
            return os.fstat(file).st_mtime - seen.mtime_s
        finally:
            os.close(file)
            probe.unlink(missing_ok=True)


def _create(path: Path, data: bytes) -> bool:
    """Write a file; return False if it exists already."""
    try:
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
    except FileExistsError:
        return False
    try:
        os.write(file, data)
    except OSError:  # such as a full disk
        path.unlink(missing_ok=True)
        raise
    finally:
        os.close(file)
    return True


def _look(path: Path) -> Seen | None:
    """Read a file; return None if it does not exist.

    It is opened before its status is read: over NFS only opening asks the server, rather than a
    cache that may be a minute old.
    """
    try:
        with os.fdopen(open_regular(path), "rb") as file:
            data, status = file.read(MOST_BYTES), os.fstat(file.fileno())
    except FileNotFoundError:
        return None
    return Seen(data=data, mtime_s=status.st_mtime)

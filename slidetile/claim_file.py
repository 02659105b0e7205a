"""A claim's file: made by one process only, read with its age."""

import os
import secrets
from dataclasses import dataclass
from pathlib import Path

from slidetile.holder import Holder


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """A claim's file, as it was found."""

    path: Path
    """Where it lies."""

    data: bytes
    """What is in it."""

    mtime_s: float
    """When it was touched last, by the clock that stamps the files of its folder."""

    @property
    def holder(self) -> Holder | None:
        """Who made it; None where it does not say so, yet or any more."""
        return Holder.from_json(self.data)

    def age_s(self) -> float:
        """Return the seconds from when it was touched last to now.

        By the clock that stamps new files in its folder, a file server's perhaps: those of two
        hosts may differ.
        """
        probe = self.path.with_name(f"{self.path.name}.{secrets.token_hex(8)}")
        file = os.open(probe, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
        try:
            os.utime(file)
            return os.fstat(file).st_mtime - self.mtime_s
        finally:
            os.close(file)
            probe.unlink(missing_ok=True)


def create(path: Path, data: bytes) -> bool:
    """Write a claim's file; return False where there is one already."""
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


def look(path: Path) -> Seen | None:
    """Return what is in a claim's file; None where there is none.

    It is opened first: over NFS only that asks the server, and not a cache a minute old.
    """
    try:
        with path.open("rb") as file:
            data, status = file.read(1 << 16), os.fstat(file.fileno())
    except FileNotFoundError:
        return None
    return Seen(path=path, data=data, mtime_s=status.st_mtime)

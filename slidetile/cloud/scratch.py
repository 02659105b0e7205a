"""The scratch folder: objects fetched as a whole, for libraries that read only files.

A cache that all processes of a user share. An entry is complete or absent; one process fetches it,
others wait for that; one that is in use is never removed; the longest unused make room for others.
"""

import contextlib
import errno
import fcntl
import hashlib
import os
import shutil
import stat
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from slidetile.cloud.address import Address
from slidetile.cloud.objects import IN_FLIGHT, ObjectState, in_parallel, read_range
from slidetile.cloud.options import SCRATCH, SCRATCH_BYTES

USUAL_BYTES = 64 << 30
"""The most bytes of all entries, or less: of what is free on the disk, and theirs, 80 % at most."""

PIECE_BYTES = 8 << 20
"""Fetched in one request; several are in flight."""

_SHARE = 0.8
_SPARE_BYTES = 64 << 20
"""Left free on the disk."""

_WAIT_S = 0.2
_SHORTEST_WAIT_S = 0.005
_PARTIAL = ".partial"

Files = Mapping[str, tuple[Address, ObjectState]]
"""The objects of an entry, by their paths in it."""


class Lease:
    """An entry that is in use, and is not removed until it is released.

    Parameters
    ----------
    folder
        Where its files are.
    lock
        The descriptor of its lock, held shared.
    nbytes
        The bytes of its files.
    """

    def __init__(self, folder: Path, lock: int, nbytes: int) -> None:
        self.folder, self.nbytes = folder, nbytes
        self._lock: int | None = lock
        with _own_lock:
            _own.append(self)

    def release(self) -> None:
        """Say that it is read no more. Releasing twice is allowed."""
        with _own_lock:
            lock, self._lock = self._lock, None
            if lock is not None:
                _own.remove(self)
                os.close(lock)


_own: list[Lease] = []
_own_lock = threading.RLock()


@dataclass(frozen=True, slots=True, kw_only=True)
class Scratch:
    """A scratch folder.

    Raises
    ------
    ValueError
        The bound is not positive.
    """

    folder: Path
    """Where the folder of this user is made, in which entries lie."""

    most_bytes: int | None = None
    """The most bytes of all entries; None as for `USUAL_BYTES`."""

    longest_wait_s: float = 600.0
    """How long it is waited for what other processes read, or seem to fetch."""

    def __post_init__(self) -> None:
        if self.most_bytes is not None and self.most_bytes < 1:
            raise ValueError(f"Scratch bytes are 1 or more, but not {self.most_bytes}.")

    @classmethod
    def of(cls, address: Address) -> "Scratch":
        """Return the scratch folder of an address, by its options."""
        folder, most = address.options.get(SCRATCH), address.options.get(SCRATCH_BYTES)
        if most is not None and not most.isdecimal():
            raise ValueError(f"The storage option {SCRATCH_BYTES} is a whole number, not {most!r}.")
        return cls(
            folder=Path(folder or tempfile.gettempdir()),
            most_bytes=None if most is None else int(most),
        )

    @property
    def own(self) -> Path:
        """The folder of this user, which nobody else can read: slides can name patients."""
        return self.folder / f"slidetile-{os.getuid()}"

    def fetch(self, files: Files) -> Lease:
        """Return objects as the files of a folder, fetched unless they are there.

        Raises
        ------
        OSError
            One cannot be fetched, was replaced meanwhile, or there is no room.
        """
        self._make()
        nbytes = sum(state.size for _, state in files.values())
        name = f"{_digest(files)}-{nbytes}"
        while True:
            lock = self._locked(name, fcntl.LOCK_SH)
            if (self.own / name).is_dir():
                os.utime(self.own / name)
                return Lease(self.own / name, lock, nbytes)
            os.close(lock)
            lock = self._locked(name, fcntl.LOCK_EX)  # others wait here while one fetches
            try:
                if not (self.own / name).is_dir():
                    self._fill(name, files, nbytes)
            finally:
                os.close(lock)

    def _make(self) -> None:
        """Make the folder of this user.

        Raises
        ------
        OSError
            It cannot be made, or is somebody else's.
        """
        self.own.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = self.own.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
            raise PermissionError(
                errno.EACCES, "it is not a folder of yours: choose another with --scratch", self.own
            )
        if stat.S_IMODE(found.st_mode) != 0o700:
            self.own.chmod(0o700)

    def _locked(self, name: str, how: int) -> int:
        """Return the descriptor of an entry's lock, once it is held."""
        path = self.own / f"{name}.lock"
        while True:
            lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                self._wait_for(lock, how, name)
                if _is_same(lock, path):
                    return lock
            except BaseException:
                os.close(lock)
                raise
            os.close(lock)  # it was removed with its entry

    def _wait_for(self, lock: int, how: int, name: str) -> None:
        """Take a lock that another process may hold.

        Raises
        ------
        OSError
            It holds the lock, and for long has not fetched anything.
        """
        known, pause_s = self._fetched(name), _SHORTEST_WAIT_S
        until = time.monotonic() + self.longest_wait_s
        while True:
            with contextlib.suppress(BlockingIOError):
                fcntl.flock(lock, how | fcntl.LOCK_NB)
                return
            found = self._fetched(name)
            if found != known:
                known, until = found, time.monotonic() + self.longest_wait_s
            elif time.monotonic() > until:
                raise TimeoutError(
                    errno.ETIMEDOUT,
                    f"another process has held it for {self.longest_wait_s:.0f} s without fetching "
                    "anything: end that process, or give another folder with --scratch",
                    str(self.own / f"{name}.lock"),
                )
            time.sleep(pause_s)
            pause_s = min(2 * pause_s, _WAIT_S)

    def _fetched(self, name: str) -> list[tuple[str, int]]:
        """Return what tells whether an entry is being fetched: its files, and when they grew."""
        found = []
        for path in sorted((self.own / f"{name}{_PARTIAL}").rglob("*")):
            with contextlib.suppress(OSError):
                found.append((str(path), path.stat().st_mtime_ns))
        return found

    def _fill(self, name: str, files: Files, nbytes: int) -> None:
        """Fetch an entry, of which this process holds the lock."""
        partial = self.own / f"{name}{_PARTIAL}"
        try:
            with self._room_lock():
                shutil.rmtree(partial, ignore_errors=True)  # of a process that was killed
            self._reserve(partial, nbytes)
            for path, (address, state) in files.items():
                target = partial / path
                target.parent.mkdir(parents=True, exist_ok=True)
                _download(address, state, target)
            partial.rename(self.own / name)
        except BaseException:
            shutil.rmtree(partial, ignore_errors=True)
            raise

    def _reserve(self, partial: Path, nbytes: int) -> None:
        """Make the folder of an entry that is fetched, once there is room for it.

        Raises
        ------
        OSError
            There is none, and will be none.
        """
        most = self._most_bytes()
        with _own_lock:
            held = sum(lease.nbytes for lease in _own if lease.folder.parent == self.own)
        if nbytes + held > most:
            also = f", besides the {held:,} that this process reads" if held else ""
            raise _no_room(
                f"{nbytes:,} bytes are to be fetched{also}, and the scratch folder may hold "
                f"{most:,}: give more with --scratch-bytes, or another disk with --scratch",
                self.own,
            )
        until = time.monotonic() + self.longest_wait_s
        while True:
            with self._room_lock():
                used = self._make_room(nbytes, most)
                if used + nbytes <= most and self._fits(nbytes):
                    partial.mkdir(mode=0o700)
                    return
            if not used:
                raise _no_room(
                    f"{nbytes:,} bytes are to be fetched, and its disk has "
                    f"{shutil.disk_usage(self.own).free:,} free: give another with --scratch",
                    self.own,
                )
            if time.monotonic() > until:
                raise _no_room(
                    f"{nbytes:,} bytes are to be fetched, and what other processes read takes the "
                    f"rest of {most:,}: give more with --scratch-bytes, or let fewer run",
                    self.own,
                )
            time.sleep(_WAIT_S)

    def _most_bytes(self) -> int:
        if self.most_bytes is not None:
            return self.most_bytes
        free = shutil.disk_usage(self.own).free + sum(self._entries().values())
        return min(USUAL_BYTES, int(_SHARE * free))

    def _make_room(self, nbytes: int, most: int) -> int:
        """Remove the longest unused entries until so many bytes fit; return those of the others."""
        entries = self._entries()
        used = sum(entries.values())
        for path in sorted(entries, key=_last_use):
            if used + nbytes <= most and self._fits(nbytes):
                break
            if path.suffix == _PARTIAL and self._is_locked(path.stem):
                continue
            if self._removed(path):
                used -= entries[path]
        return used

    def _fits(self, nbytes: int) -> bool:
        return shutil.disk_usage(self.own).free >= nbytes + _SPARE_BYTES

    def _is_locked(self, name: str) -> bool:
        lock = self.own / f"{name}.lock"
        return lock.exists() and not _can_lock(lock)

    def _removed(self, path: Path) -> bool:
        """Remove an entry and return True; return False where it is in use."""
        lock_path = self.own / f"{path.name.removesuffix(_PARTIAL)}.lock"
        lock = os.open(lock_path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        else:
            if not _is_same(lock, lock_path):
                return False
            shutil.rmtree(path, ignore_errors=True)
            lock_path.unlink(missing_ok=True)
            return True
        finally:
            os.close(lock)

    def _entries(self) -> dict[Path, int]:
        """Return the bytes of each entry, of those that are being fetched as well."""
        found = {}
        for path in self.own.iterdir():
            nbytes = path.name.removesuffix(_PARTIAL).rpartition("-")[2]
            if nbytes.isdecimal() and path.is_dir():
                found[path] = int(nbytes)
        return found

    @contextlib.contextmanager
    def _room_lock(self) -> Iterator[None]:
        """Let one process at a time look for room."""
        lock = os.open(self.own / "room.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            self._wait_for(lock, fcntl.LOCK_EX, "room")
            yield
        finally:
            os.close(lock)


def _digest(files: Files) -> str:
    """Return what the content of an entry is known by."""
    marks = [
        (path, str(address), state.size, state.etag or state.modified.isoformat())
        for path, (address, state) in sorted(files.items())
    ]
    return hashlib.sha256(repr(marks).encode()).hexdigest()[:32]


def _download(address: Address, state: ObjectState, target: Path) -> None:
    """Fetch an object into a file, in several requests at a time."""
    file = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)

    def fetch(start: int) -> None:
        data = read_range(address, start, min(start + PIECE_BYTES, state.size), state)[0]
        left, at = memoryview(data), start
        while left:
            count = os.pwrite(file, left, at)
            left, at = left[count:], at + count

    try:
        in_parallel(fetch, range(0, state.size, PIECE_BYTES), most=IN_FLIGHT)
        os.fsync(file)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT) and error.filename is None:
            raise _no_room(
                "the disk of the scratch folder is full: give another with --scratch", target
            ) from error
        raise
    finally:
        os.close(file)


def _no_room(why: str, where: Path) -> OSError:
    return OSError(errno.ENOSPC, why, str(where))


def _is_same(file: int, path: Path) -> bool:
    """Return whether a descriptor is of what has a path now."""
    try:
        now = path.stat()
    except FileNotFoundError:
        return False
    then = os.fstat(file)
    return (now.st_dev, now.st_ino) == (then.st_dev, then.st_ino)


def _can_lock(path: Path) -> bool:
    with path.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
    return True


def _last_use(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0

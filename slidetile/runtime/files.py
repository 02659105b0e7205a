"""Files that are whole or absent while they are written, and read only where they are files."""

import contextlib
import errno
import itertools
import os
import re
import stat
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

TEMPORARY_SUFFIX = ".tmp"
"""End of the names of temporary files, which a killed process leaves behind."""

_TEMPORARY = re.compile(rf"\.[0-9a-f]{{16}}{re.escape(TEMPORARY_SUFFIX)}")

MOST_PARTS = 512
"""Parts handed to the system at once, and held until then; POSIX promises 16, Linux and macOS take
1024."""


def write_whole(
    path: Path,
    parts: Iterable[bytes],
    *,
    durable: bool = False,
    before_rename: Callable[[], None] | None = None,
) -> None:
    """Write a file under a temporary name in the same folder, then rename it.

    An existing file is replaced. Whatever goes wrong, it stays as it was, and nothing is left
    behind. Several writers of the same path do not disturb each other, since each has a temporary
    name of its own: the last one wins.

    Parameters
    ----------
    path
        Path of the file. Its folder must exist.
    parts
        Its bytes, one part after another; they are written as they come, not joined in memory.
    durable
        Sync the file before it is renamed; the caller syncs its folder.
    before_rename
        Called when everything is written; the file is not renamed if it raises an error.

    Raises
    ------
    OSError
        The file cannot be written.
    """
    temporary = path.with_name(f".{os.urandom(8).hex()}{TEMPORARY_SUFFIX}")
    file = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o666)
    try:
        _write(file, parts, durable=durable)
        if before_rename is not None:
            before_rename()
        os.replace(temporary, path)  # noqa: PTH105  pathlib takes as long again to do it
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise


class IrregularFileError(OSError):
    """What is at a path is not a regular file."""


def open_regular(path: str | os.PathLike[str], *, follows_links: bool = True) -> int:
    """Open a regular file to be read, and return its descriptor.

    Nothing else is opened: a pipe would wait for its writer for ever, and a device has no end.

    Parameters
    ----------
    path
        The file.
    follows_links
        Whether the last part of the path may be a symbolic link.

    Raises
    ------
    OSError
        It cannot be opened, or is not a regular file.
    """
    links = 0 if follows_links else os.O_NOFOLLOW
    file = os.open(path, os.O_RDONLY | os.O_NONBLOCK | links)
    if not stat.S_ISREG(os.fstat(file).st_mode):
        os.close(file)
        raise IrregularFileError(errno.EINVAL, "it is not a regular file", os.fspath(path))
    return file


def read_regular(path: str | os.PathLike[str], most_bytes: int) -> bytes:
    """Return the content of a regular file, or its first bytes where it has more.

    Raises
    ------
    OSError
        It cannot be read, or is not a regular file.
    """
    return read_opened(open_regular(path), most_bytes)


def read_opened(file: int, most_bytes: int) -> bytes:
    """Return the content of a regular file that is open, or its first bytes, and close it.

    Python takes all memory that it is asked to read into, so the file's length is asked for first.

    Raises
    ------
    OSError
        It cannot be read.
    """
    with os.fdopen(file, "rb") as opened:
        return opened.read(min(most_bytes, os.fstat(file).st_size + 1))


def as_text(path: str | os.PathLike[str]) -> str:
    """Return a path as valid text: on Linux, a name may hold any bytes, and JSON only text."""
    return os.fsencode(path).decode(errors="replace")


def is_temporary(name: str) -> bool:
    """Return whether a file's name is one that `write_whole` gives until a file is whole."""
    return _TEMPORARY.fullmatch(name) is not None


def sync(path: Path) -> None:
    """Sync a file or a folder, so that it survives a power failure from now on."""
    file = os.open(path, os.O_RDONLY)
    try:
        os.fsync(file)
    finally:
        os.close(file)


def _write(file: int, parts: Iterable[bytes], *, durable: bool) -> None:
    try:
        left = iter(parts)
        while batch := list(itertools.islice(left, MOST_PARTS)):
            _write_batch(file, batch)
        if durable:
            os.fsync(file)
    finally:
        os.close(file)


def _write_batch(file: int, parts: Sequence[bytes]) -> None:
    written = os.writev(file, parts)
    if written < sum(map(len, parts)):  # rare: a full disk, a signal
        left = memoryview(b"".join(parts))[written:]
        while left:
            left = left[os.write(file, left) :]

"""A file of lines in an unfinished store, appended one by one as work is done."""

import os
import threading
from pathlib import Path

from slidetile.runtime.files import read_regular

LARGEST_BYTES = 1 << 26
"""What lies beyond is not read, and so not known: what it is about is made anew."""


class AppendedLines:
    """The lines; several threads may add some.

    Where several processes write parts of a store, each adds to a file of its own, with a random
    suffix: over NFS, what two hosts append to one file may overwrite each other.

    Parameters
    ----------
    path
        The file, which need not exist.
    durable
        Sync each line.
    is_part
        Whether other processes add lines at the same time.
    """

    def __init__(self, path: Path, *, durable: bool = False, is_part: bool = False) -> None:
        self._path = path
        self._own = path.with_name(f"{path.name}.{os.urandom(8).hex()}") if is_part else path
        self._durable = durable
        self._lock = threading.Lock()

    def whole_lines(self) -> list[str]:
        """Return the lines of all files that are there, without those that were cut short."""
        return [line for path in (*self._of_parts(), self._path) for line in _whole_lines(path)]

    def _of_parts(self) -> list[Path]:
        return sorted(self._path.parent.glob(f"{self._path.name}.*"))

    def add(self, line: str) -> None:
        """Append a line.

        Raises
        ------
        OSError
            It cannot be written.
        """
        data = f"\n{line}\n".encode()  # begins anew where another was cut short
        with self._lock:
            file = os.open(self._own, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
            try:
                os.write(file, data)
                if self._durable:
                    os.fsync(file)
            finally:
                os.close(file)


def _whole_lines(path: Path) -> list[str]:
    try:
        data = read_regular(path, LARGEST_BYTES)
    except OSError:
        return []
    return data.decode(errors="replace").split("\n")[:-1]

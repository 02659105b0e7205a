"""A file of lines in an unfinished store, appended one by one as work is done."""

import os
import threading
from pathlib import Path

from slidetile.runtime.files import read_regular

LARGEST_BYTES = 1 << 26
"""What lies beyond is not read, and so not known: what it is about is made anew."""


class AppendedLines:
    """The lines; several threads may add some.

    Parameters
    ----------
    path
        The file, which need not exist.
    durable
        Sync each line.
    """

    def __init__(self, path: Path, *, durable: bool = False) -> None:
        self._path = path
        self._durable = durable
        self._lock = threading.Lock()

    def whole_lines(self) -> list[str]:
        """Return the lines that are there, without one that was cut short."""
        try:
            data = read_regular(self._path, LARGEST_BYTES)
        except OSError:
            return []
        return data.decode(errors="replace").split("\n")[:-1]

    def add(self, line: str) -> None:
        """Append a line.

        Raises
        ------
        OSError
            It cannot be written.
        """
        data = f"\n{line}\n".encode()  # begins anew where another was cut short
        with self._lock:
            file = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
            try:
                os.write(file, data)
                if self._durable:
                    os.fsync(file)
            finally:
                os.close(file)

    def remove(self) -> None:
        """Remove the file."""
        self._path.unlink(missing_ok=True)

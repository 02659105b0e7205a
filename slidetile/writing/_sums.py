"""The checksums of an unfinished store's files that have none of their own: raw chunks.

A later run keeps such a file only where it is, bit for bit, what was written: zeros that a crash or
a full disk has left are pixels, too.
"""

import os
import threading
from pathlib import Path

from slidetile.format.manifest import FileSum, sum_line, sums_in
from slidetile.runtime.files import read_regular

_LARGEST_BYTES = 1 << 26
"""A million files and more; what lies beyond is not known, and those files are made anew."""


class WrittenSums:
    """A file of lines, one for each file that was written, appended as soon as it was.

    A line that is cut short counts for nothing. Several threads may add lines.

    Parameters
    ----------
    path
        The file, which need not exist.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        try:
            self._known = sums_in(read_regular(path, _LARGEST_BYTES))
        except OSError:
            self._known = {}

    def knows(self, name: str, content: FileSum) -> bool:
        """Return whether a file was written with this content."""
        return self._known.get(name) == content

    def add(self, name: str, content: FileSum) -> None:
        """Record a file that was written.

        Raises
        ------
        OSError
            It cannot be recorded.
        """
        line = f"\n{sum_line(name, content)}".encode()  # begins anew where another was cut short
        with self._lock:
            file = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
            try:
                os.write(file, line)
            finally:
                os.close(file)

    def remove(self) -> None:
        """Remove the file."""
        self._path.unlink(missing_ok=True)

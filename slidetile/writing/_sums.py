"""The checksums of an unfinished store's files that have none of their own: raw chunks.

A later run keeps such a file only where it is, bit for bit, what was written: zeros that a crash or
a full disk has left are pixels, too.
"""

from slidetile.format.manifest import FileSum, sum_line, sums_in
from slidetile.writing.partial_store import Lines


class WrittenSums:
    """A file of lines, one for each file that was written, appended as soon as it was.

    Parameters
    ----------
    lines
        The file.
    """

    def __init__(self, lines: Lines) -> None:
        self._lines = lines
        self._known = sums_in(lines.whole_lines())

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
        self._lines.add(sum_line(name, content).rstrip("\n"))

"""An unfinished store, wherever it is built: on a disk, or in a bucket.

Knows what is asked of such a place. Does not know what a store holds: files have names, which are
paths below the store.
"""

from collections.abc import Iterable, Sequence
from typing import Protocol

from slidetile.cloud.address import Location


class Lines(Protocol):
    """Lines that are added one by one, and read by a later run."""

    def whole_lines(self) -> list[str]:
        """Return all that are there, without those that were cut short."""
        ...

    def add(self, line: str) -> None:
        """Add one; raises OSError where that fails."""
        ...


class PartialStore(Protocol):
    """A place that only this process may write, until it closes it; several of its threads may.

    Any method may raise StoreBusyError, where another process has taken over, and OSError.
    """

    in_flight: int
    """How many files are best written, or copied, at a time."""

    keeps_whole: bool
    """Whether a file that is there is what was written, whatever became of the machine."""

    @property
    def where(self) -> Location:
        """Where the files lie."""
        ...

    def close(self) -> None:
        """Let others write the store; an unfinished one stays for them to continue."""
        ...

    def check(self) -> None:
        """Check that this process may still write the store."""
        ...

    def is_begun(self) -> bool:
        """Return whether an earlier run has left files in it."""
        ...

    def is_finished(self) -> bool:
        """Return whether it is a whole store that has only to get its place."""
        ...

    def read(self, name: str, most_bytes: int) -> bytes:
        """Return the content of a file, or its first bytes; raises FileNotFoundError."""
        ...

    def expect(self, names: Iterable[str]) -> None:
        """Announce files that will be read about in this order, if they are there."""
        ...

    def write(self, name: str, parts: Sequence[bytes]) -> None:
        """Write a file, whole or not at all; ``parts`` follow each other in it."""
        ...

    def keep(self, name: str) -> None:
        """Make a file last that an earlier run has written."""
        ...

    def remove(self, name: str) -> None:
        """Remove a file, if it is there."""
        ...

    def lines(self, name: str, *, is_part: bool) -> Lines:
        """Return the lines of a name; ``is_part`` where other processes add some, too."""
        ...

    def remove_strays(self) -> None:
        """Remove what killed runs have left of files that were being written."""
        ...

    def discard(self) -> None:
        """Remove all files; the next `write` begins anew."""
        ...

    def finish(self) -> None:
        """Remove what only an unfinished store has, and give the others their final place."""
        ...

"""Read ranges of one file from many threads."""

import os
import stat
import weakref
from collections.abc import Sequence
from pathlib import Path

from slidetile.errors import SlideReadError
from slidetile.runtime.reads import joined_reads
from slidetile.slides.file_state import FileState, unreadable

Extent = tuple[bytes, int, int]
"""A block of the file in memory: the bytes that hold it, its start and its stop within them."""


_FLAGS = os.O_RDONLY | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NONBLOCK", 0)
"""A pipe that nobody writes would otherwise be waited for."""


class SlideFile:
    """One open file. Reads carry their own offset, so threads share it without a lock.

    Raises
    ------
    SlideReadError
        The file cannot be opened, or is not a regular one.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            descriptor = os.open(path, _FLAGS)
        except OSError as error:
            raise unreadable(path, error) from error
        self._descriptor = descriptor
        self._closer = weakref.finalize(self, os.close, descriptor)
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            self.close()
            raise SlideReadError(f"{path} is not a regular file, so it cannot be read as a slide.")
        self.state = FileState.of(descriptor)
        """Size and time stamp when it was opened."""
        self.size = self.state.size

    def close(self) -> None:
        """Close the file. Closing twice is allowed."""
        self._closer()

    def read(self, offset: int, count: int) -> bytes:
        """Return ``count`` bytes from ``offset``.

        Raises
        ------
        SlideReadError
            The file could not be read, ends before, or changed since it was opened.
        ValueError
            It is closed.
        """
        if not self._closer.alive:
            raise ValueError(f"{self.path} is closed: open the slide again to read from it.")
        try:
            data = os.pread(self._descriptor, count, offset)
            while len(data) < count:
                more = os.pread(self._descriptor, count - len(data), offset + len(data))
                if not more:
                    raise self._ended(offset + count)
                data += more
        except SlideReadError:
            raise
        except OSError as error:
            raise unreadable(self.path, error) from error
        self.state.check(self._descriptor, self.path)
        return data

    def read_extents(self, offsets: Sequence[int], counts: Sequence[int]) -> list[Extent]:
        """Read many ranges in few calls; return them in the order asked for."""
        extents: list[Extent] = [(b"", 0, 0)] * len(offsets)
        for read in joined_reads(offsets, counts):
            data = self.read(read.start, read.stop - read.start)
            for number in read.ranges:
                first = offsets[number] - read.start
                extents[number] = (data, first, first + counts[number])
        return extents

    def _ended(self, needed: int) -> SlideReadError:
        return SlideReadError(
            f"{self.path} ended before byte {needed} while it was read, though it had "
            f"{self.size} bytes when it was opened: copy the file again."
        )


def held_bytes(extents: Sequence[Extent]) -> int:
    """Return the memory extents hold; those of one read share it."""
    chunks = {id(data): len(data) for data, _, _ in extents}
    return sum(chunks.values())

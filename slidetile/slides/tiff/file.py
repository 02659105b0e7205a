"""Read ranges of one file from many threads."""

import os
import weakref
from collections.abc import Sequence
from pathlib import Path

from slidetile.errors import SlideReadError
from slidetile.runtime.reads import joined_reads

Extent = tuple[bytes, int, int]
"""A block of the file in memory: the bytes that hold it, its start and its stop within them."""


def is_tiff(head: bytes) -> bool:
    """Return whether a file begins as a TIFF or a BigTIFF does."""
    return len(head) >= 8 and head[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")


class SlideFile:
    """One open file. Reads carry their own offset, so threads share it without a lock.

    Raises
    ------
    SlideReadError
        The file cannot be opened.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0))
            self.size = os.fstat(descriptor).st_size
        except OSError as error:
            raise SlideReadError(f"{path} cannot be read: {error.strerror or error}.") from error
        self._descriptor = descriptor
        self._closer = weakref.finalize(self, os.close, descriptor)

    def close(self) -> None:
        """Close the file. Closing twice is allowed."""
        self._closer()

    def read(self, offset: int, count: int) -> bytes:
        """Return ``count`` bytes from ``offset``.

        Raises
        ------
        SlideReadError
            The file could not be read, or ends before.
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
        except OSError as error:
            if isinstance(error, SlideReadError):
                raise
            raise SlideReadError(f"{self.path} cannot be read: {error.strerror}.") from error
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

"""Read ranges of one file from many threads."""

import os
import weakref
from collections.abc import Iterator, Sequence
from pathlib import Path

from slidetile.errors import SlideReadError

Extent = tuple[bytes, int, int]
"""A block of the file in memory: the bytes that hold it, its start and its stop within them."""

_GAP_BYTES = 64 << 10
"""Reading this much for nothing costs less than another call, on network drives most of all."""

_RUN_BYTES = 8 << 20
"""Joined reads stay below this; only a block that is larger by itself exceeds it."""


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
        for run, start, stop in _runs(offsets, counts):
            data = self.read(start, stop - start)
            for index in run:
                first = offsets[index] - start
                extents[index] = (data, first, first + counts[index])
        return extents

    def _ended(self, needed: int) -> SlideReadError:
        return SlideReadError(
            f"{self.path} ended before byte {needed} while it was read, though it had "
            f"{self.size} bytes when it was opened: copy the file again."
        )


def held_bytes(extents: Sequence[Extent | None]) -> int:
    """Return the memory extents hold; those of one read share it."""
    chunks = {id(extent[0]): len(extent[0]) for extent in extents if extent is not None}
    return sum(chunks.values())


def _runs(offsets: Sequence[int], counts: Sequence[int]) -> Iterator[tuple[list[int], int, int]]:
    """Yield (indices, start, stop) of ranges that lie near enough to be read at once."""
    run: list[int] = []
    start = stop = 0
    for index in sorted(range(len(offsets)), key=offsets.__getitem__):
        first, last = offsets[index], offsets[index] + counts[index]
        if run and (first - stop > _GAP_BYTES or max(stop, last) - start > _RUN_BYTES):
            yield run, start, stop
            run = []
        if not run:
            start = stop = first
        run.append(index)
        stop = max(stop, last)
    if run:
        yield run, start, stop

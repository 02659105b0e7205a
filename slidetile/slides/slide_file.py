"""Read ranges of one file from many threads, wherever it lies."""

import os
import stat
import weakref
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from slidetile.cloud.address import Location
from slidetile.errors import SlideReadError
from slidetile.runtime.reads import Read, joined_reads
from slidetile.slides.file_state import AnyState, FileState, unreadable

Extent = tuple[bytes, int, int]
"""A block of the file in memory: the bytes that hold it, its start and its stop within them."""


Ranges = tuple[Sequence[int], Sequence[int]]
"""The offsets and the lengths of ranges of a file."""

_FLAGS = os.O_RDONLY | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NONBLOCK", 0)
"""A pipe that nobody writes would otherwise be waited for."""


class SlideFile(ABC):
    """One open file, which threads share; see `slidetile.slides.open_file`."""

    path: Location
    """Where it is."""

    state: AnyState
    """What it was when it was opened."""

    is_local = True
    """Whether it is on this machine, where a request costs little."""

    @property
    def size(self) -> int:
        """Its bytes when it was opened."""
        return self.state.size

    @abstractmethod
    def close(self) -> None:
        """Close the file. Closing twice is allowed."""

    @abstractmethod
    def read(self, offset: int, count: int) -> bytes:
        """Return ``count`` bytes from ``offset``.

        Raises
        ------
        SlideReadError
            The file could not be read, ends before, or changed since it was opened.
        ValueError
            It is closed.
        """

    def joined(self, offsets: Sequence[int], counts: Sequence[int]) -> Iterator[tuple[Read, bytes]]:
        """Yield the bytes of many ranges, neighbouring ones together, from the file's start on."""
        for read in joined_reads(offsets, counts):
            yield read, self.read(read.start, read.stop - read.start)

    def read_extents(self, offsets: Sequence[int], counts: Sequence[int]) -> list[Extent]:
        """Read many ranges in few calls; return them in the order asked for."""
        extents: list[Extent] = [(b"", 0, 0)] * len(offsets)
        for read, data in self.joined(offsets, counts):
            for number in read.ranges:
                first = offsets[number] - read.start
                extents[number] = (data, first, first + counts[number])
        return extents

    def expect(self, groups: Sequence[Ranges], *, is_kept: bool = False) -> None:
        """Announce ranges that will be read about in this order, once each.

        A disk has nothing of it; from afar they are fetched ahead, in few requests.

        Parameters
        ----------
        groups
            The (offsets, lengths) of ranges, of which those of a group are read close together.
        is_kept
            Whether they are read more than once.
        """
        del groups, is_kept

    def _closed(self) -> ValueError:
        return ValueError(f"{self.path} is closed: open the slide again to read from it.")


class LocalFile(SlideFile):
    """A file of this machine. Reads carry their own offset, so threads share it without a lock.

    Raises
    ------
    SlideReadError
        The file cannot be opened, or is not a regular one.
    """

    def __init__(self, path: Path) -> None:
        self.path: Path = path
        try:
            descriptor = os.open(path, _FLAGS)
        except OSError as error:
            raise unreadable(path, error) from error
        self._descriptor = descriptor
        self._closer = weakref.finalize(self, os.close, descriptor)
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            self.close()
            raise SlideReadError(f"{path} is not a regular file, so it cannot be read as a slide.")
        self.state: FileState = FileState.of(descriptor)

    def close(self) -> None:
        """Close the file. Closing twice is allowed."""
        self._closer()

    def read(self, offset: int, count: int) -> bytes:
        """Return bytes; see `SlideFile.read`."""
        if not self._closer.alive:
            raise self._closed()
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

    def _ended(self, needed: int) -> SlideReadError:
        return SlideReadError(
            f"{self.path} ended before byte {needed} while it was read, though it had "
            f"{self.size} bytes when it was opened: copy the file again."
        )


GROUP_BYTES = 24 << 20
"""Of regions that are read one after another, so much is fetched in requests of its own."""


class Places(NamedTuple):
    """Ranges of a file."""

    file: SlideFile
    offsets: Sequence[int]
    counts: Sequence[int]


def expect_all(
    places: Iterable[Places], *, is_kept: bool = False, group_bytes: int | None = None
) -> None:
    """Announce ranges of several files; see `SlideFile.expect`.

    Parameters
    ----------
    places
        Where they lie, in the order in which they are read.
    is_kept
        Whether they are read more than once.
    group_bytes
        How much of a file is read close together; None is all.
    """
    found: dict[SlideFile, list[tuple[list[int], list[int]]]] = {}
    for file, offsets, counts in places:
        if file.is_local:
            continue
        groups = found.setdefault(file, [([], [])])
        if group_bytes is not None and sum(groups[-1][1]) >= group_bytes:
            groups.append(([], []))
        groups[-1][0].extend(offsets)
        groups[-1][1].extend(counts)
    for file, groups in found.items():
        file.expect(groups, is_kept=is_kept)


def held_bytes(extents: Sequence[Extent]) -> int:
    """Return the memory extents hold; those of one read share it."""
    chunks = {id(data): len(data) for data, _, _ in extents}
    return sum(chunks.values())

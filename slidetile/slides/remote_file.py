"""A slide's file in object storage, read by ranges."""

import io
from collections.abc import Iterator, Sequence

from slidetile.cloud.address import Address
from slidetile.cloud.errors import ObjectChangedError
from slidetile.cloud.objects import ObjectState
from slidetile.cloud.ranged import RangedObject, ranged
from slidetile.errors import SlideReadError
from slidetile.runtime.reads import Read
from slidetile.slides.file_state import RemoteState, replaced, unreadable
from slidetile.slides.slide_file import Ranges, SlideFile


class RemoteFile(SlideFile):
    """An object, read by ranges; what is read is of the very object that was opened.

    Parameters
    ----------
    address
        The object.
    state
        What it is known to be; None asks for it.
    head_bytes
        How much of it is read at once, together with its state; None is a little.

    Raises
    ------
    SlideReadError
        It cannot be read.
    """

    is_local = False

    def __init__(
        self, address: Address, *, state: RemoteState | None = None, head_bytes: int | None = None
    ) -> None:
        self.path: Address = address
        known = None if state is None else state.known
        try:
            self._object: RangedObject | None = _ranged(address, known, head_bytes)
        except OSError as error:
            raise _failure(address, error) from error
        except (ValueError, RuntimeError) as error:  # of options, and of a fork: whole sentences
            raise SlideReadError(str(error)) from error
        self.state: RemoteState = state or RemoteState(self._object.state)

    def close(self) -> None:
        """Let go of the object. Closing twice is allowed."""
        found, self._object = self._object, None
        if found is not None:
            found.leave()

    def read(self, offset: int, count: int) -> bytes:
        """Return bytes; see `SlideFile.read`."""
        found = self._opened()
        self._check_end(offset + count)
        if count <= 0:
            return b""
        try:
            return found.read(offset, offset + count)
        except OSError as error:
            raise _failure(self.path, error) from error

    def joined(self, offsets: Sequence[int], counts: Sequence[int]) -> Iterator[tuple[Read, bytes]]:
        """Yield the bytes of many ranges; several requests are in flight."""
        found = self._opened()
        if not len(offsets):
            return
        self._check_end(max(a + n for a, n in zip(offsets, counts, strict=True)))
        try:
            cuts = found.cuts(offsets, counts)
        except OSError as error:
            raise _failure(self.path, error) from error
        together: dict[int, list[int]] = {}
        for number in sorted(range(len(cuts)), key=offsets.__getitem__):
            together.setdefault(id(cuts[number]), []).append(number)
        for numbers in together.values():
            data, start = cuts[numbers[0]]
            yield Read(tuple(numbers), start, start + len(data)), data

    def expect(self, groups: Sequence[Ranges], *, is_kept: bool = False) -> None:
        """Announce ranges; see `SlideFile.expect`."""
        self._opened().expect(groups, is_kept=is_kept)

    def _opened(self) -> RangedObject:
        if self._object is None:
            raise self._closed()
        return self._object

    def _check_end(self, needed: int) -> None:
        if needed > self.size:
            raise SlideReadError(
                f"{self.path} has {self.size} bytes, and byte {needed} of it was to be read: it "
                "is damaged or was cut short, upload it again."
            )


class FileStream(io.RawIOBase):
    """A file as what libraries read from. What could not be read is noted, lest they go on."""

    def __init__(self, file: SlideFile) -> None:
        self._file, self._at = file, 0
        self.name = file.path.name
        self.failure: SlideReadError | None = None
        """The first error of reading."""

    def readable(self) -> bool:
        """Return True."""
        return True

    def seekable(self) -> bool:
        """Return True."""
        return True

    def seek(self, offset: int, whence: int = 0, /) -> int:
        """Go to a place, and return it."""
        self._at = max(0, offset + (0, self._at, self._file.size)[whence])
        return self._at

    def tell(self) -> int:
        """Return the place of the next byte."""
        return self._at

    def readinto(self, buffer: "bytearray | memoryview", /) -> int:  # type: ignore[override]
        """Read the next bytes into a buffer, as many as fit and are there."""
        data = self.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def read(self, size: int = -1, /) -> bytes:
        """Return the next bytes, as many as are there."""
        left = max(0, self._file.size - self._at)
        count = left if size is None or size < 0 else min(size, left)
        try:
            data = self._file.read(self._at, count) if count else b""
        except SlideReadError as error:
            self.failure = self.failure or error
            raise
        self._at += len(data)
        return data


def _ranged(address: Address, state: ObjectState | None, head_bytes: int | None) -> RangedObject:
    if head_bytes is None:
        return ranged(address, state=state)
    return ranged(address, state=state, head_bytes=head_bytes)


def _failure(address: Address, error: OSError) -> SlideReadError:
    if isinstance(error, ObjectChangedError):
        return replaced(address)
    return unreadable(address, error)

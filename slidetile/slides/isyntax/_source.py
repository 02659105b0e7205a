"""A slide's file as an object that a library reads, which notes what could not be read.

libisyntax decodes whatever its memory holds where bytes are missing, and says nothing.
"""

import io
import os
from typing import TYPE_CHECKING

from slidetile.errors import SlideReadError
from slidetile.slides.slide_file import SlideFile

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer


class NotingSource(io.RawIOBase):
    """An open file that raises nothing: the library calls it from C, where an error would be lost.

    Parameters
    ----------
    file
        The file, which is not closed with this object.
    """

    def __init__(self, file: SlideFile) -> None:
        self._file = file
        self._at = 0
        self.failure: SlideReadError | None = None
        """What could not be read, if anything."""
        self.is_whole = False
        """Whether bytes beyond the end are a failure; the library reads the header until there."""

    def readable(self) -> bool:
        """Return that it can be read."""
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Go to an offset from the start, where the next read begins."""
        del whence  # the library counts from the start
        self._at = offset
        return offset

    def readinto(self, buffer: "WriteableBuffer") -> int:
        """Fill a buffer with what follows, as far as there is anything; the rest is zeros."""
        view = memoryview(buffer).cast("B")
        data = self._read(len(view))
        view[: len(data)] = data
        view[len(data) :] = bytes(len(view) - len(data))
        self._at += len(data)
        return len(data)

    def _read(self, count: int) -> bytes:
        inside = min(count, max(0, self._file.size - self._at)) if self._at >= 0 else 0
        if inside < count and self.is_whole:
            self.failure = self.failure or SlideReadError(
                f"{self._file.path} is cut short, or damaged: a tile of it would end at byte "
                f"{self._at + count}, and it has {self._file.size}. Copy it again."
            )
        try:
            return self._file.read(self._at, inside) if inside else b""
        except SlideReadError as error:
            self.failure = self.failure or error
            return b""

"""A file as what pydicom reads from: no more than it has, and no more than a header takes."""

from slidetile.errors import SlideReadError
from slidetile.slides.slide_file import SlideFile

_BUFFER_BYTES = 1 << 16
_LIMIT_BYTES = 1 << 26
"""Most that is read of a header, colour profile and all. What is passed over does not count, nor
what `HeaderStream.allow` adds."""


class HeaderStream:
    """A file that is read from its beginning.

    A length that the file claims takes no memory beyond what the file has.

    Parameters
    ----------
    file
        The file.
    """

    def __init__(self, file: SlideFile) -> None:
        self._file = file
        self._at = 0
        self._left = _LIMIT_BYTES
        self._data, self._start = b"", 0

    def read(self, count: int = -1) -> bytes:
        """Return so many bytes, fewer at the file's end.

        Raises
        ------
        SlideReadError
            The file could not be read, or its header is longer than the limit.
        """
        left = max(0, self._file.size - self._at)
        count = left if count < 0 else min(count, left)
        self._left -= count
        if self._left < 0:
            raise SlideReadError(
                f"its header is longer than the limit of {_LIMIT_BYTES >> 20} MiB, the places of "
                "frames not counted: export it without what is long in it, such as private elements"
            )
        first = self._at - self._start
        if first < 0 or first + count > len(self._data):
            size = min(left, max(count, _BUFFER_BYTES))
            self._data, self._start, first = self._file.read(self._at, size), self._at, 0
        self._at += count
        return self._data[first : first + count]

    def allow(self, count: int) -> None:
        """Add so many bytes to the most that is read: the number of frames bounds these."""
        self._left += count

    def seek(self, offset: int, whence: int = 0) -> int:
        """Go to a place, and return it."""
        self._at = max(0, offset + (0, self._at, self._file.size)[whence])
        return self._at

    def tell(self) -> int:
        """Return the place of the next byte."""
        return self._at

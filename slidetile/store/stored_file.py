"""A file of a store that is open: on this machine, or an object in a bucket."""

import io
import os
from typing import BinaryIO, Protocol

from slidetile.errors import StoreError

DENSE_BYTES = 1 << 20
"""Length of a file that may take no blocks on the disk, as short files do on some file systems."""


class StoredFile(Protocol):
    """Bytes of a known number, of which any part is read; every read may raise OSError."""

    @property
    def size(self) -> int:
        """Its bytes."""
        ...

    def read(self, offset: int, count: int) -> bytes:
        """Return bytes from an offset on, fewer where the file ends."""
        ...

    def tail(self, count: int) -> bytes:
        """Return the last bytes."""
        ...

    def stream(self) -> BinaryIO:
        """Return it as a stream that is to be closed in its stead.

        Raises
        ------
        StoreError
            Its length is not to be believed.
        """
        ...

    def close(self) -> None:
        """Let go of it."""
        ...


class LocalFile:
    """A file of this machine.

    Parameters
    ----------
    descriptor
        Its descriptor, which is closed with it.
    """

    __slots__ = ("descriptor",)

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor

    @property
    def size(self) -> int:
        """Its bytes."""
        return os.fstat(self.descriptor).st_size

    def read(self, offset: int, count: int) -> bytes:
        """Return bytes from an offset on, fewer where the file ends."""
        return os.pread(self.descriptor, count, offset)

    def tail(self, count: int) -> bytes:
        """Return the last bytes."""
        return os.pread(self.descriptor, count, max(0, self.size - count))

    def stream(self) -> BinaryIO:
        """Return it as a stream; a sparse file's length is not believed."""
        stream = os.fdopen(self.descriptor, "rb")
        found = os.fstat(self.descriptor)
        if found.st_size > DENSE_BYTES + 4 * 512 * found.st_blocks:
            stream.close()
            raise StoreError(
                f"it has {found.st_size} bytes, of which {512 * found.st_blocks} are stored"
            )
        return stream

    def close(self) -> None:
        """Let go of it."""
        os.close(self.descriptor)


class ReadFile:
    """A file that was read as a whole.

    Parameters
    ----------
    data
        Its content.
    """

    __slots__ = ("_data",)

    def __init__(self, data: bytes) -> None:
        self._data = data

    @property
    def size(self) -> int:
        """Its bytes."""
        return len(self._data)

    def read(self, offset: int, count: int) -> bytes:
        """Return bytes from an offset on, fewer where it ends."""
        return self._data[offset : offset + count]

    def tail(self, count: int) -> bytes:
        """Return the last bytes."""
        return self._data[max(0, len(self._data) - count) :]

    def stream(self) -> BinaryIO:
        """Return it as a stream."""
        return io.BytesIO(self._data)

    def close(self) -> None:
        """Nothing is open."""

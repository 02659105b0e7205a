"""A store's folder on this machine."""

import os
from pathlib import Path
from typing import Self

from slidetile.errors import StoreError
from slidetile.format.metadata.node import LARGEST_JSON_BYTES
from slidetile.format.names import MANIFEST, ROOT
from slidetile.runtime.files import open_regular, read_opened, read_regular
from slidetile.store.folder import LAST_LINE_BYTES, StoreFolder, identity_of
from slidetile.store.stored_file import LocalFile

_Witness = tuple[int, int, int]
"""Device, inode and time of change of a folder: while they stay, nothing took its place."""


class LocalFolder(StoreFolder):
    """A folder, whose files are opened only while it holds the store that was opened.

    A store is known by its root metadata and its manifest. They are read again only where the
    folder has another inode or time of change, so that a file that is opened takes one call more.
    An equal store in its place is the same store. Picklable: in another process it is that store,
    or an error.

    Parameters
    ----------
    path
        The folder.
    identity
        What a store was known by when it was opened; None to open the one that is there.

    Raises
    ------
    StoreError
        The folder does not exist, or holds another store than the one known.
    """

    path: Path

    def __init__(self, path: Path, identity: bytes | None = None) -> None:
        self.path = path
        self._absolute = os.path.abspath(path)  # noqa: PTH100  links stay; it outlives a chdir
        witness = self._look()
        self.identity = identity or self._identify()
        self._witness = witness if identity is None else None
        self.check()

    @property
    def absolute(self) -> Path:
        """The folder, wherever the process is."""
        return Path(self._absolute)

    def __reduce__(self) -> tuple[type[Self], tuple[Path, bytes]]:
        return type(self), (self.absolute, self.identity)

    def open(self, name: str) -> LocalFile:
        """Open a file of the store."""
        return LocalFile(self._descriptor(name))

    def read(self, name: str, most_bytes: int) -> bytes:
        """Return the content of a file, or its first bytes where it has more."""
        try:
            return read_opened(self._descriptor(name), most_bytes)
        except OSError as error:
            raise self.unread(name, error) from error

    def _descriptor(self, name: str) -> int:
        try:
            file = open_regular(f"{self._absolute}/{name}")
        except OSError:
            self.check()  # which is the better reason
            raise
        try:
            self.check()  # after the file is open: a store put there in between is not missed
        except BaseException:
            os.close(file)
            raise
        return file

    def check(self) -> None:
        """Make sure that the folder still holds the store that was opened."""
        witness = self._look()
        if witness == self._witness:
            return
        if self._identify() != self.identity:
            raise self.replaced()
        self._witness = witness

    def _look(self) -> _Witness:
        try:
            found = os.stat(self._absolute)  # noqa: PTH116  once for each file that is opened
        except (FileNotFoundError, NotADirectoryError) as error:
            raise self.gone() from error
        except OSError as error:
            raise StoreError(f"{self.path} could not be read: {error.strerror}.") from error
        return found.st_dev, found.st_ino, found.st_ctime_ns

    def _identify(self) -> bytes:
        """Return a digest of the root metadata and of the manifest's last line."""
        return identity_of(self._content(ROOT), self._last_line())

    def _content(self, name: str) -> bytes | None:
        try:
            return read_regular(f"{self._absolute}/{name}", LARGEST_JSON_BYTES + 1)
        except OSError:
            return None

    def _last_line(self) -> bytes | None:
        try:
            with os.fdopen(open_regular(f"{self._absolute}/{MANIFEST}"), "rb") as file:
                file.seek(max(0, file.seek(0, os.SEEK_END) - LAST_LINE_BYTES))
                return file.read(LAST_LINE_BYTES)
        except OSError:
            return None

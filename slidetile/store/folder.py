"""Where the files of a store lie, bound to the store that lay there when it was opened."""

import hashlib
from abc import ABC, abstractmethod

from slidetile.cloud.address import Location
from slidetile.errors import StoreError
from slidetile.format.metadata.node import LARGEST_JSON_BYTES
from slidetile.store.stored_file import StoredFile

LAST_LINE_BYTES = 256
"""More than the manifest's last line has: a checksum of the lines above, which list every file."""


class StoreFolder(ABC):
    """The files of a store: a folder of this machine, or what lies below an address.

    A store is known by its root metadata and its manifest. An equal store in its place is the same
    store. Picklable: in another process it is that store, or an error.
    """

    path: Location
    """Where it is, as it was named."""

    identity: bytes
    """What the store is known by."""

    is_remote = False
    """Whether each read is a request to a server."""

    @property
    @abstractmethod
    def absolute(self) -> Location:
        """Where it is, wherever the process is."""

    @abstractmethod
    def open(self, name: str) -> StoredFile:
        """Open a file of the store.

        Raises
        ------
        FileNotFoundError
            The store does not have it.
        OSError
            It cannot be opened, or is not a regular file.
        StoreError
            The store was replaced or deleted.
        """

    @abstractmethod
    def read(self, name: str, most_bytes: int) -> bytes:
        """Return the content of a file, or its first bytes where it has more.

        Raises
        ------
        StoreError
            It cannot be read, or the store was replaced or deleted.
        """

    @abstractmethod
    def check(self) -> None:
        """Make sure that the store that was opened is still there.

        Raises
        ------
        StoreError
            It was replaced or deleted.
        """

    def listed_bytes(self, name: str) -> int | None:  # noqa: ARG002
        """Return the length of a file, if that takes no call; None otherwise."""
        return None

    def read_json(self, name: str) -> bytes:
        """Return a ``zarr.json``, or as much of it as shows that it is too large.

        Raises
        ------
        StoreError
            As in `read`.
        """
        return self.read(name, LARGEST_JSON_BYTES + 1)

    def unread(self, name: str, error: OSError) -> StoreError:
        """Return the error that a file could not be read."""
        return StoreError(f"{self.path / name} could not be read: {error.strerror or error}.")

    def replaced(self) -> StoreError:
        """Return the error that another store is there."""
        return StoreError(
            f"{self.path} was replaced or changed since it was opened: open it again to read what "
            "is there now."
        )

    def gone(self) -> StoreError:
        """Return the error that nothing is there any more."""
        return StoreError(
            f"{self.path} was deleted or moved since it was opened: open it again where it is now."
        )


def identity_of(root: bytes | None, last_line: bytes | None) -> bytes:
    """Return a digest of the root metadata and of the manifest's last line."""
    known = hashlib.sha256()
    for data in (root, last_line):
        known.update(b"none" if data is None else b"some%d:" % len(data) + data)
    return known.digest()

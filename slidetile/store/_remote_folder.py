"""The objects of a store in a bucket."""

import math
import threading
import time
from collections.abc import Callable, Collection
from typing import BinaryIO, Self

from slidetile.cloud.address import Address
from slidetile.cloud.errors import ObjectChangedError
from slidetile.cloud.objects import (
    ObjectState,
    in_parallel,
    object_state,
    read_range,
    read_tail,
)
from slidetile.errors import IncompleteStoreError, StoreError
from slidetile.format.names import ROOT, TABLE
from slidetile.format.shard import LARGEST_SHARD_BYTES
from slidetile.store.folder import StoreFolder
from slidetile.store.in_bucket import StoreObjects, find_store
from slidetile.store.stored_file import ReadFile

CHECK_S = 2.0
"""Seconds for which the root is taken to be what it was, where nothing is read of the store."""

_Read = Callable[[Address, ObjectState | None], tuple[bytes, ObjectState]]


class RemoteFolder(StoreFolder):
    """The objects of a store, each of which is read only while it is the one that was listed.

    All states are of one moment at which the root was there, so that parts of two stores are never
    taken for one, and what is absent is known without a request. Where objects cannot be listed
    their names are those of the manifest, and the first read of each tells its state; one that is
    younger than the root, or may be, has the root looked at once more. Safe for several threads.

    Parameters
    ----------
    path
        What the store lies below.

    Raises
    ------
    IncompleteStoreError
        The store there is not finished.
    StoreError
        There is none.
    """

    is_remote = True

    path: Address

    def __init__(self, path: Address) -> None:
        self.path = path
        self._lock = threading.Lock()
        self._found: StoreObjects | None = find_store(path)
        self._checked_s = time.monotonic()
        self._kept: dict[str, bytes] = {ROOT: self._found.root}
        self.identity = self._found.identity
        self._fetch_ahead()

    @classmethod
    def _known(cls, path: Address, identity: bytes, kept: dict[str, bytes]) -> Self:
        """Return a store that another process had open; for pickle.

        That takes no request: a process that may make none, such as a fork, is told so where it
        first reads, and not while it unpickles, which those of a `multiprocessing.Pool` would
        wait for without end.
        """
        folder = cls.__new__(cls)
        folder.path, folder.identity = path, identity
        folder._lock, folder._found = threading.Lock(), None  # noqa: SLF001  of this very class
        folder._checked_s, folder._kept = -math.inf, kept  # noqa: SLF001
        return folder

    @property
    def _objects(self) -> StoreObjects:
        """What lies there; looked at when it is first needed."""
        found = self._found
        return self._looked_again(None) if found is None else found

    @property
    def absolute(self) -> Address:
        """Its address."""
        return self.path

    @property
    def names(self) -> Collection[str]:
        """The names of its objects."""
        return self._objects.states.keys()

    def __reduce__(
        self,
    ) -> tuple[Callable[..., Self], tuple[Address, bytes, dict[str, bytes]]]:
        metadata = {name: data for name, data in self._kept.items() if name.endswith(ROOT)}
        return self._known, (self.path, self.identity, metadata)

    def open(self, name: str) -> "RemoteFile":
        """Open an object; that takes no request."""
        if name not in self._objects.states:
            raise FileNotFoundError(f"{self.path / name} does not exist")
        return RemoteFile(self, name)

    def read(self, name: str, most_bytes: int) -> bytes:
        """Return the content of an object, or its first bytes where it has more."""
        if (kept := self._kept.get(name)) is not None:
            return kept[:most_bytes]
        try:
            return self.open(name).read(0, most_bytes)
        except OSError as error:
            raise self.unread(name, error) from error

    def check(self) -> None:
        """Make sure that the store that was opened is still there, unless that was just done."""
        if time.monotonic() - self._checked_s > CHECK_S:
            self._look_at_root(self._objects)

    def listed_bytes(self, name: str) -> int | None:
        """Return the length of an object, if it is known already."""
        return self._objects.length(name)

    def kept(self, name: str) -> bytes | None:
        """Return the content of an object that was read beforehand; None of all others."""
        return self._kept.get(name)

    def size(self, name: str) -> int:
        """Return the length of an object."""
        state = self._objects.states[name]
        if state is None:
            self.fetch(name, lambda address, _: (b"", object_state(address)))
            state = self._objects.states[name]
        assert state is not None, "it was just bound"
        return state.size

    def fetch(self, name: str, read: _Read) -> bytes:
        """Return what a read of an object gives, which is the one that was listed.

        Raises
        ------
        StoreError
            The store was replaced or deleted.
        OSError
            It cannot be read.
        """
        objects = self._objects
        try:
            return self._bound(objects, name, read)
        except (FileNotFoundError, ObjectChangedError):
            found = self._looked_again(objects)
            if name not in found.states:
                raise FileNotFoundError(f"{self.path / name} does not exist") from None
            if found.is_as_it_was(objects) and found.states[name] != objects.states[name]:
                raise self.replaced() from None  # this object alone: its root is the same
            return self._bound(found, name, read)

    def _bound(self, objects: StoreObjects, name: str, read: _Read) -> bytes:
        known = objects.states[name]
        data, state = read(objects.home / name, known)
        if known is None:
            if state.modified >= objects.root_state.modified:
                self._look_at_root(objects)
            objects.states[name] = state
        return data

    def _look_at_root(self, objects: StoreObjects) -> None:
        """Make sure that the root is the one that was opened."""
        try:
            is_same = object_state(objects.home / ROOT).is_same(objects.root_state)
        except FileNotFoundError:
            is_same = False
        except OSError as error:
            raise self.unread(ROOT, error) from error
        if not is_same:
            self._looked_again(objects)
        self._checked_s = time.monotonic()

    def _looked_again(self, objects: StoreObjects | None) -> StoreObjects:
        """Return the objects of the store, if it is still there though some are others."""
        with self._lock:
            if self._found is not None and self._found is not objects:
                return self._found  # another thread has looked
            try:
                found = find_store(self.path)
            except IncompleteStoreError as error:
                raise self.replaced() from error
            except StoreError as error:
                if "does not exist" in str(error):
                    raise self.gone() from error
                raise
            if found.identity != self.identity:
                raise self.replaced()
            self._found = found
            return found

    def _fetch_ahead(self) -> None:
        """Read what each opening of a store reads, all at once."""
        objects = self._objects
        names = [name for name in objects.states if name != ROOT and _is_read_first(name)]
        wanted = [name for name in names if self._is_small(name)]
        for name, data in zip(wanted, in_parallel(self._tried, wanted), strict=True):
            if data is not None:
                self._kept[name] = data

    def _is_small(self, name: str) -> bool:
        state = self._objects.states[name]
        return state is None or state.size <= _MOST_KEPT_BYTES

    def _tried(self, name: str) -> bytes | None:
        """Return the content of an object; None where it cannot be read, which is told later."""
        try:
            return self.open(name).read(0, _MOST_KEPT_BYTES)
        except (OSError, StoreError):
            return None


_MOST_KEPT_BYTES = 1 << 22


def _is_read_first(name: str) -> bool:
    parts = name.split("/")
    return name == TABLE or (len(parts) == 2 and parts[0].isdecimal() and parts[1] == ROOT)


class RemoteFile:
    """An object of a store.

    Parameters
    ----------
    folder
        Its store.
    name
        Its name there.
    """

    __slots__ = ("_folder", "_name")

    def __init__(self, folder: RemoteFolder, name: str) -> None:
        self._folder, self._name = folder, name

    @property
    def size(self) -> int:
        """Its bytes."""
        return self._folder.size(self._name)

    def read(self, offset: int, count: int) -> bytes:
        """Return bytes from an offset on, fewer where it ends."""
        if not count:
            return b""
        return self._folder.fetch(
            self._name, lambda address, state: read_range(address, offset, offset + count, state)
        )

    def tail(self, count: int) -> bytes:
        """Return the last bytes."""

        def read(address: Address, state: ObjectState | None) -> tuple[bytes, ObjectState]:
            if state is None:
                return read_tail(address, count)
            return read_range(address, max(0, state.size - count), state.size, state)

        return self._folder.fetch(self._name, read)

    def stream(self) -> BinaryIO:
        """Return its content, which is in memory."""
        kept = self._folder.kept(self._name)
        return ReadFile(self.read(0, LARGEST_SHARD_BYTES) if kept is None else kept).stream()

    def close(self) -> None:
        """Nothing is open."""

"""A store as zarr-python reads it, which would take every absent chunk for background."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from pathlib import Path
from typing import Any, Self

import zarr
from zarr.abc.store import (
    ByteRequest,
    OffsetByteRequest,
    RangeByteRequest,
    Store,
    SuffixByteRequest,
)
from zarr.core.buffer import Buffer, BufferPrototype
from zarr.storage import LocalStore

from slidetile.errors import StoreError
from slidetile.store._remote_folder import RemoteFolder
from slidetile.store.folder import StoreFolder

CheckKey = Callable[[str], None]
"""Raises StoreError for a key of which something is missing."""


def open_group(folder: StoreFolder, check: CheckKey) -> zarr.Group:
    """Return the group in a folder, each key of which is checked as it is read."""
    store: Store
    if isinstance(folder, RemoteFolder):
        store = _RemoteStore(folder, check)
    else:
        assert isinstance(folder.absolute, Path), "all others are local"
        store = _CheckedStore(folder.absolute, read_only=True, check=check)
    return zarr.open_group(store, mode="r")


class _CheckedStore(LocalStore):
    """Files that are read only when they have been checked."""

    def __init__(self, root: Path, *, read_only: bool = True, check: CheckKey) -> None:
        super().__init__(root, read_only=read_only)
        self._check = check

    def with_read_only(self, read_only: bool = True) -> Self:  # noqa: FBT001, FBT002  as zarr has it
        return type(self)(self.root, read_only=read_only, check=self._check)

    async def get(self, key: str, *arguments: Any, **options: Any) -> Any:
        self._check(key)
        found = await super().get(key, *arguments, **options)
        if found is None:
            self._check(key)  # once more: it may just have been deleted
        return found

    def get_sync(self, key: str, *arguments: Any, **options: Any) -> Any:
        self._check(key)
        found = super().get_sync(key, *arguments, **options)
        if found is None:
            self._check(key)
        return found


class _RemoteStore(Store):
    """Objects that are read only while they are those of the store that was opened.

    zarr's own ObjectStore takes whatever object has the name, and knows no other reason for one
    that it does not get than that there is none.
    """

    supports_writes = supports_deletes = supports_partial_writes = False
    supports_listing = True

    def __init__(self, folder: RemoteFolder, check: CheckKey) -> None:
        super().__init__(read_only=True)
        self._folder, self._check = folder, check

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _RemoteStore) and self._folder is other._folder

    __hash__ = None  # type: ignore[assignment]

    def __str__(self) -> str:
        return str(self._folder.path)

    def with_read_only(self, read_only: bool = True) -> Self:  # noqa: FBT001, FBT002  as zarr has it
        if not read_only:
            raise StoreError(f"{self._folder.path} is only read.")
        return self

    async def get(
        self, key: str, prototype: BufferPrototype, byte_range: ByteRequest | None = None
    ) -> Buffer | None:
        data = await asyncio.to_thread(self._read, key, byte_range)
        return None if data is None else prototype.buffer.from_bytes(data)

    async def get_partial_values(
        self, prototype: BufferPrototype, key_ranges: Iterable[tuple[str, ByteRequest | None]]
    ) -> list[Buffer | None]:
        return await asyncio.gather(*(self.get(key, prototype, at) for key, at in key_ranges))

    def _read(self, key: str, part: ByteRequest | None) -> bytes | None:
        self._check(key)
        try:
            file = self._folder.open(key)
        except FileNotFoundError:
            return None
        try:
            match part:
                case RangeByteRequest():
                    return file.read(part.start, part.end - part.start)
                case OffsetByteRequest():
                    return file.read(part.offset, max(0, file.size - part.offset))
                case SuffixByteRequest():
                    return file.tail(part.suffix)
            return file.read(0, file.size)
        except OSError as error:
            raise self._folder.unread(key, error) from error

    async def exists(self, key: str) -> bool:
        return key in self._folder.names

    async def set(self, key: str, value: Buffer) -> None:  # noqa: ARG002
        raise StoreError(f"{self._folder.path} is only read.")

    async def delete(self, key: str) -> None:  # noqa: ARG002
        raise StoreError(f"{self._folder.path} is only read.")

    async def list(self) -> AsyncIterator[str]:
        for name in self._folder.names:
            yield name

    async def list_prefix(self, prefix: str) -> AsyncIterator[str]:
        for name in self._folder.names:
            if name.startswith(prefix):
                yield name

    async def list_dir(self, prefix: str) -> AsyncIterator[str]:
        begins = f"{prefix.rstrip('/')}/" if prefix else ""
        below = (name for name in self._folder.names if name.startswith(begins))
        for name in dict.fromkeys(each[len(begins) :].partition("/")[0] for each in below):
            yield name

"""A store as zarr-python reads it, which would take every absent chunk for background."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

import zarr
from zarr.storage import LocalStore

CheckKey = Callable[[str], None]
"""Raises StoreError for a key of which something is missing."""


def open_group(folder: Path, check: CheckKey) -> zarr.Group:
    """Return the group in a folder, each key of which is checked as it is read."""
    return zarr.open_group(_CheckedStore(folder, read_only=True, check=check), mode="r")


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

"""Where the tile tables of a folder's finished stores lie, for Arrow: on a disk, or in a bucket.

Knows which stores are finished. Does not know what is in their tables.
"""

import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from slidetile.cloud.address import Address, Location
from slidetile.cloud.objects import (
    ObjectState,
    entries_in,
    in_parallel,
    object_state,
    read_range,
)
from slidetile.cohort.layout import LOGS_NAME, TABLE_NAME
from slidetile.errors import CohortError, StoreError, explain
from slidetile.format.names import STORE_SUFFIX, TABLE, is_passing
from slidetile.store.in_bucket import StoreObjects, find_store
from slidetile.store.location import stores_in

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.fs as pafs


FOOTER_BYTES = 64 << 10
"""The end of a table in a bucket, which mostly names all its columns."""


class TileTables(Protocol):
    """The tile tables of a folder's finished stores."""

    @property
    def paths(self) -> Sequence[tuple[str, str]]:
        """The key of each store, in their order, and where its table is by the file system."""
        ...

    def file_system(self) -> "pafs.FileSystem":
        """Return what Arrow reads them from."""
        ...

    def schemas(self) -> Iterable["pa.Schema"]:
        """Return the columns of each, of which no more than the end is read."""
        ...


def tile_tables(folder: Location) -> TileTables:
    """Return the tile tables of a folder's finished stores.

    Raises
    ------
    CohortError
        The bucket does not list them, or a store there cannot be read.
    OSError
        The folder cannot be read.
    """
    return TablesInBucket(folder) if isinstance(folder, Address) else TablesOnDisk(folder)


def table_schema(tables: TileTables) -> "pa.Schema":
    """Return the columns that any of the tables has: those of the first, then those of others.

    Tables differ: not every slide has each class, and qualities can be left out.
    """
    import pyarrow as pa

    return pa.unify_schemas(tables.schemas(), promote_options="permissive").remove_metadata()


class TablesOnDisk:
    """Those of a folder of this machine."""

    def __init__(self, folder: Path) -> None:
        stores = sorted(path for path in stores_in(folder) if _is_whole(path))
        self.paths = [
            (_key(store), os.path.abspath(store / TABLE))  # noqa: PTH100  links stay
            for store in stores
        ]

    def file_system(self) -> "pafs.FileSystem":
        """Return the files of this machine."""
        from pyarrow.fs import LocalFileSystem

        return LocalFileSystem()

    def schemas(self) -> Iterator["pa.Schema"]:
        """Return the columns of each table."""
        import pyarrow.parquet as pq

        return (pq.read_schema(path) for _, path in self.paths)


def _is_whole(store: Path) -> bool:
    """Return whether a store is finished, and not about to replace another or be replaced."""
    return not is_passing(store) and (store / TABLE).is_file()


class TablesInBucket:
    """Those below an address, of which each is read only while it is the object that was found."""

    def __init__(self, prefix: Address) -> None:
        try:
            folders, _ = entries_in(prefix)
        except OSError as error:
            raise CohortError(f"{prefix} cannot be listed: {explain(error)}.") from error
        passed_over = (TABLE_NAME, LOGS_NAME)
        stores = [each for each in folders if each.name not in passed_over and not is_passing(each)]
        both = zip(stores, in_parallel(_found, stores), strict=True)
        found = [(store, objects) for store, objects in both if objects is not None]
        self._tables = {
            str(store / TABLE): (objects.home / TABLE, objects.states[TABLE])
            for store, objects in found
            if TABLE in objects.states
        }
        names = ((_key(store), str(store / TABLE)) for store, _ in found)
        self.paths = [(key, path) for key, path in names if path in self._tables]

    def file_system(self) -> "pafs.FileSystem":
        """Return what reads the tables by slidetile's own requests, one for each."""
        from slidetile.cohort.arrow_objects import object_file_system

        return object_file_system(self._tables)

    def schemas(self) -> list["pa.Schema"]:
        """Return the columns of each table."""
        return in_parallel(_schema, [self._tables[path] for _, path in self.paths])


def _schema(table: tuple[Address, ObjectState | None]) -> "pa.Schema":
    """Return the columns of a table in a bucket, from its end, or from all of it."""
    address, state = table
    try:
        state = state or object_state(address)
        for start in (max(0, state.size - FOOTER_BYTES), 0):
            end, _ = read_range(address, start, state.size, state)
            schema = _parsed(end)
            if schema is not None:
                return schema
    except OSError as error:
        raise CohortError(f"{address} cannot be read: {explain(error)}.") from error
    raise CohortError(f"{address} is damaged: it could not be read as a table.")


def _parsed(end: bytes) -> "pa.Schema | None":
    """Return the columns of a table that ends so; None where its footer is longer, or damaged."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return pq.read_schema(pa.BufferReader(end))
    except (pa.ArrowException, OSError):
        return None


def _found(store: Address) -> StoreObjects | None:
    """Return the objects of a finished store; None where there is none."""
    try:
        return find_store(store)
    except StoreError as error:
        if isinstance(error.__cause__, OSError):
            raise CohortError(str(error)) from error
        return None


def _key(store: Location) -> str:
    return store.name.removesuffix(STORE_SUFFIX)

"""The names of a store's files."""

import re
from pathlib import Path
from typing import TypeVar

from slidetile.cloud.address import Address, Location

Place = TypeVar("Place", Path, Address, Location)
"""Where a store lies."""

PARTIAL_SUFFIX = ".partial"
REPLACED_SUFFIX = ".replaced"
OWNER_SUFFIX = ".owner"
FINISHING_SUFFIX = ".finishing"


def is_passing(store: Path | Address) -> bool:
    """Return whether a store's name says that it is about to replace another, or to be replaced."""
    return store.suffix in (PARTIAL_SUFFIX, REPLACED_SUFFIX)


def partial_path(store: Place) -> Place:
    """Return the folder in which a store is built."""
    return store.with_name(store.name + PARTIAL_SUFFIX)


def owner_path(store: Place) -> Place:
    """Return the file of the claim on a store."""
    return store.with_name(store.name + OWNER_SUFFIX)


def finishing_path(store: Place) -> Place:
    """Return the file of the claim on a store's end, where several processes write the store."""
    return store.with_name(store.name + FINISHING_SUFFIX)


def replaced_path(store: Place) -> Place:
    """Return the name that a finished store has while another takes its place."""
    return store.with_name(store.name + REPLACED_SUFFIX)


STORE_SUFFIX = ".zarr"

ROOT = "zarr.json"
"""The root's metadata, by which a finished store is known: written last."""

MANIFEST = "tiles/checksums.txt"
"""It lies beside the tile table, since Zarr libraries warn of foreign files at the root."""


def shard_key(column: int, row: int) -> str:
    """Return the path of a shard in its array's folder."""
    return f"c/0/{row}/{column}"


_SHARD = re.compile(r"(\d{1,3})/c/0/(0|[1-9]\d{0,7})/(0|[1-9]\d{0,7})")


def shard_of(name: str) -> tuple[int, int, int] | None:
    """Return the (level, column, row) of the shard in a file of a store; None if it is not one."""
    parts = _SHARD.fullmatch(name)
    if parts is None or str(int(parts[1])) != parts[1]:
        return None
    level, row, column = map(int, parts.groups())
    return level, column, row


PARTIAL_BEGIN = "unfinished."
"""What the names begin with of all that only an unfinished store has."""

PARTIAL_NOTE = "unfinished.json"

PARTIAL_REMOVED = "unfinished.removed"
"""It says that all beside it in a bucket is being removed, whatever else is there."""

PARTIAL_SUMS = "unfinished.sums"
"""The checksums of an unfinished store's files that have none of their own."""

PARTIAL_BLOCKS = "unfinished.blocks"
"""The blocks of the slide that were replaced in an unfinished store's shards."""

PARTIAL_HALVED = "unfinished.halved"
"""Folder of the halved pixels of an unfinished store's shards, which coarser ones are made from."""

TABLE = "tiles/tiles.parquet"

LABELS = "tiles/labels.parquet"
"""Where each class of labels lies, in stores that have some."""

REFERENCES = "tiles/references.json"
"""Where the chunks of a reference store lie in the slide, for other programs."""

"""The names of a store's files."""

from pathlib import Path

PARTIAL_SUFFIX = ".partial"
REPLACED_SUFFIX = ".replaced"
OWNER_SUFFIX = ".owner"


def partial_path(store: Path) -> Path:
    """Return where a store is built."""
    return store.with_name(store.name + PARTIAL_SUFFIX)


STORE_SUFFIX = ".zarr"

MANIFEST = "tiles/checksums.txt"
"""Beside the tile table and not at the root, where Zarr libraries complain of foreign files."""


def shard_key(column: int, row: int) -> str:
    """Return where a shard lies in its array's folder."""
    return f"c/0/{row}/{column}"


PARTIAL_NOTE = "unfinished.json"

TABLE = "tiles/tiles.parquet"

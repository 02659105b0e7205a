"""Reading a store back."""

from slidetile.store.selection import TileSelection
from slidetile.store.store import TileStore, open_store
from slidetile.store.windows import Windows

__all__ = [
    "TileSelection",
    "TileStore",
    "Windows",
    "open_store",
]

"""Which chunks of a store may be absent; every other one that is not there is damage.

A sparse array cannot tell missing from background: the tile table and the manifest can.
"""

import functools
from dataclasses import dataclass
from typing import Protocol, Self

import numpy as np
from numpy.typing import NDArray

from slidetile.format.layout import ChunkGrid
from slidetile.format.names import shard_key
from slidetile.format.pyramid import halved_levels
from slidetile.format.table import OK
from slidetile.raster.region import Region
from slidetile.store._listed import listed_files
from slidetile.store._tiles import StoredTiles
from slidetile.store.folder import StoreFolder

Cell = tuple[int, int]
"""(column, row) of a chunk in its array."""


class StoredArray(Protocol):
    """An array of which chunks are absent: an `ArrayFile`."""

    @property
    def grid(self) -> ChunkGrid:
        """How it is cut."""
        ...

    def stored_bytes(self, span: Region) -> int:
        """Return the length of all stored chunks in a span of its chunks."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class AbsentShard:
    """Chunks of one shard that are not stored."""

    cells: list[Cell]
    """The chunks."""

    shard: Cell
    """The (column, row) of their shard."""

    has_file: bool
    """Whether the shard itself is there."""


class Absence(Protocol):
    """What may be absent in an array."""

    def unproven(self, array: StoredArray, absent: AbsentShard) -> Cell | None:
        """Return the first chunk that must be stored; None if all may be absent.

        Raises
        ------
        StoreError
            What could tell is damaged.
        """
        ...


class NothingAbsent:
    """The rule of the overview and the tissue, which are whole."""

    def unproven(self, array: StoredArray, absent: AbsentShard) -> Cell | None:  # noqa: ARG002
        """Return the first chunk."""
        return absent.cells[0]


class LevelAbsence:
    """The rule of one level of a store.

    Level 0: a tile's chunks take the bytes that its row says; where it is encoded and could be
    read, all of them are stored. Coarser levels: all halvings are stored; of a slide's own levels
    every shard that the manifest lists.

    Parameters
    ----------
    folder
        The store's folder.
    level
        The level.
    tiles
        The store's tiles, which are looked at when a chunk is absent.
    """

    def __init__(self, folder: StoreFolder, level: int, tiles: StoredTiles) -> None:
        self._folder = folder
        self._level = level
        self._tiles = tiles

    def __reduce__(self) -> tuple[type[Self], tuple[StoreFolder, int, StoredTiles]]:
        return type(self), (self._folder, self._level, self._tiles)

    def unproven(self, array: StoredArray, absent: AbsentShard) -> Cell | None:
        """Return the first chunk that must be stored; None if all may be absent."""
        if self._level and self._tiles.metadata.codec == "native":
            return None if absent.has_file or not self._is_listed(absent.shard) else absent.cells[0]
        for column, row in absent.cells:
            if self._wanted[row, column]:
                if self._level or not self._is_as_written(array, (column, row)):
                    return column, row
                self._wanted[row, column] = False
        return None

    def _is_as_written(self, array: StoredArray, cell: Cell) -> bool:
        """Return whether the tiles over an absent chunk of level 0 were written without it."""
        is_native = self._tiles.metadata.codec == "native"
        for region, status, stored in self._tiles.at(cell):
            if status == OK and not is_native:
                return False
            if array.stored_bytes(array.grid.chunk_span(region)) != stored:
                return False
        return True

    def _is_listed(self, shard: Cell) -> bool:
        return f"{self._level}/{shard_key(*shard)}" in self._listed

    @functools.cached_property
    def _wanted(self) -> NDArray[np.bool_]:
        """Which chunks tiles need, as bool [chunk row, chunk column], less those proven absent."""
        needed = self._tiles.needed()
        if not self._level:
            return needed
        return halved_levels(self._tiles.grid, needed)[self._level].needed

    @functools.cached_property
    def _listed(self) -> frozenset[str]:
        """The files that the manifest lists."""
        return frozenset(listed_files(self._folder))

"""What a finished store records, without its pixels or its slide."""

import functools
import os
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from slidetile.cloud.address import Address, locate
from slidetile.format.metadata.store import StoreMetadata
from slidetile.raster.pixels import Pixels
from slidetile.store._levels import open_levels
from slidetile.store._metadata import read_root
from slidetile.store._tiles import StoredTiles
from slidetile.store.opened_folder import open_folder
from slidetile.store.picture import StoredPictures

if TYPE_CHECKING:
    import pyarrow as pa


def recorded_metadata(path: str | os.PathLike[str] | Address) -> StoreMetadata:
    """Return the metadata of a finished store; a slide that it refers to need not be there.

    Raises
    ------
    StoreError
        It is not a store, is not finished, is damaged, or is of a later version.
    """
    return read_root(open_folder(locate(path)))


class StoreRecord:
    """A finished store but for its levels; a slide that it refers to need not be there.

    Each part is read when it is asked for, so that a store of which one is damaged tells the
    others.

    Parameters
    ----------
    path
        The store's folder or address.

    Raises
    ------
    StoreError
        It is not a store, is not finished, is damaged, or is of a later version.
    """

    def __init__(self, path: str | os.PathLike[str] | Address) -> None:
        self._folder = open_folder(locate(path))
        self._tiles = StoredTiles(self._folder)
        self.metadata = self._tiles.metadata

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) of level 0, in pixels."""
        return self._tiles.grid.size

    @property
    def tiles(self) -> "pa.Table":
        """The tile table."""
        return self._tiles.table

    @property
    def tile_bytes(self) -> int:
        """Bytes of all tiles' chunks at level 0, each counted once, though tiles may share some."""
        return self._tiles.stored_bytes

    def overview(self) -> Pixels:
        """Return the whole slide as tissue was found on it: [row, column, channel]."""
        return self._pictures.overview()

    def tissue(self) -> NDArray[np.uint32]:
        """Return the tissue on the overview's grid: uint32 [row, column], 0 = glass."""
        return self._pictures.tissue()

    @functools.cached_property
    def overview_scale(self) -> tuple[float, float]:
        """Level-0 pixels per pixel of the overview and the tissue, as (x, y)."""
        return self._pictures.scale(self.size)

    def check_levels(self) -> None:
        """Make sure that all levels are described as the root says; their pixels are not read.

        Raises
        ------
        StoreError
            One is missing, damaged, or contradicts the root.
        """
        open_levels(self._folder, self._tiles)

    @functools.cached_property
    def _pictures(self) -> StoredPictures:
        return StoredPictures(self._folder, self.metadata)

"""The rows of a tile table, and where their tiles lie."""

import functools
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from slidetile.raster.region import Region
from slidetile.verify._shape import StoreShape

if TYPE_CHECKING:
    import pyarrow as pa


class TileRows:
    """The rows of a table, of which any may be wrong.

    Parameters
    ----------
    table
        The table.
    shape
        The store's metadata.
    """

    def __init__(self, table: "pa.Table", shape: StoreShape) -> None:
        self.table, self._grid = table, shape.tile_grid
        self.statuses: list[str] = table["status"].to_pylist()

    @property
    def status(self) -> list[str]:
        """The status of every tile whose cell belongs to the grid."""
        return [self.statuses[tile] for tile in self.placed]

    @property
    def regions(self) -> list[Region]:
        """The part inside the slide of every tile whose cell belongs to the grid."""
        return list(self.placed.values())

    @property
    def cells(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The columns and rows of tiles in the grid."""
        columns, rows = (self.table[name].to_numpy() for name in ("column", "row"))
        return columns.astype(np.int64), rows.astype(np.int64)

    @property
    def is_inside(self) -> NDArray[np.bool_]:
        """Whether the cell of each tile belongs to the grid."""
        columns, rows = self.cells
        inside: NDArray[np.bool_] = (
            (columns >= 0) & (columns < self._grid.columns) & (rows >= 0) & (rows < self._grid.rows)
        )
        return inside

    @functools.cached_property
    def placed(self) -> dict[int, Region]:
        """The part inside the slide of each tile, by its column and row."""
        grid = self._grid
        columns, rows = self.cells
        tiles = np.flatnonzero(self.is_inside).tolist()
        return {
            tile: grid.inside(grid.region(int(columns[tile]), int(rows[tile]))) for tile in tiles
        }

"""What cells of the tile grid have of each class, of each cell computed once.

Knows classes of pixels and tile grids. Does not know which cells are chosen.
"""

import numpy as np
from numpy.typing import NDArray

from slidetile.raster.class_areas import ClassAreas
from slidetile.raster.grid import TileGrid

Places = NDArray[np.integer]
"""Columns of cells, or their rows."""


class ClassShares:
    """The shares of the classes of a slide in cells of its tile grid.

    Parameters
    ----------
    areas
        Where the classes lie.
    grid
        The tile grid.
    """

    def __init__(self, areas: ClassAreas, grid: TileGrid) -> None:
        self.areas, self._grid = areas, grid
        self._cells = np.empty(0, np.int64)
        self._shares = np.empty((0, len(areas.names)))

    def of(self, columns: Places, rows: Places) -> NDArray[np.float64]:
        """Return the exact share of each class in each cell, [cell, class].

        See `ClassAreas.fractions`.
        """
        cells = rows.astype(np.int64) * self._grid.columns + columns
        self._add(np.setdiff1d(cells, self._cells))
        found: NDArray[np.float64] = self._shares[np.searchsorted(self._cells, cells)]
        return found

    def winning(self, columns: Places, rows: Places) -> NDArray[np.int32]:
        """Return the class with the largest share of each cell; see `ClassAreas.winning`."""
        return self.areas.winning(self.of(columns, rows))

    def _add(self, cells: NDArray[np.int64]) -> None:
        if not len(cells):
            return
        rows, columns = np.divmod(cells, self._grid.columns)
        shares = self.areas.fractions(self._grid.edges(columns, rows))
        if not len(self._cells):
            self._cells, self._shares = cells, shares
            return
        joined = np.concatenate([self._cells, cells])
        order = np.argsort(joined)
        self._cells = joined[order]
        self._shares = np.concatenate([self._shares, shares])[order]

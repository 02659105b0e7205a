"""What labels say of the tiles that a store's parameters choose."""

import functools
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from slidetile.planning.subset import draw
from slidetile.raster.class_areas import ClassAreas
from slidetile.verify._shape import StoreShape

Cells = NDArray[np.int64]
"""The columns of cells, or their rows."""

Shares = NDArray[np.float64]
"""What cells have of each class, [cell, class]."""


class TileClasses(NamedTuple):
    """What the tiles of a table have of each class, and where the classes lie."""

    areas: ClassAreas
    """Where they lie."""

    shares: Shares
    """The share of each class in each tile, [tile, class]."""

    counts: NDArray[np.int64]
    """The points of each class in each tile, [tile, class]."""


class ClassChoiceCheck:
    """Tells which cells may be tiles by their classes, and which of them must be.

    Single shapes are not recorded, so a tile that is kept for one is told by having something of
    its class.

    Parameters
    ----------
    shape
        The store's metadata.
    tiles
        What the table's tiles have of the classes.
    columns, rows
        Where these tiles lie.
    """

    def __init__(self, shape: StoreShape, tiles: TileClasses, columns: Cells, rows: Cells) -> None:
        self._grid, self._spec, self._tiles = shape.tile_grid, shape.tile_spec, tiles
        self._columns, self._rows = columns, rows
        least, names = dict(self._spec.min_class_fractions or ()), tiles.areas.names
        self._wanted = [place for place, name in enumerate(names) if name in least]
        self._least = [least[names[place]] for place in self._wanted]

    def may_be_kept(self, tiles: slice) -> NDArray[np.bool_]:
        """Return which tiles may be there whatever they lack: those with any of a class."""
        asks = self._spec.min_class_fractions is not None
        places = self._wanted if asks else list(range(len(self._tiles.areas.names)))
        has_any = (self._tiles.shares[tiles] > 0) | (self._tiles.counts[tiles] > 0)
        found: NDArray[np.bool_] = np.any(has_any[:, places], axis=1)
        return found

    def preferred(self, columns: Cells, rows: Cells) -> tuple[Cells, Cells, Shares | None]:
        """Return which cells have as much of a class as is asked for, and their shares.

        The shares are None where nothing is chosen by them.
        """
        if not self._spec.needs_labels:
            return columns, rows, None
        shares = self._tiles.areas.fractions(self._grid.edges(columns, rows))
        if self._spec.min_class_fractions is None:
            return columns, rows, shares
        is_enough = np.any(shares[:, self._wanted] >= self._least, axis=1)
        return columns[is_enough], rows[is_enough], shares[is_enough]

    def drawn_before(self, columns: Cells, rows: Cells, shares: Shares) -> int:
        """Return how many cells a balanced sample draws before the last tile of their class."""
        classes = self._tiles.areas.winning(shares)
        numbers = draw(columns, rows, self._spec.seed)
        return sum(
            int((numbers[classes == each] < last).sum()) for each, last in self._last_drawn.items()
        )

    @functools.cached_property
    def _last_drawn(self) -> dict[int, np.uint64]:
        """The number of the tile of each class that was drawn last."""
        classes = self._tiles.areas.winning(self._tiles.shares)
        numbers = draw(self._columns, self._rows, self._spec.seed)
        there = np.unique(classes[classes >= 0]).tolist()
        return {each: numbers[classes == each].max() for each in there}

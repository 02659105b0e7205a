"""What labels say of the tiles that a store's parameters choose."""

import numpy as np
from numpy.typing import NDArray

from slidetile.planning.subset import draw
from slidetile.raster.class_areas import ClassAreas
from slidetile.verify._shape import StoreShape

Cells = NDArray[np.int64]
"""The columns of cells, or their rows."""


class ClassChoiceCheck:
    """Tells which cells may be tiles by their classes, and which of them must be.

    Single shapes are not recorded, so a tile that is kept for a small one is told by having
    something of its class.

    Parameters
    ----------
    shape
        The store's metadata.
    areas
        Where its classes lie.
    """

    def __init__(self, shape: StoreShape, areas: ClassAreas) -> None:
        self._grid, self._spec, self._areas = shape.tile_grid, shape.tile_spec, areas
        least = dict(self._spec.min_class_fractions or ())
        self._wanted = [place for place, name in enumerate(areas.names) if name in least]
        self._least = [least[areas.names[place]] for place in self._wanted]

    def may_be_kept(self, columns: Cells, rows: Cells) -> NDArray[np.bool_]:
        """Return which cells may be tiles whatever they lack: those with any of a class."""
        asks = self._spec.min_class_fractions is not None
        places = self._wanted if asks else list(range(len(self._areas.names)))
        edges = self._grid.edges(columns, rows)
        has_any = (self._areas.fractions(edges) > 0) | (self._areas.counts(edges) > 0)
        found: NDArray[np.bool_] = np.any(has_any[:, places], axis=1)
        return found

    def are_enough(self, columns: Cells, rows: Cells) -> NDArray[np.bool_]:
        """Return which cells have as much of a class as is asked for."""
        if self._spec.min_class_fractions is None:
            return np.ones(len(columns), np.bool_)
        shares = self._areas.fractions(self._grid.edges(columns, rows))[:, self._wanted]
        enough: NDArray[np.bool_] = np.any(shares >= self._least, axis=1)
        return enough

    def drawn_before(self, others: tuple[Cells, Cells], chosen: tuple[Cells, Cells]) -> int:
        """Return how many cells a balanced sample draws before the last one of their class."""
        count = 0
        classes, numbers = self._drawn(*chosen)
        other_classes, other_numbers = self._drawn(*others)
        for each in np.unique(classes[classes >= 0]).tolist():
            last = numbers[classes == each].max()
            count += int((other_numbers[other_classes == each] < last).sum())
        return count

    def _drawn(self, columns: Cells, rows: Cells) -> tuple[NDArray[np.int32], NDArray[np.uint64]]:
        shares = self._areas.fractions(self._grid.edges(columns, rows))
        return self._areas.winning(shares), draw(columns, rows, self._spec.seed)

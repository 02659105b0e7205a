"""Whether a store's tiles are those that its parameters choose, derived again from its tissue."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from slidetile.errors import StoreError
from slidetile.format.names import TABLE
from slidetile.planning.subset import FRACTION_DECIMALS, draw
from slidetile.raster.coverage import covered_share
from slidetile.verify._class_choice import ClassChoiceCheck
from slidetile.verify._shape import StoreShape
from slidetile.verify.finding import Finding

TOLERANCE = 1e-5
"""Allowed difference of a fraction, which is stored in single precision over a scale in µm."""

LARGEST_GRID = 1 << 28
"""Most cells of a tile grid; tiles of 16 px on a large slide make 30 million."""

_BLOCK_CELLS = 1 << 20


class ChoiceCheck:
    """Compares the cells of the whole grid with the tiles of the table.

    Parameters
    ----------
    shape
        The store's metadata.
    labels
        The tissue, [row, column].
    tiles
        Columns, rows and tissue fractions of the table's tiles, all of them within the grid, in
        row-major order.
    classes
        What labels say of cells; None in a store without labels.

    Raises
    ------
    StoreError
        The grid has more cells than any slide.
    """

    def __init__(
        self,
        shape: StoreShape,
        labels: NDArray[np.uint32],
        tiles: tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]],
        classes: ClassChoiceCheck | None,
    ) -> None:
        self._shape, self._grid, self._spec = shape, shape.tile_grid, shape.tile_spec
        self._mask = labels > 0
        self._columns, self._rows, self._fractions = tiles
        self._classes = classes
        if self._grid.columns * self._grid.rows > LARGEST_GRID:
            raise StoreError(
                f"a grid of {self._grid.columns}×{self._grid.rows} tiles is larger than any slide's"
            )

    def findings(self) -> Iterator[Finding]:
        """Yield the tiles whose fraction is not their tissue's, and how many tiles are missing."""
        if not (self._grid.columns and self._grid.rows):
            return
        others, step = 0, max(1, _BLOCK_CELLS // self._grid.columns)
        for top in range(0, self._grid.rows, step):
            shares = self._shares(np.arange(top, min(top + step, self._grid.rows)))
            first, last = np.searchsorted(self._rows, (top, top + step)).tolist()
            cells = self._rows[first:last] - top, self._columns[first:last]
            yield from self._wrong_fractions(first, shares[cells])
            shares[cells] = -1  # what is left are the cells not chosen
            others += self._preferred(shares, top)
        if others:
            options = "min_tissue_fraction, max_tiles or sample"
            if self._classes is not None:
                options = "min_tissue_fraction, min_class_fractions, max_tiles or sample"
            what = f"{others} other tiles are what {options} choose"
            yield Finding(TABLE, what)

    def _shares(self, rows: NDArray[np.int64]) -> NDArray[np.float64]:
        grid = self._grid
        lefts, tops = grid.lefts(np.arange(grid.columns)), grid.tops(rows)
        return covered_share(
            self._mask,
            self._shape.overview_scale,
            (tops, np.minimum(tops + grid.size, grid.height)),
            (lefts, np.minimum(lefts + grid.size, grid.width)),
        )

    def _wrong_fractions(self, first: int, shares: NDArray[np.float64]) -> Iterator[Finding]:
        found = self._fractions[first : first + len(shares)].astype(np.float64)
        for place in np.flatnonzero(~(np.abs(found - shares) <= TOLERANCE)).tolist():
            what = f"its tissue_fraction is {found[place]:.6f}, its tissue {shares[place]:.6f}"
            yield Finding(TABLE, what, tile=first + place)
        is_kept = self._is_kept(first, len(shares))
        is_thin = (shares < self._spec.min_tissue_fraction - TOLERANCE) & ~is_kept
        for place in np.flatnonzero(is_thin).tolist():
            what = f"{shares[place]:.6f} of it is tissue, less than min_tissue_fraction"
            yield Finding(TABLE, what, tile=first + place)
        if self._spec.min_class_fractions is not None:
            for place in np.flatnonzero(~is_kept).tolist():
                what = "it has nothing of the classes of min_class_fractions"
                yield Finding(TABLE, what, tile=first + place)

    def _is_kept(self, first: int, count: int) -> NDArray[np.bool_]:
        """Return which of some tiles labels may keep without enough tissue."""
        if self._classes is None:
            return np.zeros(count, np.bool_)
        part = slice(first, first + count)
        return self._classes.may_be_kept(part)

    def _preferred(self, shares: NDArray[np.float64], top: int) -> int:
        """Return how many cells that were not chosen rank before the last chosen one."""
        least = self._spec.min_tissue_fraction
        rows, columns = np.nonzero(shares >= (least + TOLERANCE if least else 0))
        if self._classes is not None:
            columns, rows, classes = self._classes.preferred(columns, rows + top)
            rows = rows - top
            if self._spec.balance is not None and classes is not None:
                return self._classes.drawn_before(columns, rows + top, classes)
        if not len(rows) or len(self._rows) < self._spec.most:
            return len(rows)
        if self._spec.sample is not None:
            last = draw(self._columns, self._rows, self._spec.seed).max()
            return int((draw(columns, rows + top, self._spec.seed) < last).sum())
        emptiest = float(self._fractions.min()) + 2 * 10.0**-FRACTION_DECIMALS
        return int((shares[rows, columns] > emptiest).sum())

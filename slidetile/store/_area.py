"""The area of a slide that its tiles cover, whatever their grid: integers."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from slidetile.errors import StoreError
from slidetile.format.table import OK
from slidetile.raster.coverage import covered_area

if TYPE_CHECKING:
    import pyarrow as pa

LARGEST_CELLS = 1 << 28
"""Most cells of the grid through all edges of tiles; tiles of 16 px on a large slide make 30
million."""

Ends = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class StoredArea:
    """The union of tiles, as cells of the grid that the edges of all tiles make."""

    xs: Ends
    """Left and right edges of all tiles, ascending, in level-0 pixels."""

    ys: Ends
    """Their top and bottom edges."""

    gaps: NDArray[np.bool_]
    """bool [row, column]: the cells no tile covers, with a rim of such cells around."""

    @classmethod
    def of_tiles(cls, table: "pa.Table", *, with_unreadable: bool = False) -> "StoredArea":
        """Return the area of all tiles of a table that could be read, or of all it has.

        Raises
        ------
        StoreError
            The tiles are too scattered, or have no size.
        """
        is_read = np.array(table["status"].to_pylist(), np.str_) == OK
        is_read |= with_unreadable
        names = ("x", "y", "width", "height")
        x, y, width, height = (table[name].to_numpy().astype(np.int64)[is_read] for name in names)
        xs, ys = np.unique([x, x + width]), np.unique([y, y + height])
        if len(xs) * len(ys) > LARGEST_CELLS or (width < 1).any() or (height < 1).any():
            raise StoreError(f"their edges make a grid of {len(xs)}×{len(ys)} cells")
        counts = np.zeros((len(ys) + 1, len(xs) + 1), np.int32)
        left, right = np.searchsorted(xs, x) + 1, np.searchsorted(xs, x + width) + 1
        top, bottom = np.searchsorted(ys, y) + 1, np.searchsorted(ys, y + height) + 1
        for rows, columns, step in (
            (top, left, 1),
            (top, right, -1),
            (bottom, left, -1),
            (bottom, right, 1),
        ):
            np.add.at(counts, (rows, columns), step)
        counts.cumsum(axis=0, out=counts).cumsum(axis=1, out=counts)
        return cls(xs=xs, ys=ys, gaps=counts == 0)

    def holds(self, rows: tuple[Ends, Ends], columns: tuple[Ends, Ends]) -> NDArray[np.bool_]:
        """Return which rectangles of a grid lie wholly inside, as bool [row, column].

        ``rows`` and ``columns`` are where they begin and end, ascending, in level-0 pixels.
        """
        lefts, rights = _cells(self.xs, *columns)
        tops, bottoms = _cells(self.ys, *rows)
        inside: NDArray[np.bool_] = covered_area(self.gaps, tops, bottoms, lefts, rights) == 0
        return inside


def _cells(edges: Ends, starts: Ends, stops: Ends) -> tuple[NDArray[np.float64], ...]:
    """Return the first cell that each interval touches, and the one after its last."""
    first = np.searchsorted(edges, starts, side="right")
    last = np.searchsorted(edges, stops, side="left") + 1
    return first.astype(np.float64), last.astype(np.float64)

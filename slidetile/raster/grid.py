"""The positions of squares of one size on a canvas, and the treatment of its edges: integers."""

from dataclasses import dataclass
from typing import get_args

import numpy as np
from numpy.typing import NDArray

from slidetile.choices import EDGE, Edge
from slidetile.raster.region import Region

_NOWHERE = 1 << 62


@dataclass(frozen=True, slots=True, kw_only=True)
class TileGrid:
    """Squares in columns and rows that begin at a canvas's top left corner.

    Raises
    ------
    ValueError
        A length is less than 1, or the edge is unknown.
    """

    width: int
    """Columns of the canvas, in pixels."""

    height: int
    """Rows of the canvas, in pixels."""

    size: int
    """Width and height of a square."""

    stride: int
    """Distance from one square to the next; squares overlap if it is less than the size."""

    edge: Edge = EDGE
    """The treatment of squares that reach over the right or bottom edge."""

    def __post_init__(self) -> None:
        if min(self.width, self.height, self.size, self.stride) < 1:
            raise ValueError(f"Every length of a grid is at least 1, but this one is {self!r}.")
        check_edge(self.edge)

    @property
    def columns(self) -> int:
        """Squares in a row."""
        return self._count(self.width)

    @property
    def rows(self) -> int:
        """Squares in a column."""
        return self._count(self.height)

    def lefts(self, columns: NDArray[np.integer]) -> NDArray[np.int64]:
        """Return the left edge of squares in these columns."""
        return np.minimum(columns.astype(np.int64) * self.stride, self._last(self.width))

    def tops(self, rows: NDArray[np.integer]) -> NDArray[np.int64]:
        """Return the top edge of squares in these rows."""
        return np.minimum(rows.astype(np.int64) * self.stride, self._last(self.height))

    def edges(self, columns: NDArray[np.integer], rows: NDArray[np.integer]) -> NDArray[np.int64]:
        """Return the edges of squares within the canvas, [square, (left, top, right, bottom)]."""
        left, top = self.lefts(columns), self.tops(rows)
        right = np.minimum(left + self.size, self.width)
        bottom = np.minimum(top + self.size, self.height)
        return np.stack([left, top, right, bottom], axis=1)

    def region(self, column: int, row: int) -> Region:
        """Return a whole square."""
        x = min(column * self.stride, self._last(self.width))
        y = min(row * self.stride, self._last(self.height))
        return Region(x=x, y=y, width=self.size, height=self.size)

    def inside(self, region: Region) -> Region:
        """Return the part of a square that lies inside the canvas."""
        right, bottom = min(region.right, self.width), min(region.bottom, self.height)
        return Region.from_edges(region.x, region.y, right, bottom)

    def _count(self, length: int) -> int:
        if self.edge == "drop":
            return max(0, (length - self.size) // self.stride + 1)
        until_covered = max(0, -(-(length - self.size) // self.stride)) + 1
        return min(until_covered, -(-length // self.stride))

    def _last(self, length: int) -> int:
        """Return the last position where a square may begin."""
        return max(0, length - self.size) if self.edge == "shift" else _NOWHERE


def check_edge(edge: str) -> None:
    """Check that an edge is known.

    Raises
    ------
    ValueError
        The edge is unknown.
    """
    if edge not in get_args(Edge):
        raise ValueError(f"An edge is {', '.join(get_args(Edge))}, but this one is {edge!r}.")


def check_fraction(fraction: float) -> None:
    """Check that a tissue fraction is within 0–1.

    Raises
    ------
    ValueError
        It is not.
    """
    if not 0 <= fraction <= 1:
        raise ValueError(
            f"A minimum tissue fraction lies between 0 and 1, but this one is {fraction}. "
            "Is it given in percent?"
        )


def cell_name(row: int, column: int) -> str:
    """Return what people call a cell of a grid: its row in letters, its column from 1.

    Examples
    --------
    >>> cell_name(0, 0), cell_name(25, 11), cell_name(26, 0)
    ('A-1', 'Z-12', 'AA-1')
    """
    letters, rest = "", row + 1
    while rest:
        rest, letter = divmod(rest - 1, 26)
        letters = chr(ord("A") + letter) + letters
    return f"{letters}-{column + 1}"

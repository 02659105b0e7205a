"""A mask as runs of pixels along its rows, and which of them are connected.

Knows masks. Does not know what a piece is for.

Runs that touch from one row to the next are joined to the earliest run that each can reach, until
none reaches an earlier one: the labelling by runs of He, Chao & Suzuki, "A run-based two-scan
labeling algorithm", IEEE Trans. Image Process. 17 (2008), with whole arrays in place of scans.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from slidetile.raster.region import Region

Places = NDArray[np.intp]
"""Numbers of runs, or of pixels counted row by row."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Runs:
    """The runs of a mask, row by row from the left, and the piece that each is part of."""

    shape: tuple[int, int]
    """Rows and columns of the mask."""

    starts: Places
    """The first pixel of each run."""

    stops: Places
    """The pixel behind the last of each run."""

    pieces: Places
    """The number of each run's piece from 0, in the order of the pieces' first pixels."""

    @classmethod
    def of(cls, mask: NDArray[np.bool_], *, corners: bool) -> "Runs":
        """Find the runs of a mask; with ``corners``, those that touch by a corner are connected."""
        height, width = mask.shape
        starts, stops = _ends(mask)
        first = first_reached(len(starts), *touching(starts, stops, width + 1, int(corners)))
        numbers = np.cumsum(first == np.arange(len(first))) - 1
        rows = starts // (width + 1)
        return cls(
            shape=(height, width), starts=starts - rows, stops=stops - rows, pieces=numbers[first]
        )

    @property
    def sizes(self) -> NDArray[np.int64]:
        """The number of pixels of each piece."""
        sizes = np.zeros(int(self.pieces.max(initial=-1)) + 1, np.int64)
        np.add.at(sizes, self.pieces, self.stops - self.starts)
        return sizes

    @property
    def boxes(self) -> list[Region]:
        """The smallest rectangle around each piece, in pixels of the mask."""
        width, firsts = self.shape[1], np.unique(self.pieces, return_index=True)[1]
        rows, lefts = np.divmod(self.starts, width)
        rights = lefts + (self.stops - self.starts)
        edges = []
        for reduce, values in (
            (np.minimum, lefts),
            (np.minimum, rows),
            (np.maximum, rights),
            (np.maximum, rows + 1),
        ):
            edge = values[firsts]
            reduce.at(edge, self.pieces, values)
            edges.append(edge.tolist())
        return [Region.from_edges(*box) for box in zip(*edges, strict=True)]

    def painted(self, values: NDArray[Any]) -> NDArray[Any]:
        """Return an image, [row, column], with a value for each piece and 0 elsewhere."""
        edges = np.zeros(2 * len(self.starts) + 2, np.intp)
        edges[1:-1:2], edges[2:-1:2] = self.starts, self.stops
        edges[-1] = self.shape[0] * self.shape[1]
        shown = np.zeros(2 * len(self.starts) + 1, values.dtype)
        shown[1::2] = values[self.pieces]
        return np.repeat(shown, np.diff(edges)).reshape(self.shape)


def run_count(mask: NDArray[np.bool_]) -> int:
    """Return how many runs a mask has, without finding them."""
    return int(np.count_nonzero(mask[:, 1:] > mask[:, :-1]) + np.count_nonzero(mask[:, :1]))


def _ends(mask: NDArray[np.bool_]) -> tuple[Places, Places]:
    """Return where runs start and stop, as if rows were longer by a column that is never set.

    So no run reaches into the next row.
    """
    height, width = mask.shape
    framed = np.zeros(height * (width + 1) + 1, np.bool_)
    framed[1:].reshape(height, width + 1)[:, :width] = mask
    changes = np.flatnonzero(framed[1:] != framed[:-1])
    return changes[::2], changes[1::2]


def touching(starts: Places, stops: Places, width: int, reach: int) -> tuple[Places, Places]:
    """Return the pairs of runs that touch from row to row: the upper and the lower one of each."""
    begin = np.searchsorted(stops + width, starts - reach, "right")
    end = np.searchsorted(starts + width, stops + reach, "left")
    counts = np.maximum(end - begin, 0)
    lower = np.repeat(np.arange(len(starts)), counts)
    upper = np.arange(len(lower)) - np.repeat(np.cumsum(counts) - counts - begin, counts)
    return upper, lower


def first_reached(count: int, upper: Places, lower: Places) -> Places:
    """Return the first run that each run is connected with."""
    first = np.arange(count)
    while len(upper):
        np.minimum.at(first, np.maximum(upper, lower), np.minimum(upper, lower))
        while not np.array_equal(further := first[first], first):
            first = further
        upper, lower = first[upper], first[lower]
        apart = upper != lower
        upper, lower = upper[apart], lower[apart]
    return first

"""The cells of a grid: which tissue lies in which, and which of it is that of the cell's core.

Knows labels and lattices. Does not know what a core is called.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from slidetile.raster.bands import bands
from slidetile.raster.masks import Labels
from slidetile.tissue._lattice import Lattice
from slidetile.tissue._spots import Weights

_REACH = 0.75
"""How far a cell reaches from its centre, in steps: beyond its corners, but not across a gap."""

_RIM = 0.95
"""The share of a cell's tissue that lies within the radius of its core; the rest may be debris."""


class Fragments(NamedTuple):
    """The parts that the cells cut pieces of tissue into, one element each."""

    cells: NDArray[np.int64]
    """The cell, numbered from 1."""

    pieces: NDArray[np.int64]
    """The label of the piece."""

    pixels: NDArray[np.int64]
    """How many pixels it has."""

    def only(self, chosen: NDArray[np.bool_]) -> "Fragments":
        """Return some of them."""
        return Fragments(*(each[chosen] for each in self))

    def areas(self, count: int) -> NDArray[np.int64]:
        """Return the pixels of each of so many cells."""
        areas = np.bincount(self.cells, self.pixels, count + 1)
        return areas[1:].astype(np.int64)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Cells:
    """The cells of a lattice on a coarse mask, as disks that end halfway to the next."""

    nearest: NDArray[np.int32]
    """The number of the cell that each pixel is nearest to, from 1; 0 where none is near."""

    distances: NDArray[np.float32]
    """How far each pixel is from that cell's centre, in pixels."""

    radius: float
    """The usual radius of a core, in pixels."""

    factor: int
    """Pixels of the whole mask to a side of these."""

    @classmethod
    def of(cls, weights: Weights, lattice: Lattice, factor: int) -> Self:
        """Cut a mask into cells; ``factor`` is how much it was averaged."""
        nearest = np.zeros(weights.shape, np.int32)
        distances = np.full(weights.shape, np.float32(_REACH * lattice.step))
        for number, (x, y) in enumerate(lattice.centres.tolist(), start=1):
            reach = _REACH * lattice.step + 1
            rows = slice(max(0, int(y - reach)), max(0, int(y + reach) + 2))
            columns = slice(max(0, int(x - reach)), max(0, int(x + reach) + 2))
            down, across = np.ogrid[: weights.shape[0], : weights.shape[1]]
            apart = np.hypot(down[rows] - y, across[:, columns] - x).astype(np.float32)
            closer = apart < distances[rows, columns]
            nearest[rows, columns][closer] = number
            distances[rows, columns][closer] = apart[closer]
        radius = _usual_radius(weights, nearest, distances)
        return cls(nearest=nearest, distances=distances, radius=radius, factor=factor)

    def fragments(self, labels: Labels) -> Fragments:
        """Return what pieces are cut into, without what reaches no core: debris between them."""
        pixels: Counter[int] = Counter()
        reaching: set[int] = set()
        step = int(labels.max(initial=0)) + 1
        for seen in self._seen(labels, step):
            found, counts = np.unique(seen.numbers, return_counts=True)
            pixels.update(dict(zip(found.tolist(), counts.tolist(), strict=True)))
            reaching.update(np.unique(seen.numbers[seen.distances <= self.radius]).tolist())
        numbers = np.array(sorted(reaching), np.int64)
        counted = np.array([pixels[number] for number in numbers.tolist()], np.int64)
        return Fragments(numbers // step, numbers % step, counted)

    def painted(self, labels: Labels, fragments: Fragments, count: int) -> Labels:
        """Return the number of the cell of each pixel of some fragments, 0 for all others.

        ``count`` is that of all cells; the type is the smallest that holds it.
        """
        step = int(labels.max(initial=0)) + 1
        chosen = np.sort(fragments.cells * step + fragments.pieces)
        painted = np.zeros(labels.shape, np.min_scalar_type(count))
        for seen in self._seen(labels, step):
            is_chosen = np.isin(seen.numbers, chosen)
            rows = painted[seen.rows]
            rows.ravel()[seen.places[is_chosen]] = seen.numbers[is_chosen] // step
        return painted

    def _seen(self, labels: Labels, step: int) -> Iterator["_Seen"]:
        """Yield the pixels of tissue that lie in cells, band by band."""
        for band in bands(labels.shape):
            pieces = labels[band.rows]
            places = np.flatnonzero(pieces)
            rows, columns = divmod(places, labels.shape[1])
            coarse = (rows + band.rows.start) // self.factor, columns // self.factor
            numbers = self.nearest[coarse] * np.int64(step) + pieces.ravel()[places]
            within = numbers >= step  # of cell 0 are those in none
            yield _Seen(
                rows=band.rows,
                places=places[within],
                numbers=numbers[within],
                distances=self.distances[coarse][within],
            )


class _Seen(NamedTuple):
    """The pixels of tissue in a band of rows that lie in cells."""

    rows: slice
    """The band."""

    places: NDArray[np.intp]
    """Where each pixel is in the band, counted row by row."""

    numbers: NDArray[np.int64]
    """A number for each pixel's cell and piece together."""

    distances: NDArray[np.float32]
    """How far each is from the centre of its cell, in pixels of the coarse mask."""


def _usual_radius(
    weights: Weights, nearest: NDArray[np.int32], distances: NDArray[np.float32]
) -> float:
    """Return the median, over cells, of the radius that holds nearly all of a cell's tissue.

    Its tissue are the pixels covered at least half as much as the fullest one: crumbs fill none.
    """
    within = nearest > 0
    covered = within & (weights > int(weights[within].max()) // 2)
    cells, apart = nearest[covered], distances[covered]
    order = np.lexsort((apart, cells))
    counts = np.bincount(cells)[np.unique(cells)]
    ends = np.cumsum(counts)
    places = ends - counts + ((counts - 1) * _RIM).astype(np.intp)
    return float(np.median(apart[order][places]))

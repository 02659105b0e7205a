"""Which class what lies on a slide belongs to: rectangles of pixels, and the shares of regions.

Knows pixels and names of classes. Does not know annotations, tiles or files.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from slidetile.raster.filling import Rectangles
from slidetile.raster.rectangles import Edges, RectangleSums
from slidetile.raster.region import Region

MOST_CLASSES = 128
"""Most classes of a slide: each is a column of the tile table."""

LONGEST_CLASS_NAME = 200
"""Most characters of a class's name."""

NO_CLASS = -1
"""What `winning` gives where no class has any share."""

Points = NDArray[np.int32]
"""int32 [point, (x, y)]: the pixel that holds it."""


@dataclass(frozen=True, kw_only=True, eq=False)
class ClassAreas:
    """Where each class lies on a slide, to the pixel of level 0.

    Raises
    ------
    ValueError
        The names are not in order, each once; there are more than `MOST_CLASSES`; or the arrays
        are not one for each name, or reach beyond the slide.
    """

    names: tuple[str, ...]
    """The classes, sorted."""

    size: tuple[int, int]
    """(width, height) of the slide, in level-0 pixels."""

    rectangles: tuple[Rectangles, ...]
    """The area of each class as disjoint rectangles, [rectangle, (left, top, right, bottom)] in
    level-0 pixels, in the order of top and left edge."""

    points: tuple[Points, ...]
    """What of each class has no area, as pixels (x, y); several may lie in one."""

    def __post_init__(self) -> None:
        if list(self.names) != sorted(set(self.names)) or len(self.names) > MOST_CLASSES:
            raise ValueError(
                f"There are {len(self.names)} names of classes, but there must be at most "
                f"{MOST_CLASSES}, sorted, each once."
            )
        if not len(self.names) == len(self.rectangles) == len(self.points):
            raise ValueError(
                f"{len(self.names)} classes have {len(self.rectangles)} arrays of rectangles and "
                f"{len(self.points)} of points: give one of each for each class."
            )
        ends = np.array(self.size)
        for rectangles, points in zip(self.rectangles, self.points, strict=True):
            low, high = rectangles[:, :2], rectangles[:, 2:]
            if (low < 0).any() or (high > ends).any() or (low >= high).any():
                raise ValueError(f"A rectangle is empty or reaches beyond the slide's {self.size}.")
            if (points < 0).any() or (points >= ends).any():
                raise ValueError(f"A point lies outside the slide's {self.size}.")
            rectangles.setflags(write=False)
            points.setflags(write=False)

    @property
    def areas_px(self) -> NDArray[np.int64]:
        """The area of each class, in level-0 pixels."""
        return np.array([_area(each) for each in self.rectangles], np.int64).reshape(-1)

    def fractions(self, regions: "Sequence[Region] | NDArray[np.integer]") -> NDArray[np.float64]:
        """Return the share of each class in each of many regions.

        Parameters
        ----------
        regions
            Rectangles of level-0 pixels; or an array [region, (left, top, right, bottom)].

        Returns
        -------
        float64 array [region, class]
            The pixels of the class within the region, divided by the region's pixels inside the
            slide: exact, as both are whole numbers. 0 where no pixel is inside. Classes may
            overlap, so a region's shares may add up to more than 1.
        """
        edges = self._clipped(regions)
        inside = np.maximum(1, (edges[:, 2] - edges[:, 0]) * (edges[:, 3] - edges[:, 1]))
        return self._within(edges, self._areas) / inside[:, np.newaxis]

    def counts(self, regions: "Sequence[Region] | NDArray[np.integer]") -> NDArray[np.int64]:
        """Return how many points of each class lie in each region, [region, class]."""
        return self._within(self._clipped(regions), self._pins)

    def winning(self, fractions: NDArray[np.floating], *, least: float = 0.0) -> NDArray[np.int32]:
        """Return the class with the largest share of each region, as its place in `names`.

        Parameters
        ----------
        fractions
            As `fractions` gives them, [region, class].
        least
            The share must be at least this, and more than 0.

        Returns
        -------
        int32 array [region]
            Of equal shares, the class that comes first in `names`; `NO_CLASS` where none has
            enough.
        """
        return winning(fractions, least=least)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, ClassAreas):
            return NotImplemented
        mine, theirs = ((*each.rectangles, *each.points) for each in (self, other))
        is_alike = self.names == other.names and self.size == other.size
        return is_alike and all(map(np.array_equal, mine, theirs))

    __hash__ = None  # type: ignore[assignment]  # compared by the content of arrays

    def __repr__(self) -> str:
        return f"ClassAreas({', '.join(self.names)})"

    def __getstate__(self) -> dict[str, Any]:
        """Leave out what is made from the rest."""
        made = ("_areas", "_pins")
        return {name: value for name, value in self.__dict__.items() if name not in made}

    @cached_property
    def _areas(self) -> list[RectangleSums]:
        return [RectangleSums(each) for each in self.rectangles]

    @cached_property
    def _pins(self) -> list[RectangleSums]:
        return [RectangleSums(np.concatenate([each, each + 1], axis=1)) for each in self.points]

    def _clipped(self, regions: "Sequence[Region] | NDArray[np.integer]") -> Edges:
        """Return the parts of regions inside the slide, as edges."""
        if isinstance(regions, np.ndarray):
            edges = np.asarray(regions).astype(np.int64).reshape(-1, 4)
        else:
            corners = [(each.x, each.y, each.right, each.bottom) for each in regions]
            edges = np.array(corners, np.int64).reshape(-1, 4)
        return edges.clip(0, np.array(self.size * 2))

    @staticmethod
    def _within(edges: Edges, sums: list[RectangleSums]) -> NDArray[np.int64]:
        found = [each.within(edges) for each in sums]
        return np.stack(found, axis=1) if found else np.zeros((len(edges), 0), np.int64)


def winning(fractions: NDArray[np.floating], *, least: float = 0.0) -> NDArray[np.int32]:
    """Return the place of the largest share of each region; see `ClassAreas.winning`."""
    if not fractions.shape[1]:
        return np.full(len(fractions), NO_CLASS, np.int32)
    best = fractions.argmax(axis=1)
    share = fractions[np.arange(len(fractions)), best]
    return np.where((share > 0) & (share >= least), best, NO_CLASS).astype(np.int32)


def _area(rectangles: Rectangles) -> int:
    left, top, right, bottom = rectangles.T.astype(np.int64)
    return int(((right - left) * (bottom - top)).sum())

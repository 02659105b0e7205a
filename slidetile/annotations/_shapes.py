"""The areas of a file of outlines, in the file's own units.

Knows outlines and limits. Does not know the slide they belong to, nor the file's format.
"""

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from slidetile.errors import AnnotationError

LARGEST_CORNER_COUNT = 1 << 24
LARGEST_SHAPE_COUNT = 200_000
LARGEST_COORDINATE = 1e9

UNNAMED = "(no class)"
"""The name shown for areas without a class."""

Ring = NDArray[np.float64]
"""float64 [corner, (x, y)]; the last corner is joined to the first."""


class FileShape(NamedTuple):
    """One area of the file."""

    class_name: str
    """Its class; empty where it has none."""

    rings: tuple[Ring, ...]
    """Its outline, then its holes, in the file's own units."""

    unit: str | None
    """The unit that the file states for this area, or None where it states none."""


@dataclass(slots=True, kw_only=True)
class FileShapes:
    """Gathers the areas of a file.

    Areas of the wanted classes are kept; the others are only counted.
    """

    wanted: Collection[str] = ()
    """Classes to keep; all where this is empty."""

    shapes: list[FileShape] = field(default_factory=list)
    """The areas kept, in the file's order."""

    classes: Counter[str] = field(default_factory=Counter)
    """Number of areas of each class, kept or not."""

    left_out: Counter[str] = field(default_factory=Counter)
    """Number of objects in the file that are not areas, by kind."""

    unit: str | None = None
    """The unit that the file states for all its areas, or None where it states none."""

    origin: tuple[float, float] | None = None
    """Level-0 (x, y) where the file's coordinates begin, or None where it does not say."""

    slide_size: tuple[int, int] | None = None
    """(width, height) of the slide the file was made for, or None where it does not say."""

    mpp: float | None = None
    """Micrometres per pixel of the slide the file was made for, or None where it does not say."""

    _corners: int = 0

    def add(self, class_name: str, rings: Sequence[Any], *, unit: str | None, where: str) -> None:
        """Add an area: its outline, then its holes.

        Parameters
        ----------
        class_name
            Its class.
        rings
            Each a sequence of corners (x, y, ...), closed or not.
        unit
            The unit that the file states for the area.
        where
            The area's place in the file, for messages.

        Raises
        ------
        AnnotationError
            A coordinate is not a number within ±`LARGEST_COORDINATE`, or there are too many areas
            or corners.
        """
        checked = [
            ring for ring in (self._ring(ring, where) for ring in rings[:1]) if ring is not None
        ]
        if not checked:
            self.left_out["outlines of fewer than 3 corners"] += 1
            return
        self.classes[class_name or UNNAMED] += 1
        if self.wanted and (class_name or UNNAMED) not in self.wanted:
            return
        holes = (self._ring(ring, where) for ring in rings[1:])
        checked += [ring for ring in holes if ring is not None]
        self._corners += sum(map(len, checked))
        self._check_limits()
        self.shapes.append(FileShape(class_name, tuple(checked), unit))

    def _check_limits(self) -> None:
        if self._corners > LARGEST_CORNER_COUNT or len(self.shapes) >= LARGEST_SHAPE_COUNT:
            raise AnnotationError(
                f"it has more than {LARGEST_SHAPE_COUNT:,} areas or {LARGEST_CORNER_COUNT:,} "
                "corners: keep the classes you need, or simplify the outlines"
            )

    def _ring(self, ring: Any, where: str) -> Ring | None:
        """Return a ring as an array, or None where it encloses nothing."""
        corners = _numbers(ring, where)
        if len(corners) > 1 and (corners[0] == corners[-1]).all():
            corners = corners[:-1]
        return corners if len(corners) >= 3 else None


def _numbers(ring: Any, where: str) -> Ring:
    try:
        array = np.asarray(ring)
    except (ValueError, TypeError, OverflowError) as error:
        raise AnnotationError(f"{where} is not a list of corners (x, y)") from error
    if array.size == 0:
        return np.empty((0, 2))
    if array.dtype.kind not in "iuf" or array.ndim != 2 or array.shape[1] < 2:
        raise AnnotationError(f"{where} is not a list of corners (x, y), but {ring!r:.60}")
    corners = array[:, :2].astype(np.float64)
    if not (np.abs(corners) <= LARGEST_COORDINATE).all():
        bad = corners[~(np.abs(corners) <= LARGEST_COORDINATE)][0]
        raise AnnotationError(
            f"{where} has the coordinate {bad:g}, which is not a number up to "
            f"{LARGEST_COORDINATE:g}"
        )
    return corners

"""The areas of a file of outlines, in the file's own units.

Knows outlines and limits. Does not know the slide they belong to, nor the file's format.
"""

import itertools
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, NoReturn

import numpy as np
from numpy.typing import NDArray

from slidetile.errors import AnnotationError

LARGEST_CORNER_COUNT = 1 << 24
LARGEST_SHAPE_COUNT = 200_000
LARGEST_RING_COUNT = 1 << 20
LARGEST_MARK_COUNT = 1 << 20
LARGEST_COORDINATE = 1e9

UNNAMED = "(no class)"
"""The name shown for areas without a class."""

Ring = NDArray[np.float64]
"""float64 [corner, (x, y)]; the last corner is joined to the first."""


class FileMark(NamedTuple):
    """A point of the file, or the middle of a line."""

    class_name: str
    """Its class; empty where it has none."""

    place: tuple[float, float]
    """(x, y), in the file's own units."""

    unit: str | None
    """The unit that the file states for it, or None where it states none."""


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

    marks: list[FileMark] | None = None
    """Points, and the middles of lines; None where they are not kept, but counted in `left_out`."""

    unit: str | None = None
    """The unit that the file states for all its areas, or None where it states none."""

    origin: tuple[float, float] | None = None
    """Level-0 (x, y) where the file's coordinates begin, or None where it does not say."""

    slide_size: tuple[int, int] | None = None
    """(width, height) of the slide the file was made for, or None where it does not say."""

    mpp: float | None = None
    """Micrometres per pixel of the slide the file was made for, or None where it does not say."""

    _corners: int = 0
    _rings: int = 0
    _unkept: int = 0

    def count(self, corners: int) -> None:
        """Count corners of the area that is being read, before they are kept.

        Raises
        ------
        AnnotationError
            With those of the areas that are kept they are too many.
        """
        self._unkept += corners
        if self._corners + self._unkept > LARGEST_CORNER_COUNT:
            self._fail(f"{LARGEST_CORNER_COUNT:,} corners")

    def forget(self) -> None:
        """Forget the corners that were counted: the next area begins."""
        self._unkept = 0

    def ring(self, corners: Any, where: str) -> Ring | None:
        """Return a ring as an array, or None where it encloses nothing.

        Parameters
        ----------
        corners
            A sequence of corners (x, y, ...), closed or not.
        where
            The ring's place in the file, for messages.

        Raises
        ------
        AnnotationError
            A coordinate is not a number within ±`LARGEST_COORDINATE`.
        """
        ring = numbers(corners, where)
        if len(ring) > 1 and (ring[0] == ring[-1]).all():
            ring = ring[:-1]
        return ring if len(ring) >= 3 else None

    def takes(self, class_name: str) -> bool:
        """Count an area of a class, and return whether such areas are kept."""
        name = class_name or UNNAMED
        self.classes[name] += 1
        if self.wanted:
            return name in self.wanted
        if class_name.endswith("*"):
            self.left_out[f"areas of the class {class_name}"] += 1
            return False
        return True

    def add(self, class_name: str, rings: Sequence[Ring], *, unit: str | None) -> None:
        """Keep an area: its outline, then its holes, each from `ring`; ask `takes` before.

        Parameters
        ----------
        class_name
            Its class.
        rings
            Its outline, then its holes.
        unit
            The unit that the file states for the area.

        Raises
        ------
        AnnotationError
            There are too many areas, rings or corners.
        """
        self._rings += len(rings)
        self._corners += sum(map(len, rings))
        if self._corners > LARGEST_CORNER_COUNT:
            self._fail(f"{LARGEST_CORNER_COUNT:,} corners")
        self.check_rings(0)
        if len(self.shapes) >= LARGEST_SHAPE_COUNT:
            self._fail(f"{LARGEST_SHAPE_COUNT:,} areas")
        self.shapes.append(FileShape(class_name, tuple(rings), unit))

    def mark(
        self, class_name: str, kind: str, corners: Any, *, unit: str | None, where: str
    ) -> None:
        """Keep a line by its middle, or points one by one; or count it, as what is not used.

        Parameters
        ----------
        class_name
            Its class.
        kind
            "points", or another name for what is a line.
        corners
            A sequence of points (x, y, ...).
        unit, where
            As in `add` and `ring`.

        Raises
        ------
        AnnotationError
            A coordinate is not a number, or there are too many points.
        """
        if self.marks is None or class_name.endswith("*"):
            self.left_out[kind] += 1
            return
        places = numbers(corners, where)
        if kind != "points" and len(places):
            places = _middle(places)
        if len(self.marks) + len(places) > LARGEST_MARK_COUNT:
            self._fail(f"{LARGEST_MARK_COUNT:,} points")
        self.marks += [FileMark(class_name, (x, y), unit) for x, y in places.tolist()]

    def check_rings(self, unkept: int) -> None:
        """Check how many outlines and holes there are with those that are not yet kept.

        Raises
        ------
        AnnotationError
            They are more than `LARGEST_RING_COUNT`.
        """
        if self._rings + unkept > LARGEST_RING_COUNT:
            self._fail(f"{LARGEST_RING_COUNT:,} outlines and holes")

    def _fail(self, most: str) -> NoReturn:
        raise AnnotationError(
            f"it has more than {most}: keep the classes you need (--annotations-class), or "
            "simplify the outlines"
        )


def numbers(corners: Any, where: str) -> Ring:
    """Return corners (x, y, ...) as float64 [corner, (x, y)].

    Raises
    ------
    AnnotationError
        They are not corners, or a coordinate is not a number within ±`LARGEST_COORDINATE`.
    """
    try:
        array = np.asarray(corners)
    except (ValueError, TypeError, OverflowError) as error:
        raise AnnotationError(_no_corners(corners, where)) from error
    if array.size == 0:
        return np.empty((0, 2))
    is_plane = array.dtype.kind in "iuf" and array.ndim == 2 and array.shape[1] >= 2
    if not is_plane or _has_truth(corners):
        raise AnnotationError(_no_corners(corners, where))
    ring = array[:, :2].astype(np.float64, copy=False)
    # The least and the greatest are NaN where any is, and take no memory.
    for bad in (float(ring.min()), float(ring.max())):
        if not abs(bad) <= LARGEST_COORDINATE:
            raise AnnotationError(
                f"{where} has the coordinate {bad:g}, which is not a number up to "
                f"{LARGEST_COORDINATE:g}: correct it, or export the file again"
            )
    return ring


def _middle(line: Ring) -> Ring:
    """Return the point halfway along a line, [1, (x, y)]."""
    lengths = np.hypot(*np.diff(line, axis=0).T)
    up_to = np.concatenate([[0.0], np.cumsum(lengths)])
    half = up_to[-1] / 2
    return np.array([[np.interp(half, up_to, line[:, side]) for side in (0, 1)]])


def _has_truth(corners: Any) -> bool:
    """Return whether true or false is among the coordinates: numpy takes them for 1 and 0."""
    if not isinstance(corners, list):
        return False
    return bool in set(map(type, itertools.chain.from_iterable(corners)))


def _no_corners(corners: Any, where: str) -> str:
    """Say which corner is none, where it is one of several."""
    what = corners
    if isinstance(corners, list) and corners:
        what = next((corner for corner in corners if not _is_corner(corner)), corners)
    return (
        f"{where} is not a list of corners (x, y): it has {what!r:.60}; export it with two numbers "
        "for each corner"
    )


def _is_corner(corner: Any) -> bool:
    is_pair = isinstance(corner, list) and len(corner) >= 2
    return is_pair and all(type(value) in (int, float) for value in corner[:2])

"""Which pixels many outlines enclose, as rectangles of pixels, in bands that keep memory flat.

Knows outlines and pixels. Does not know what they show, or files.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Shape = Sequence[NDArray[np.float64]]
"""An outline, then its holes: float64 [corner, (x, y)], the last corner joined to the first."""

Rectangles = NDArray[np.int32]
"""int32 [rectangle, (left, top, right, bottom)], right and bottom exclusive, in pixels."""

LARGEST_CROSSING_COUNT = 1_000_000_000
"""Most crossings of outlines with rows of pixels; more would take several minutes."""

LARGEST_RECTANGLE_COUNT = 1 << 24
"""Most rectangles of all areas, 16 bytes each."""

_BAND_CROSSINGS = 1 << 20
_BAND_ROWS = 1 << 16
_GROUP_CORNERS = 1 << 20
_HOLE = 2
"""What a hole takes away: more than an outline gives, however many overlap."""


class TooManyPixelsError(ValueError):
    """The outlines are so long or so many that they cannot be filled within the limits."""


class Filled(NamedTuple):
    """What shapes enclose."""

    rectangles: Rectangles
    """All of it, each pixel once: disjoint, in the order of top and left edge, none of which could
    be joined with the one below it."""

    areas: NDArray[np.int64]
    """The pixels of each shape."""


class _Edges(NamedTuple):
    """The edges of many rings, one element each, and the rows of pixels that they cross."""

    start: NDArray[np.float64]
    end: NDArray[np.float64]
    ring: NDArray[np.int64]
    first: NDArray[np.int64]
    last: NDArray[np.int64]


class _Intervals(NamedTuple):
    """Pixels from ``start`` to ``end`` of a row, each of an owner in that row."""

    row: NDArray[np.int64]
    owner: NDArray[np.int64]
    start: NDArray[np.int64]
    end: NDArray[np.int64]

    @property
    def rectangles(self) -> Rectangles:
        """The same as rectangles a pixel high."""
        edges = (self.start, self.row, self.end, self.row + 1)
        return np.stack(edges, axis=1).astype(np.int32)


def fill_shapes(shapes: Sequence[Shape], size: tuple[int, int]) -> Filled:
    """Return the pixels whose centre lies in any of several shapes.

    A centre lies in a shape where its outline goes around it, in either direction (the nonzero
    winding rule), and none of its holes does. A ring owns the centres on its left and upper edges,
    so that two that share an edge never share a pixel.

    Parameters
    ----------
    shapes
        The shapes, in pixels from the image's top left corner.
    size
        (width, height) of the image; what lies outside is cut off.

    Raises
    ------
    TooManyPixelsError
        There are more crossings than `LARGEST_CROSSING_COUNT`, or more rectangles than
        `LARGEST_RECTANGLE_COUNT`. The message is about "they".
    """
    width, height = size
    spans = np.array([_rows(shape, height) for shape in shapes], np.int64).reshape(-1, 2)
    areas = np.zeros(len(shapes), np.int64)
    joined = JoinedRows()
    for top, bottom in _bands(_crossing_counts(shapes, height)):
        active = np.flatnonzero((spans[:, 0] < bottom) & (spans[:, 1] > top))
        found = _intervals([shapes[n] for n in active.tolist()], top, bottom, width)
        lengths = np.bincount(found.owner, found.end - found.start, minlength=len(active))
        areas[active] += lengths.astype(np.int64)
        joined.add(_united(found).rectangles, bottom)
    return Filled(joined.rectangles(), areas)


def fill_each(
    shapes: Sequence[Shape], size: tuple[int, int]
) -> tuple[Rectangles, NDArray[np.intp]]:
    """Return the pixels of each of several shapes as runs a pixel high, and whose each run is.

    Raises
    ------
    TooManyPixelsError
        As in `fill_shapes`.
    """
    width, height = size
    parts = [(np.empty((0, 4), np.int32), np.empty(0, np.intp))]
    for top, bottom in _bands(_crossing_counts(shapes, height)):
        found = _intervals(shapes, top, bottom, width)
        parts.append((found.rectangles, found.owner.astype(np.intp)))
    runs, owners = zip(*parts, strict=True)
    return np.concatenate(runs), np.concatenate(owners)


def check_count(rectangles: int) -> None:
    """Check that there are not more rectangles than a store records.

    Raises
    ------
    TooManyPixelsError
        There are more than `LARGEST_RECTANGLE_COUNT`.
    """
    if rectangles > LARGEST_RECTANGLE_COUNT:
        raise TooManyPixelsError(
            f"their pixels make more than {LARGEST_RECTANGLE_COUNT:,} rectangles"
        )


def first_centre(edge: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the first pixel whose centre does not lie before an edge."""
    return np.ceil(edge - 0.5).astype(np.int64)


def _rows(shape: Shape, height: int) -> tuple[int, int]:
    """Return the first row of pixels that an outline may cross, and the one behind the last."""
    y = shape[0][:, 1]
    low, high = first_centre(np.array([y.min(), y.max()])).clip(0, height).tolist()
    return low, high


def _flattened(shapes: Sequence[Shape]) -> _Edges:
    """Return the edges of all rings of shapes, the rings numbered one after the other."""
    rings = [ring for shape in shapes for ring in shape]
    start = np.concatenate(rings) if rings else np.empty((0, 2))
    lengths = np.array([len(ring) for ring in rings], np.int64)
    following = np.arange(1, len(start) + 1)
    ends = np.cumsum(lengths)
    following[ends - 1] = ends - lengths
    end = start[following]
    low, high = np.minimum(start[:, 1], end[:, 1]), np.maximum(start[:, 1], end[:, 1])
    ring = np.repeat(np.arange(len(rings)), lengths)
    return _Edges(start, end, ring, first_centre(low), first_centre(high))


def _crossing_counts(shapes: Sequence[Shape], height: int) -> NDArray[np.int64]:
    """Return how often outlines cross each row of pixels."""
    steps = np.zeros(height + 1, np.int64)
    for group in _groups(shapes):
        edges = _flattened(group)
        np.add.at(steps, edges.first.clip(0, height), 1)
        np.add.at(steps, edges.last.clip(0, height), -1)
    counts: NDArray[np.int64] = np.cumsum(steps)[:-1]
    if (total := int(counts.sum())) > LARGEST_CROSSING_COUNT:
        raise TooManyPixelsError(
            f"they cross {total:,} rows of pixels, more than {LARGEST_CROSSING_COUNT:,}"
        )
    return counts


def _groups(shapes: Sequence[Shape]) -> Iterator[Sequence[Shape]]:
    """Yield shapes in groups of about so many corners."""
    corners = np.cumsum([sum(map(len, shape)) for shape in shapes])
    first = 0
    while first < len(shapes):
        done = int(corners[first - 1]) if first else 0
        last = max(first + 1, int(np.searchsorted(corners, done + _GROUP_CORNERS, "right")))
        yield shapes[first:last]
        first = last


def _bands(counts: NDArray[np.int64]) -> Iterator[tuple[int, int]]:
    """Yield the bands of rows with about so many crossings, from the first that is crossed."""
    crossed = np.flatnonzero(counts)
    if not len(crossed):
        return
    top, end = int(crossed[0]), int(crossed[-1]) + 1
    up_to = np.cumsum(counts)
    while top < end:
        done = int(up_to[top - 1]) if top else 0
        bottom = int(np.searchsorted(up_to, done + _BAND_CROSSINGS, "right"))
        bottom = min(max(top + 1, bottom), end, top + _BAND_ROWS)
        yield top, bottom
        top = bottom


def _intervals(shapes: Sequence[Shape], top: int, bottom: int, width: int) -> _Intervals:
    """Return the pixels of each shape in some rows; those of one shape are disjoint."""
    rings = _wound(_flattened(shapes), top, bottom, width)
    counts = np.array([len(shape) for shape in shapes], np.int64)
    owner = np.repeat(np.arange(len(shapes)), counts)
    is_hole = np.ones(len(owner), np.bool_)
    is_hole[np.cumsum(counts) - counts] = False
    if not is_hole[rings.owner].any():
        return rings._replace(owner=owner[rings.owner])
    weight = np.where(is_hole[rings.owner], -_HOLE, 1)
    return _inside(
        np.tile(rings.row, 2),
        np.tile(owner[rings.owner], 2),
        np.concatenate([rings.start, rings.end]),
        np.concatenate([weight, -weight]),
        wanted=1,
    )


def _wound(edges: _Edges, top: int, bottom: int, width: int) -> _Intervals:
    """Return the pixels that each ring goes around in some rows."""
    first, last = np.maximum(edges.first, top), np.minimum(edges.last, bottom)
    crossing = np.flatnonzero(last > first)
    counts = (last - first)[crossing]
    edge = np.repeat(crossing, counts)
    row = np.arange(len(edge)) + np.repeat(first[crossing] - np.cumsum(counts) + counts, counts)
    (x0, y0), (x1, y1) = edges.start[edge].T, edges.end[edge].T
    at = x0 + (row + 0.5 - y0) * ((x1 - x0) / (y1 - y0))
    column = first_centre(at).clip(0, width)
    return _inside(row, edges.ring[edge], column, np.where(y1 > y0, 1, -1), wanted=None)


def _united(found: _Intervals) -> _Intervals:
    """Return the pixels of any owner."""
    ones = np.ones(len(found.row), np.int64)
    return _inside(
        np.tile(found.row, 2),
        np.zeros(2 * len(found.row), np.int64),
        np.concatenate([found.start, found.end]),
        np.concatenate([ones, -ones]),
        wanted=None,
    )


def _inside(
    row: NDArray[np.int64],
    owner: NDArray[np.int64],
    column: NDArray[np.int64],
    step: NDArray[np.int64],
    *,
    wanted: int | None,
) -> _Intervals:
    """Return where the steps of each owner in each row add up to what is wanted.

    They add up to 0 behind the last column of every owner in every row. What is wanted is a number,
    or None for any but 0. All is sorted as one number, which takes a tenth of the time that several
    take: 16 bits of a row, 20 of an owner, 25 of a column, 3 of a step, the largest first.
    """
    if not len(row):
        return _Intervals(row, owner, column, column)
    top = int(row.min())
    keys = ((row - top) << 48 | owner << 28 | column << 3 | (_HOLE - step)).view(np.uint64)
    keys.sort()
    total = np.cumsum(_HOLE - (keys & 7).astype(np.int64))
    is_in = total != 0 if wanted is None else total == wanted
    was_in = np.concatenate([[False], is_in[:-1]])
    begins, ends = keys[is_in & ~was_in], keys[was_in & ~is_in]
    start, end = ((each >> 3 & 0x1FFFFFF).astype(np.int64) for each in (begins, ends))
    is_any = start < end
    begins, start, end = begins[is_any], start[is_any], end[is_any]
    found_row, found_owner = begins >> 48, begins >> 28 & 0xFFFFF
    return _Intervals(found_row.astype(np.int64) + top, found_owner.astype(np.int64), start, end)


class JoinedRows:
    """Joins runs of neighbouring rows that begin and end alike, band by band from the top."""

    def __init__(self) -> None:
        self._open = np.empty((0, 4), np.int32)
        self._done: list[Rectangles] = []
        self._count = 0

    def add(self, runs: Rectangles, bottom: int) -> None:
        """Add the disjoint rectangles of the next rows, down to ``bottom``."""
        joined = _joined(np.concatenate([self._open, runs]))
        is_open = joined[:, 3] == bottom
        self._open = joined[is_open]
        self._keep(joined[~is_open])

    def rectangles(self) -> Rectangles:
        """Return what the runs make, in the order of top and left edge."""
        self._keep(self._open)
        found = np.concatenate(self._done)
        self._open, self._done = self._open[:0], [found]
        return found[np.argsort(found[:, 1].astype(np.int64) << 32 | found[:, 0])]

    def _keep(self, rectangles: Rectangles) -> None:
        self._count += len(rectangles)
        check_count(self._count)
        self._done.append(rectangles)


def _joined(rectangles: Rectangles) -> Rectangles:
    """Join each rectangle with the one below it, where both begin and end alike."""
    left, top, right, bottom = rectangles[np.lexsort((rectangles.T[1], *rectangles.T[[2, 0]]))].T
    begins = np.ones(len(left), np.bool_)
    begins[1:] = (left[1:] != left[:-1]) | (right[1:] != right[:-1]) | (top[1:] != bottom[:-1])
    ends = np.roll(begins, -1) if len(begins) else begins
    return np.stack([left[begins], top[begins], right[begins], bottom[ends]], axis=1)

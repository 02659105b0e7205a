"""Which areas of a layer each of its holes may cut, in time near the number of both.

Knows bounds. Does not know outlines or files.
"""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from slidetile.annotations._shapes import LARGEST_RING_COUNT, Ring
from slidetile.errors import AnnotationError

LARGEST_COMPARISON_COUNT = 1 << 27
"""Most pairs of a hole and an area whose bounds are compared: a few seconds' work."""

_AT_ONCE = 1 << 20

Bounds = NDArray[np.float64]
"""float64 [ring, (left, top, right, bottom)]."""


def meeting_pairs(holes: Sequence[Ring], areas: Sequence[Ring]) -> NDArray[np.intp]:
    """Return the pairs of a hole and an area whose bounds meet.

    Holes of about the same width lie in the order of their left edges. So those that can meet an
    area are a range, and only these are compared with it.

    Returns
    -------
    integer array [pair, (area, hole)]
        In the order of the areas, and for each of them in that of the holes.

    Raises
    ------
    AnnotationError
        Too many would have to be compared, or too many meet.
    """
    if not holes or not areas:
        return np.empty((0, 2), np.intp)
    inner, outer = _bounds(holes), _bounds(areas)
    plans = [_ranges(inner, outer, axis) for axis in (0, 1)]
    work, ranges = min(((_work(plan), plan) for plan in plans), key=lambda each: each[0])
    if work > LARGEST_COMPARISON_COUNT:
        raise AnnotationError(
            f"one of its layers has {len(holes):,} negative regions (NegativeROA) among "
            f"{len(areas):,} areas, too many to compare: give these areas a layer of their own, or "
            "save fewer of them"
        )
    found = [np.empty((0, 2), np.intp)]
    for pairs in _candidates(ranges):
        low, high = inner[pairs[:, 1]], outer[pairs[:, 0]]
        meet = (low[:, :2] <= high[:, 2:]) & (low[:, 2:] >= high[:, :2])
        found.append(pairs[meet.all(axis=1)])
        if sum(map(len, found)) > LARGEST_RING_COUNT:
            raise AnnotationError(
                f"its negative regions (NegativeROA) cut more than {LARGEST_RING_COUNT:,} holes "
                "into areas: give the areas they are for a layer of their own"
            )
    together = np.concatenate(found)
    return together[np.lexsort((together[:, 1], together[:, 0]))]


def _bounds(rings: Sequence[Ring]) -> Bounds:
    return np.array([(*ring.min(axis=0), *ring.max(axis=0)) for ring in rings])


class _Range:
    """Holes of about the same width, and for each area which of them may meet it."""

    def __init__(self, numbers: NDArray[np.intp], holes: Bounds, areas: Bounds, axis: int) -> None:
        self.numbers = numbers[np.argsort(holes[numbers, axis], kind="stable")]
        starts = holes[self.numbers, axis]
        widest = float((holes[numbers, axis + 2] - holes[numbers, axis]).max())
        self.first = np.searchsorted(starts, areas[:, axis] - widest, "left")
        self.end = np.searchsorted(starts, areas[:, axis + 2], "right")


def _ranges(holes: Bounds, areas: Bounds, axis: int) -> list[_Range]:
    width = holes[:, axis + 2] - holes[:, axis]
    size = np.frexp(width)[1]
    return [_Range(np.flatnonzero(size == each), holes, areas, axis) for each in np.unique(size)]


def _work(ranges: Sequence[_Range]) -> int:
    return sum(int((each.end - each.first).sum()) for each in ranges)


def _candidates(ranges: Sequence[_Range]) -> Iterator[NDArray[np.intp]]:
    """Yield the pairs [pair, (area, hole)] to compare, about a million at a time."""
    for each in ranges:
        counts = each.end - each.first
        ends = np.cumsum(counts)
        begin = 0
        while begin < len(counts):
            done = ends[begin] - counts[begin]
            stop = max(begin + 1, int(np.searchsorted(ends, done + _AT_ONCE, "right")))
            part = counts[begin:stop]
            areas = np.repeat(np.arange(begin, stop), part)
            within = np.arange(len(areas)) - np.repeat(ends[begin:stop] - part - done, part)
            yield np.stack([areas, each.numbers[each.first[areas] + within]], axis=1)
            begin = stop

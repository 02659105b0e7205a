"""Which ranges of an object are fetched in one request: few requests, and few bytes in vain.

Knows offsets and lengths. Does not know objects, nor what the bytes are.
"""

import bisect
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

REQUEST_BYTES = 2 << 20
"""What a request fetches on average, where ranges lie close enough: it waits as long as that
takes."""

LARGEST_BYTES = tuple(size << 20 for size in (4, 8, 16, 32))
"""The longest request, of which the shortest that leads to few enough requests is taken: what is
fetched is held until the last of it is read."""

LARGEST_GAP_BYTES = 64 << 10
"""Gaps up to this are read through, as on a disk, while little is fetched in vain altogether."""

_MOST_WASTED = (0.098, 0.15)
"""Share of the bytes of all ranges that may be fetched in vain, and where that does not lead to
few enough requests: the gaps of narrow tissue are many, and each is as dear as a request."""

_NOTHING_BYTES = 1 << 18
"""So much may always be: to wait for another request takes longer."""


class Request(NamedTuple):
    """Neighbouring ranges of an object that are fetched at once."""

    start: int
    stop: int
    wanted: tuple[tuple[int, int], ...]
    """The ranges in it, as (start, stop), joined where they touch."""
    first: int
    """The least number of its ranges, in the order in which they were given."""


def requests(offsets: Sequence[int], counts: Sequence[int]) -> list[Request]:
    """Return the requests that fetch many ranges, from the object's start to its end.

    The smallest gaps are read through first, until requests fetch `REQUEST_BYTES` on average or a
    tenth of what is fetched would be in vain; a seventh, where that makes the requests few enough.
    """
    starts, stops, firsts = _merged(np.asarray(offsets, np.int64), np.asarray(counts, np.int64))
    if not len(starts):
        return []
    cuts = _cuts(starts, stops)
    found = []
    for begin, end in zip([0, *(cuts + 1)], [*cuts, len(starts) - 1], strict=True):
        own = slice(int(begin), int(end) + 1)
        wanted = _joined(starts[own], stops[own])
        found.append(
            Request(int(starts[begin]), int(stops[own].max()), wanted, int(firsts[own].min()))
        )
    return found


def _merged(
    offsets: NDArray[np.int64], counts: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Return the (starts, stops, numbers) of ranges by their offsets; overlapping ones are one."""
    numbers = np.flatnonzero(counts > 0)
    order = numbers[np.argsort(offsets[numbers], kind="stable")]
    starts, stops = offsets[order], (offsets + counts)[order]
    if not len(order):
        return starts, stops, order
    reach = np.maximum.accumulate(stops)
    is_new = np.append(True, starts[1:] >= reach[:-1])
    first = np.flatnonzero(is_new)
    return starts[first], np.maximum.reduceat(stops, first), np.minimum.reduceat(order, first)


def _cuts(starts: NDArray[np.int64], stops: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the numbers of the ranges behind which a request ends."""
    gaps = starts[1:] - stops[:-1]
    order = np.argsort(gaps, kind="stable")
    needed, wasted = int((stops - starts).sum()), np.append(0, np.cumsum(gaps[order]))
    most = [
        int(np.searchsorted(wasted, max(share * needed, _NOTHING_BYTES), "right")) - 1
        for share in _MOST_WASTED
    ]
    close = int(np.searchsorted(gaps[order], LARGEST_GAP_BYTES, "right"))

    def cuts(joined: int, largest: int) -> NDArray[np.int64]:
        """Return the cuts once the smallest gaps are read through, so many of them."""
        is_cut = np.ones(len(gaps), np.bool_)
        is_cut[order[:joined]] = False
        return _ends(starts, stops, is_cut, largest)

    def is_enough(joined: int, largest: int) -> bool:
        count = len(cuts(joined, largest)) + 1
        return count * REQUEST_BYTES <= needed + int(wasted[joined])

    for limit in most:
        for largest in LARGEST_BYTES:
            if is_enough(limit, largest):
                tried = range(min(most[0], close), limit)
                at = bisect.bisect_left(tried, True, key=lambda n: is_enough(n, largest))
                return cuts(tried[at] if at < len(tried) else limit, largest)
    return cuts(most[0], LARGEST_BYTES[-1])


def _ends(
    starts: NDArray[np.int64], stops: NDArray[np.int64], is_cut: NDArray[np.bool_], largest: int
) -> NDArray[np.int64]:
    """Return the ends of runs between cuts, long runs in parts of about the same length."""
    ends = np.append(np.flatnonzero(is_cut), len(starts) - 1)
    begins = np.append(0, ends[:-1] + 1)
    lengths = stops[ends] - starts[begins]
    found = [ends[:-1]]
    for run in np.flatnonzero(lengths > largest).tolist():
        parts = -(-int(lengths[run]) // largest)
        inner = starts[begins[run]] + np.arange(1, parts) * (lengths[run] / parts)
        own = stops[begins[run] : ends[run] + 1]
        at = begins[run] + np.searchsorted(own, inner)
        found.append(at[at < ends[run]])
    return np.unique(np.concatenate(found)).astype(np.int64)


def _joined(starts: NDArray[np.int64], stops: NDArray[np.int64]) -> tuple[tuple[int, int], ...]:
    first = np.append(0, np.flatnonzero(starts[1:] > stops[:-1]) + 1)
    last = np.append(first[1:] - 1, len(starts) - 1)
    return tuple(zip(starts[first].tolist(), stops[last].tolist(), strict=True))


def without(ranges: Sequence[tuple[int, int]], start: int, stop: int) -> list[tuple[int, int]]:
    """Return what is left of ranges, as (start, stop), once one of them has been read."""
    left = []
    for first, last in ranges:
        if last <= start or first >= stop:
            left.append((first, last))
            continue
        if first < start:
            left.append((first, start))
        if last > stop:
            left.append((stop, last))
    return left

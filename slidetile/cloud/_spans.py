"""Which ranges of an object are fetched in one request: few requests, and few bytes in vain.

Knows offsets and lengths. Does not know objects, nor what the bytes are.
"""

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
    sizes = np.sort(gaps)
    needed = int((stops - starts).sum())
    reached = np.cumsum(sizes)
    joined = [
        int(np.searchsorted(reached, max(share * needed, _NOTHING_BYTES), "right"))
        for share in _MOST_WASTED
    ]
    least = min(joined[0], int(np.searchsorted(sizes, LARGEST_GAP_BYTES, "right")))
    for most in joined:
        for largest in LARGEST_BYTES:
            found = _fewest(starts, stops, gaps, sizes[:most], least, largest)
            if found is not None:
                return found
    limit = sizes[joined[0] - 1] if joined[0] else -1
    return _ends(starts, stops, gaps > limit, LARGEST_BYTES[-1])


def _fewest(
    starts: NDArray[np.int64],
    stops: NDArray[np.int64],
    gaps: NDArray[np.int64],
    sizes: NDArray[np.int64],
    least: int,
    largest: int,
) -> NDArray[np.int64] | None:
    """Return the cuts with the fewest bytes in vain that are few enough; None where none are."""
    low, high = least, len(sizes)
    found: NDArray[np.int64] | None = None
    while low <= high:
        joined = (low + high) // 2
        limit = sizes[joined - 1] if joined else -1
        cuts = _ends(starts, stops, gaps > limit, largest)
        fetched = int((stops - starts).sum() + gaps[gaps <= limit].sum())
        if (len(cuts) + 1) * REQUEST_BYTES <= fetched:
            found, high = cuts, joined - 1
        else:
            low = joined + 1
    return found


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

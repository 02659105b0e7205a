"""Which ranges of a file lie near enough to be read at once: integers.

Knows offsets and lengths. Does not know files, nor what the bytes are.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

LARGEST_GAP_BYTES = 64 << 10
"""Reading this much for nothing costs less than another call, on network drives most of all."""

LARGEST_READ_BYTES = 8 << 20
"""A read joins no more than this; only a range that is larger by itself exceeds it."""


@dataclass(frozen=True, slots=True)
class Read:
    """Neighbouring ranges of a file, and the bytes that hold them all."""

    ranges: tuple[int, ...]
    """The ranges, by their number, in the order they lie in."""

    start: int
    """The first byte."""

    stop: int
    """The byte after the last."""


def joined_reads(offsets: Sequence[int], counts: Sequence[int]) -> Iterator[Read]:
    """Yield the reads that fetch many ranges of a file in few calls, from its start to its end.

    Ranges that lie at most 64 KiB apart are read at once, up to 8 MiB. They may overlap.

    Parameters
    ----------
    offsets, counts
        Where each range begins, and how many bytes it has.
    """
    ranges: list[int] = []
    start = stop = 0
    for number in sorted(range(len(offsets)), key=offsets.__getitem__):
        first, last = offsets[number], offsets[number] + counts[number]
        is_far = first - stop > LARGEST_GAP_BYTES
        if ranges and (is_far or max(stop, last) - start > LARGEST_READ_BYTES):
            yield Read(tuple(ranges), start, stop)
            ranges = []
        if not ranges:
            start = stop = first
        ranges.append(number)
        stop = max(stop, last)
    if ranges:
        yield Read(tuple(ranges), start, stop)

"""Which ranges of a file are close enough together to be read at once.

Knows offsets and lengths. Does not know files, nor what the bytes are.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

LARGEST_GAP_BYTES = 64 << 10
"""Reading this much in vain costs less than another call, on network drives most of all."""

LARGEST_READ_BYTES = 8 << 20
"""Joined ranges are at most this long; only a single larger range exceeds it."""


@dataclass(frozen=True, slots=True)
class Read:
    """Neighbouring ranges of a file, and the bytes that hold them all."""

    ranges: tuple[int, ...]
    """Numbers of the ranges, in the order of their offsets."""

    start: int
    """Offset of the first byte."""

    stop: int
    """Offset after the last byte."""


def joined_reads(offsets: Sequence[int], counts: Sequence[int]) -> Iterator[Read]:
    """Yield the reads that fetch many ranges of a file in few calls, from its start to its end.

    Ranges at most 64 KiB apart are read at once, up to 8 MiB. They may overlap.

    Parameters
    ----------
    offsets, counts
        Offset and length of each range, in bytes.
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

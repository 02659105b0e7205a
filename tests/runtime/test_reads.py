"""Ranges are joined into reads: all of them, once, and never too much at a time."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from slidetile.runtime.reads import LARGEST_GAP_BYTES, LARGEST_READ_BYTES, joined_reads

lengths = st.one_of(st.integers(0, 3 * LARGEST_GAP_BYTES), st.integers(0, 2 * LARGEST_READ_BYTES))
ranges = st.lists(st.tuples(lengths, lengths), max_size=30)


def found(offsets, counts):
    return [(list(read.ranges), read.start, read.stop) for read in joined_reads(offsets, counts)]


def test_neighbours_are_read_at_once_and_strangers_not():
    gap, most = LARGEST_GAP_BYTES, LARGEST_READ_BYTES
    assert found([], []) == []
    assert found([5, 15, 25 + gap], [10, 10, 10]) == [([0, 1, 2], 5, 35 + gap)]
    assert found([5, 16 + gap], [10, 10]) == [([0], 5, 15), ([1], 16 + gap, 26 + gap)]
    assert found([0, most], [most, 1]) == [([0], 0, most), ([1], most, most + 1)]
    assert found([0, 10, 100], [100, 5, 1]) == [([0, 1, 2], 0, 101)]


def test_any_order_will_do():
    assert found([15, 5], [10, 10]) == [([1, 0], 5, 25)]


@given(ranges)
def test_every_range_is_in_one_read_that_holds_it(ranges):
    offsets, counts = [offset for offset, _ in ranges], [count for _, count in ranges]
    reads = list(joined_reads(offsets, counts))
    assert sorted(number for read in reads for number in read.ranges) == list(range(len(ranges)))
    for read in reads:
        own = [ranges[number] for number in read.ranges]
        assert read.start == min(offset for offset, _ in own)
        assert read.stop == max(offset + count for offset, count in own)
        assert (
            read.stop - read.start <= LARGEST_READ_BYTES
            or len(own) == 1
            or max(count for _, count in own) == read.stop - read.start
        )


@given(ranges)
def test_reads_are_as_few_as_that_allows(ranges):
    offsets, counts = [offset for offset, _ in ranges], [count for _, count in ranges]
    for read, following in pairwise(joined_reads(offsets, counts)):
        first = following.ranges[0]
        end = max(read.stop, offsets[first] + counts[first])
        is_far = following.start - read.stop > LARGEST_GAP_BYTES
        assert is_far or end - read.start > LARGEST_READ_BYTES

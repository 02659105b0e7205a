"""Ranges are fetched in few requests, with few bytes in vain, whatever lies between them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as some

from slidetile.cloud._spans import REQUEST_BYTES, requests


def counted(offsets, counts):
    """Return the number of requests, the bytes that they fetch, and those needed."""
    found = requests(offsets, counts)
    for start, stop in zip(offsets, np.add(offsets, counts).tolist(), strict=True):
        assert any(each.start <= start and stop <= each.stop for each in found)
    return len(found), sum(each.stop - each.start for each in found), sum(counts)


@pytest.mark.parametrize("gap", [40_000, 110_000, 180_000, 220_000])
def test_rows_of_narrow_tissue_take_few_requests(gap):
    """Their gaps are many, and each is small beside a request."""
    offsets = [row * (900_000 + gap) for row in range(200)]
    made, fetched, needed = counted(offsets, [900_000] * 200)
    assert made <= fetched / REQUEST_BYTES + 3
    assert fetched <= 1.15 * needed


def test_what_lies_far_apart_is_not_fetched_in_vain():
    _, fetched, needed = counted([row * 9_000_000 for row in range(200)], [900_000] * 200)
    assert fetched <= 1.1 * needed


@given(some.lists(some.tuples(some.integers(0, 1 << 20), some.integers(1, 1 << 20)), max_size=60))
def test_all_ranges_are_fetched(ranges):
    offsets = np.cumsum([gap for gap, _ in ranges]).tolist()
    _, fetched, needed = counted(offsets, [count for _, count in ranges])
    assert fetched <= 1.15 * needed + (1 << 18)

"""Which holes meet which areas: those of every pair's bounds, at a bounded cost."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as some

import slidetile as st
from slidetile.annotations import _negative
from slidetile.annotations._negative import meeting_pairs

numbers = some.integers(0, 40)
boxes = some.lists(some.tuples(numbers, numbers, some.integers(0, 20), numbers), max_size=12)


def ring(left, top, width, height):
    right, bottom = left + width, top + height
    return np.array([(left, top), (right, top), (right, bottom), (left, bottom)], float)


def brute(holes, areas):
    """Compare every hole with every area."""
    return [
        [number, other]
        for number, area in enumerate(areas)
        for other, hole in enumerate(holes)
        if (hole.min(axis=0) <= area.max(axis=0)).all()
        and (hole.max(axis=0) >= area.min(axis=0)).all()
    ]


@given(boxes, boxes)
def test_pairs_are_those_whose_bounds_meet(holes, areas):
    holes, areas = ([ring(*box) for box in some] for some in (holes, areas))
    assert meeting_pairs(holes, areas).tolist() == brute(holes, areas)


def test_pairs_are_the_same_a_few_at_a_time(monkeypatch):
    monkeypatch.setattr(_negative, "_AT_ONCE", 3)
    holes = [ring(x, 0, 3, 3) for x in range(0, 40, 2)]
    areas = [ring(x, 1, 8, 5) for x in range(-4, 44, 3)]
    assert meeting_pairs(holes, areas).tolist() == brute(holes, areas)


def test_what_lies_side_by_side_is_hardly_compared(monkeypatch):
    monkeypatch.setattr(_negative, "LARGEST_COMPARISON_COUNT", 30_000)
    for corner in (lambda n: (30 * n, 0), lambda n: (0, 30 * n)):
        holes = [ring(*corner(number), 20, 20) for number in range(10_000)]
        assert len(meeting_pairs(holes, holes)) == 10_000


def test_too_many_comparisons_and_too_many_holes_are_refused(monkeypatch):
    one = [ring(0, 0, 9, 9)] * 100
    monkeypatch.setattr(_negative, "LARGEST_RING_COUNT", 9_999)
    with pytest.raises(st.AnnotationError, match="more than 9,999 holes into areas: give"):
        meeting_pairs(one, one)
    monkeypatch.setattr(_negative, "LARGEST_COMPARISON_COUNT", 9_999)
    with pytest.raises(st.AnnotationError, match=r"100 negative regions .* 100 areas, too many"):
        meeting_pairs(one, one)

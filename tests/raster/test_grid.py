"""Squares on a canvas, and what becomes of those at its edges."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from slidetile.raster.grid import TileGrid, check_fraction
from slidetile.raster.region import Region


def plain_starts(length, size, stride, edge):
    """Where squares begin along an axis: one after another, until nothing is left to cover."""
    starts, start = [], 0
    while start < length and not (starts and starts[-1] + size >= length):
        starts.append(start)
        start += stride
    if edge == "drop":
        return [start for start in starts if start + size <= length]
    last = max(0, length - size)
    return [min(start, last) for start in starts] if edge == "shift" else starts


lengths = st.integers(1, 60)


@given(
    lengths,
    lengths,
    st.integers(1, 25),
    st.integers(1, 25),
    st.sampled_from(["keep", "drop", "shift"]),
)
def test_squares_are_those_of_the_plain_twin(width, height, size, stride, edge):
    grid = TileGrid(width=width, height=height, size=size, stride=min(stride, size), edge=edge)
    lefts = plain_starts(width, size, grid.stride, edge)
    tops = plain_starts(height, size, grid.stride, edge)
    assert (grid.columns, grid.rows) == (len(lefts), len(tops))
    assert grid.lefts(np.arange(grid.columns)).tolist() == lefts
    assert grid.tops(np.arange(grid.rows)).tolist() == tops
    canvas = Region(x=0, y=0, width=width, height=height)
    for row, top in enumerate(tops):
        for column, left in enumerate(lefts):
            square = grid.region(column, row)
            assert square == Region(x=left, y=top, width=size, height=size)
            assert grid.inside(square) == square.intersection(canvas)


@given(lengths, st.integers(1, 25), st.sampled_from(["keep", "shift"]))
def test_nothing_of_the_canvas_is_left_uncovered(width, size, edge):
    grid = TileGrid(width=width, height=size, size=size, stride=size, edge=edge)
    lefts = grid.lefts(np.arange(grid.columns))
    assert set().union(*(range(left, left + size) for left in lefts)) >= set(range(width))


@pytest.mark.parametrize("name", ["width", "height", "size", "stride"])
def test_every_length_is_at_least_1(name):
    lengths = {"width": 9, "height": 9, "size": 3, "stride": 3, name: 0}
    with pytest.raises(ValueError, match=f"at least 1, but this one is .*{name}=0"):
        TileGrid(**lengths)


def test_there_is_no_other_edge():
    with pytest.raises(ValueError, match="An edge is keep, drop, shift, but this one is 'wrap'"):
        TileGrid(width=9, height=9, size=3, stride=3, edge="wrap")


@pytest.mark.parametrize("fraction", [-0.01, 1.01, float("nan")])
def test_a_fraction_lies_between_0_and_1(fraction):
    with pytest.raises(ValueError, match="between 0 and 1"):
        check_fraction(fraction)
    check_fraction(0)
    check_fraction(1)

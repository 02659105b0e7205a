"""How much of a mask lies in many rectangles."""

import tracemalloc
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from slidetile.raster import coverage
from slidetile.raster.coverage import covered_area, covered_share, sums_between


def exact_share(mask, scale, top, bottom, left, right):
    """The plain twin: add up what of the rectangle each mask pixel covers."""
    wide, high = map(Fraction, scale)
    covered = Fraction(0)
    for row, column in np.argwhere(mask).tolist():
        down = min((row + 1) * high, bottom) - max(row * high, top)
        across = min((column + 1) * wide, right) - max(column * wide, left)
        covered += max(down, Fraction(0)) * max(across, Fraction(0))
    return covered / ((bottom - top) * (right - left))


@given(
    st.tuples(st.integers(1, 8), st.integers(1, 8), st.integers(0, 2**31)),
    st.sampled_from([(1.0, 1.0), (8.0, 8.0), (7.3, 2.25)]),
    st.integers(1, 20),
    st.integers(1, 20),
)
def test_shares_are_exact(case, scale, size, stride):
    mask = np.random.default_rng(case[2]).random(case[:2]) < 0.5
    height, width = int(case[0] * scale[1]), int(case[1] * scale[0])
    tops, lefts = np.arange(0, height, stride), np.arange(0, width, stride)
    rows, columns = (
        (tops, np.minimum(tops + size, height)),
        (lefts, np.minimum(lefts + size, width)),
    )
    shares = covered_share(mask, scale, rows, columns)
    for i, j in np.ndindex(shares.shape):
        sides = [int(edges[n]) for span, n in ((rows, i), (columns, j)) for edges in span]
        assert shares[i, j] == pytest.approx(float(exact_share(mask, scale, *sides)), abs=1e-8)


@pytest.mark.parametrize("value", [False, True])
def test_a_rectangle_full_of_it_has_a_share_of_1_and_one_without_of_0(value):
    mask = np.full((7, 11), value)
    edges = np.array([0.1, 1.7, 3.3]), np.array([2.9, 4.4, 6.9])
    assert (covered_share(mask, (1.0, 1.0), edges, edges) == int(value)).all()


def test_how_many_are_held_at_once_changes_nothing(monkeypatch):
    mask = np.random.default_rng(0).random((40, 600)) < 0.5
    rows, columns = np.arange(0, 36.0), np.arange(0, 590.0, 7)
    whole = covered_area(mask, rows, rows + 4, columns, columns + 10)
    monkeypatch.setattr(coverage, "BLOCK_SAMPLES", 1)
    assert np.array_equal(covered_area(mask, rows, rows + 4, columns, columns + 10), whole)


def test_a_million_windows_are_chosen_in_flat_memory():
    """On a mask of 7.8 megapixels, of a slide of 100,000×80,000 pixels."""
    mask = np.zeros((2500, 3125), np.bool_)
    mask[500:2000, 700:2500] = True
    starts = {length: np.arange(0, length - 256, 89) for length in (80_000, 100_000)}
    rows, columns = ((s, s + 256) for s in starts.values())
    tracemalloc.start()
    shares = covered_share(mask, (32.0, 32.0), rows, columns)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert shares.size > 10**6
    assert peak < 8 * shares.size * 4 + 8 * 2**24
    row, column = 300, 400
    y, x = rows[0][row] / 32, columns[0][column] / 32
    inside = (min(y + 8, 2000) - max(y, 500)) * (min(x + 8, 2500) - max(x, 700))
    assert shares[row, column] == pytest.approx(inside / 64)


@given(st.lists(st.integers(-9, 9), min_size=1, max_size=12), st.data())
def test_sums_between_edges_that_cut_through_values(numbers, data):
    quarters = st.integers(0, 4 * len(numbers))
    pairs = data.draw(st.lists(st.tuples(quarters, quarters).map(sorted), min_size=1, max_size=9))
    starts, stops = np.array(pairs).T / 4
    values = np.array(numbers, np.float32)[:, np.newaxis]
    expected = [
        sum(n * max(0.0, min(i + 1, stop) - max(i, start)) for i, n in enumerate(numbers))
        for start, stop in zip(starts, stops, strict=True)
    ]
    assert sums_between(values, starts, stops)[:, 0].tolist() == expected

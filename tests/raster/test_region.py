from fractions import Fraction

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from slidetile import Region

sides = st.integers(1, 60)
places = st.integers(-40, 40)
regions = st.builds(Region, x=places, y=places, width=sides, height=sides)


def cells(region):
    return {(x, y) for x in range(region.x, region.right) for y in range(region.y, region.bottom)}


@given(regions, regions)
def test_intersection_holds_the_pixels_in_both(one, other):
    shared = one.intersection(other)
    assert (cells(shared) if shared else set()) == cells(one) & cells(other)
    assert one.contains(other) == (cells(other) <= cells(one))


@given(regions)
def test_edges_and_area(region):
    again = Region.from_edges(region.x, region.y, region.right, region.bottom)
    assert again == region
    assert region.area == len(cells(region))


@given(regions, st.tuples(sides, sides), st.tuples(sides, sides))
def test_rescaled_is_the_smallest_cover(region, source, target):
    scaled = region.rescaled(source, target)
    for low, high, first, last, of, to in (
        (region.x, region.right, scaled.x, scaled.right, source[0], target[0]),
        (region.y, region.bottom, scaled.y, scaled.bottom, source[1], target[1]),
    ):
        assert first * of <= low * to < (first + 1) * of
        assert (last - 1) * of < high * to <= last * of


@given(st.integers(1, 50), st.integers(1, 9), st.data())
def test_whole_coarse_cells_survive_the_way_down_and_back(coarse, factor, data):
    fine = coarse * factor - data.draw(st.integers(0, factor - 1))
    first = data.draw(st.integers(0, coarse - 1))
    last = data.draw(st.integers(first + 1, coarse))
    cell = Region.from_edges(first, 0, last, 1)
    below = cell.rescaled((coarse, 1), (fine, 1))
    inner = cell.rescaled((coarse, 1), (fine, 1), rounding="inward")
    assert inner == Region.from_edges(-(-first * fine // coarse), 0, last * fine // coarse, 1)
    assert below.contains(inner)
    assert inner.rescaled((fine, 1), (coarse, 1)) == cell


lengths = st.tuples(sides, sides)


@given(regions, lengths, lengths)
def test_rounded_inward_it_holds_the_pixels_it_covers_wholly(region, source, target):
    def wholly(start, stop, of, to):
        pixels = range(-41 * 60, 101 * 60)
        return {p for p in pixels if start * to <= p * of and (p + 1) * of <= stop * to}

    columns = wholly(region.x, region.right, source[0], target[0])
    rows = wholly(region.y, region.bottom, source[1], target[1])
    inner = region.rescaled(source, target, rounding="inward")
    if inner is None:
        assert not columns or not rows
    else:
        assert set(range(inner.x, inner.right)) == columns
        assert set(range(inner.y, inner.bottom)) == rows


@given(regions, lengths, lengths)
@example(Region(x=1, y=1, width=4, height=1), (2, 2), (1, 1))  # halves, to the even pixel
def test_rounded_to_the_nearest_edges_it_keeps_a_pixel(region, source, target):
    near = region.rescaled(source, target, rounding="nearest")
    for first, last, start, stop, of, to in (
        (near.x, near.right, region.x, region.right, source[0], target[0]),
        (near.y, near.bottom, region.y, region.bottom, source[1], target[1]),
    ):
        assert first == round(Fraction(start * to, of))
        assert last == max(first + 1, round(Fraction(stop * to, of)))


@given(regions, lengths, lengths, st.sampled_from(["outward", "inward", "nearest"]))
def test_fractions_and_a_pixels_own_length_come_to_the_same(region, source, target, rounding):
    expected = region.rescaled(source, target, rounding=rounding)
    step = tuple(Fraction(to, of) for of, to in zip(source, target, strict=True))
    assert region.rescaled((1, 1), step, rounding=rounding) == expected
    part = tuple(1 / each for each in step)
    assert region.rescaled(part, (1, 1), rounding=rounding) == expected


@given(regions, lengths)
def test_floats_that_are_exact_come_to_the_same_too(region, target):
    step = tuple(float(to) for to in target)
    assert region.rescaled((1, 1), step) == region.rescaled((1, 1), target)
    quarter = region.rescaled((4.0, 0.5), (1, 1))
    assert quarter == region.rescaled((4, 1), (1, 2))
    assert type(quarter.x) is int


def test_an_edge_hardly_beyond_a_pixels_counts_as_lying_on_it():
    region, hair = Region(x=10, y=10, width=10, height=10), Fraction(1, 1000)
    step = (1 + Fraction(1, 20_000), 1 + Fraction(1, 20_000))
    assert region.rescaled((1, 1), step) == Region.from_edges(10, 10, 21, 21)
    assert region.rescaled((1, 1), step, tolerance=hair) == Region.from_edges(10, 10, 20, 20)
    inner = region.rescaled((1, 1), step, rounding="inward", tolerance=hair)
    assert inner == Region.from_edges(10, 10, 20, 20)
    assert region.rescaled((1, 1), step, rounding="inward") == Region.from_edges(11, 11, 20, 20)
    many = region.rescaled((20_000, 20_000), (20_001, 20_001), tolerance=hair)
    assert many == Region.from_edges(10, 10, 20, 20)
    far = (1 + Fraction(1, 1000), 1 + Fraction(1, 1000))
    assert region.rescaled((1, 1), far, tolerance=hair) == Region.from_edges(10, 10, 21, 21)


def test_slices_are_rows_then_columns():
    image = np.arange(20).reshape(4, 5)
    assert image[Region(x=1, y=2, width=2, height=1).slices].tolist() == [[11, 12]]


def test_numpy_integers_become_ints_and_floats_are_refused():
    assert type(Region(x=np.int32(3), y=0, width=1, height=1).x) is int
    with pytest.raises(TypeError):
        Region(x=0.5, y=0, width=1, height=1)
    with pytest.raises(ValueError, match="at least 1×1 pixels, but this one is 0×3"):
        Region(x=0, y=0, width=0, height=3)

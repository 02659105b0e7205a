import numpy as np
import pytest
from hypothesis import given
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
    inner = Region.from_edges(-(-first * fine // coarse), 0, last * fine // coarse, 1)
    assert below.contains(inner)
    assert inner.rescaled((fine, 1), (coarse, 1)) == cell


def test_slices_are_rows_then_columns():
    image = np.arange(20).reshape(4, 5)
    assert image[Region(x=1, y=2, width=2, height=1).slices].tolist() == [[11, 12]]


def test_numpy_integers_become_ints_and_floats_are_refused():
    assert type(Region(x=np.int32(3), y=0, width=1, height=1).x) is int
    with pytest.raises(TypeError):
        Region(x=0.5, y=0, width=1, height=1)
    with pytest.raises(ValueError, match="at least 1×1 pixels, but this one is 0×3"):
        Region(x=0, y=0, width=0, height=3)

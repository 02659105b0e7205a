"""Rings to masks and masks to rings: the two undo each other, and an oracle finds them valid."""

import numpy as np
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.ndimage import label

from slidetile.raster.rings import LARGEST_BATCH, crossing_count, trace_outlines, winding_numbers

MASKS = arrays(bool, st.tuples(st.integers(1, 8), st.integers(1, 8)))
RINGS = arrays(
    np.float64,
    st.tuples(st.integers(3, 8), st.just(2)),
    elements=st.integers(-4, 20).map(lambda n: n / 2),
)


def wound(ring, x, y):
    """Walk one edge after another, one point at a time."""
    number = 0
    for (x0, y0), (x1, y1) in zip(ring, np.roll(ring, -1, axis=0), strict=True):
        if min(y0, y1) <= y < max(y0, y1) and x0 + (y - y0) * ((x1 - x0) / (y1 - y0)) <= x:
            number += 1 if y1 > y0 else -1
    return number


@settings(deadline=None)
@given(ring=RINGS)
def test_winding_numbers_are_those_of_a_walk(ring):
    x, y = np.arange(8.0), np.arange(7) + 0.5
    expected = [[wound(ring, across, down) for across in x] for down in y]
    np.testing.assert_array_equal(winding_numbers(ring, x, y), expected)
    rows = sum(min(a, b) <= down < max(a, b) for a, b in edges(ring) for down in y)
    assert crossing_count(ring, y) == rows


def edges(ring):
    return zip(ring[:, 1], np.roll(ring[:, 1], -1), strict=True)


def test_many_crossings_come_in_batches():
    ring = np.random.default_rng(3).uniform(0, 1000, (8000, 2))
    x, y = np.arange(5) * 200.0, np.arange(1000) + 0.5
    assert crossing_count(ring, y) > 2 * LARGEST_BATCH
    parts = [winding_numbers(ring, x, part) for part in np.split(y, 10)]
    np.testing.assert_array_equal(winding_numbers(ring, x, y), np.concatenate(parts))


@settings(deadline=None)
@given(mask=MASKS)
def test_outlines_are_valid_and_fill_to_the_same_mask(mask):
    polygons = trace_outlines(mask)
    assert len(polygons) == label(mask)[1]
    shapes = [shapely.Polygon(rings[0], rings[1:]) for rings in polygons]
    assert all(shape.is_valid for shape in shapes)
    assert shapely.MultiPolygon(shapes).is_valid
    assert sum(shape.area for shape in shapes) == mask.sum()
    assert all(shape.exterior.is_ccw for shape in shapes)  # as RFC 7946 counts, y being y
    assert not any(hole.is_ccw for shape in shapes for hole in shape.interiors)
    filled = np.zeros(mask.shape, int)
    x, y = (np.arange(length) + 0.5 for length in mask.shape[::-1])
    for rings in polygons:
        filled -= sum(winding_numbers(ring.astype(float), x, y) for ring in rings)
    np.testing.assert_array_equal(filled, mask)


def test_corners_that_touch():
    ring = np.array([[0, 1, 1], [1, 0, 1], [1, 1, 1]], bool)  # a hole at a corner of the outside
    (polygon,) = trace_outlines(ring)
    assert [len(part) for part in polygon] == [6, 4]
    assert len(trace_outlines(np.eye(3, dtype=bool))) == 3
    assert trace_outlines(np.zeros((2, 2), bool)) == []

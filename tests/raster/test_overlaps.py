"""Rectangles that meet are found, row by row and by sums, wherever bands end."""

import numpy as np
import pytest

from slidetile.raster import overlaps
from slidetile.raster.overlaps import first_overlap


def meets_another(rectangles, place):
    left, top, right, bottom = np.delete(rectangles, place, 0).T
    x0, y0, x1, y1 = rectangles[place]
    return bool(((left < x1) & (right > x0) & (top < y1) & (bottom > y0)).any())


@pytest.mark.parametrize("runs", [1 << 26, 0], ids=["rows", "sums"])
@pytest.mark.parametrize("band", [1, 50, 1 << 20])
def test_one_that_meets_another_is_found_if_any_does(monkeypatch, runs, band):
    monkeypatch.setattr(overlaps, "_MOST_RUNS", runs)
    monkeypatch.setattr(overlaps, "_BAND_RUNS", band)
    rng = np.random.default_rng(6)
    told = set()
    for number in range(60):
        corners = rng.integers(0, 150, (2 + number // 3, 2))
        sizes = rng.integers(1, (3, 40), corners.shape)
        rectangles = np.concatenate([corners, corners + sizes], 1).astype(np.int32)
        rectangles = rectangles[np.lexsort((rectangles[:, 0], rectangles[:, 1]))]
        found = first_overlap(rectangles)
        is_any = any(meets_another(rectangles, place) for place in range(len(rectangles)))
        assert (found is not None) == is_any
        assert found is None or meets_another(rectangles, found)
        told.add(is_any)
    assert told == {True, False}


def test_rectangles_side_by_side_do_not_meet():
    sides = [(0, 0, 5, 9), (5, 0, 9, 9), (0, 9, 9, 12)]
    assert first_overlap(np.array(sides, np.int32)) is None
    assert first_overlap(np.empty((0, 4), np.int32)) is None

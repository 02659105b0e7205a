"""Runs of values and the pieces they make: those of a mask of each value by itself."""

import numpy as np
import pytest

from slidetile.raster import value_runs as runs_of_values
from slidetile.raster.filling import TooManyPixelsError
from slidetile.raster.masks import number_pieces
from slidetile.raster.value_runs import connected_runs, value_runs


def as_they_are(rows):
    return rows


def images():
    rng = np.random.default_rng(8)
    for height, width in ((1, 1), (1, 50), (40, 1), (30, 41), (50, 70)):
        for values, dense in ((1, 0.5), (3, 0.9), (128, 1.0)):
            image = rng.integers(1, values + 1, (height, width), np.uint8)
            image[rng.random((height, width)) > dense] = 0
            yield image
    yield np.kron(rng.integers(0, 4, (20, 30)), np.ones((7, 5))).astype(np.uint8)
    yield np.zeros((9, 9), np.uint8)
    yield np.full((9, 9), 200, np.uint8)


@pytest.mark.parametrize("few", [1 << 18, 0], ids=["arrays", "scipy"])
@pytest.mark.parametrize("at_once", [1, 100, 1 << 20])
def test_pieces_are_those_of_each_value_by_itself(monkeypatch, few, at_once):
    monkeypatch.setattr(runs_of_values, "_FEW_RUNS", few)
    monkeypatch.setattr(runs_of_values, "_RUNS_AT_ONCE", at_once)
    for image in images():
        runs = value_runs(image, as_they_are)
        pieces = connected_runs(runs)
        seen, owner = np.zeros_like(image), np.full(image.shape, -1)
        for row, start, stop, value, piece in zip(*runs, pieces, strict=True):
            assert not seen[row, start:stop].any()
            seen[row, start:stop], owner[row, start:stop] = value, piece
        assert np.array_equal(seen, image)
        _, firsts = np.unique(owner[owner >= 0], return_index=True)
        assert firsts.tolist() == sorted(firsts)
        for value in np.unique(image[image > 0]):
            numbers = number_pieces(image == value)
            pairs = np.unique([numbers[image == value], owner[image == value]], axis=1)
            assert pairs.shape[1] == numbers.max() == len(np.unique(pairs[1]))


def test_more_runs_than_a_store_holds_are_refused(monkeypatch):
    monkeypatch.setattr(runs_of_values, "LARGEST_RECTANGLE_COUNT", 3)
    image = np.array([[1, 0, 1], [2, 2, 1]], np.uint8)
    with pytest.raises(TooManyPixelsError, match="more than 3 runs of pixels"):
        value_runs(image, as_they_are)

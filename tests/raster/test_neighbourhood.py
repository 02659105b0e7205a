"""Windows around pixels, against scipy's, which the values must equal to the last bit."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import maximum_filter, minimum_filter, uniform_filter

from slidetile.raster.neighbourhood import all_around, any_around, any_beside, window_mean

SIDES = st.integers(0, 40).map(lambda half: 2 * half + 1)
SIZES = st.tuples(st.integers(1, 50), st.integers(1, 50))


def values(rng, shape, kind):
    if kind == "densities":
        return -np.log(rng.integers(1, 256, shape) / 255).astype(np.float32)
    low, high = {"uint8": (0, 256), "int16": (-3000, 3000)}[kind]
    return rng.integers(low, high, shape).astype(kind)


@given(
    seed=st.integers(0, 1000),
    shape=SIZES,
    side=SIDES,
    kind=st.sampled_from(["densities", "uint8", "int16"]),
)
@settings(max_examples=150, deadline=None)
def test_a_mean_is_that_of_scipy(seed, shape, side, kind):
    image = values(np.random.default_rng(seed), shape, kind)
    expected = uniform_filter(image, side, output=np.float32)
    mean = window_mean(image, side)
    assert mean.dtype == np.float32
    assert np.array_equal(mean, expected)


def test_a_mean_of_many_rows_is_that_of_scipy():
    image = values(np.random.default_rng(0), (90, 1500), "densities")
    assert np.array_equal(window_mean(image, 9), uniform_filter(image, 9, output=np.float32))


@given(seed=st.integers(0, 1000), shape=SIZES, side=SIDES, share=st.floats(0, 1))
@settings(max_examples=150, deadline=None)
def test_all_and_any_around_are_those_of_scipy(seed, shape, side, share):
    mask = np.random.default_rng(seed).random(shape) < share
    assert np.array_equal(all_around(mask, side), minimum_filter(mask, side))
    assert np.array_equal(any_around(mask, side), maximum_filter(mask, side))


@pytest.mark.parametrize("reach", [0, 1, 4, 60])
def test_any_beside_looks_along_the_row_alone(reach):
    mask = np.random.default_rng(reach).random((20, 30)) < 0.02
    assert np.array_equal(any_beside(mask, reach), maximum_filter(mask, (1, 2 * reach + 1)))

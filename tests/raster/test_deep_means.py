"""Means of 16-bit pixels: exact integers, as those of 8 bits."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as some

from slidetile.raster.averaging import Resampling
from slidetile.raster.block_means import area_average, halve
from slidetile.raster.region import Region
from slidetile.raster.weighted_means import SUBPIXELS

CHANNELS = some.integers(1, 5)


def noise(height, width, channels, seed=0):
    """Samples of all 16 bits, the extremes among them."""
    pixels = np.random.default_rng(seed).integers(0, 1 << 16, (height, width, channels))
    pixels[: height // 3] = 65535
    return pixels.astype(np.uint16)


def planar(pixels):
    return np.ascontiguousarray(pixels.transpose(2, 0, 1)).transpose(1, 2, 0)


@pytest.mark.parametrize("arrange", [np.ascontiguousarray, planar])
@pytest.mark.parametrize("channels", [1, 2, 3, 5])
def test_halving_rounds_halves_up(channels, arrange):
    pixels = noise(300, 42, channels)
    sums = pixels.astype(np.int64).reshape(150, 2, 21, 2, channels).sum((1, 3))
    halved = halve(arrange(pixels))
    assert halved.dtype == np.uint16
    np.testing.assert_array_equal(halved, (sums + 2) // 4)


@given(some.integers(1, 40), some.integers(1, 40), CHANNELS, some.sampled_from([2, 3, 7, 300]))
def test_blocks_are_averaged_as_whole_numbers(height, width, channels, factor):
    pixels = noise(height, width, channels)
    found = area_average(pixels, factor)
    for row, column in np.ndindex(found.shape[:2]):
        block = pixels[row * factor :, column * factor :][:factor, :factor]
        sums, count = block.astype(np.int64).sum((0, 1)), block.shape[0] * block.shape[1]
        np.testing.assert_array_equal(found[row, column], (2 * sums + count) // (2 * count))


@given(
    some.integers(1, 30),
    some.integers(1, 30),
    CHANNELS,
    some.fractions(1, 12, max_denominator=9),
    some.fractions(1, 12, max_denominator=9),
)
def test_cut_pixels_are_averaged_exactly(height, width, channels, across, down):
    pixels = noise(height, width, channels)
    resampling = Resampling(source_size=(width, height), factor=(across, down))
    whole = Region(x=0, y=0, width=resampling.size[0], height=resampling.size[1])
    found = resampling.average(pixels, Region(x=0, y=0, width=width, height=height), whole)
    columns, rows = (
        weights(edges, length)
        for edges, length in zip(resampling.edges(whole), (width, height), strict=True)
    )
    total = np.outer(rows.sum(1), columns.sum(1))
    for channel in range(channels):
        sums = rows @ pixels[..., channel].astype(object) @ columns.T
        np.testing.assert_array_equal(found[..., channel], (2 * sums + total) // (2 * total))


def weights(edges, length):
    """The part of each source pixel in every output pixel, [output, source], whole numbers."""
    begins = np.arange(length) * SUBPIXELS
    upper = np.minimum(edges[1:, np.newaxis], begins + SUBPIXELS)
    return np.maximum(0, upper - np.maximum(edges[:-1, np.newaxis], begins)).astype(object)


def test_the_largest_factor_does_not_overflow():
    pixels = np.full((512, 512, 1), 65535, np.uint16)
    factor = Fraction(511, 2)
    resampling = Resampling(source_size=(512, 512), factor=(factor, factor))
    whole = Region(x=0, y=0, width=resampling.size[0], height=resampling.size[1])
    found = resampling.average(pixels, Region(x=0, y=0, width=512, height=512), whole)
    assert set(found.ravel().tolist()) == {65535}

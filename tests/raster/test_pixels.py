"""Images as arrays."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from slidetile.raster.pixels import blank, brightest_channel, darkest_channel, paste

places = st.integers(-12, 12)


@given(places, places, st.integers(1, 9), st.integers(1, 9))
def test_what_is_pasted_is_where_it_meets_the_canvas(x, y, width, height):
    canvas = np.zeros((7, 8, 1), np.uint8)
    pixels = np.arange(1, 1 + height * width, dtype=np.uint8).reshape(height, width, 1)
    paste(canvas, pixels, x, y)
    for row, column in np.ndindex(7, 8):
        inside = 0 <= row - y < height and 0 <= column - x < width
        assert canvas[row, column, 0] == (pixels[row - y, column - x, 0] if inside else 0)


@pytest.mark.parametrize(
    ("channels", "colour", "expected"),
    [(3, (1, 2, 3), [1, 2, 3]), (1, (1, 2, 3), [1]), (3, (9, 9, 9), [9, 9, 9])],
)
def test_a_blank_image_has_one_colour(channels, colour, expected):
    image = blank(4, 3, channels, colour)
    assert image.shape == (3, 4, channels)
    assert (image == expected).all()


@pytest.mark.parametrize("channels", [1, 3])
def test_channels_are_reduced_as_numpy_does(channels):
    image = np.random.default_rng(0).integers(0, 256, (5, 6, channels), np.uint8)
    assert np.array_equal(darkest_channel(image), image.min(axis=2))
    assert np.array_equal(brightest_channel(image), image.max(axis=2))

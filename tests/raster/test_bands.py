import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import maximum_filter

from slidetile.raster.bands import bands


@given(
    height=st.integers(1, 900),
    width=st.sampled_from([1, 7, 300, 5000]),
    margin=st.integers(0, 60),
)
@settings(max_examples=40, deadline=None)
def test_a_filter_in_bands_gives_what_it_gives_for_the_whole(height, width, margin):
    image = np.random.default_rng(height).integers(0, 256, (height, width), np.uint8)
    size = (2 * margin + 1, 1)
    result = np.zeros_like(image)
    rows = []
    for band in bands(image.shape, margin):
        result[band.rows] = maximum_filter(image[band.seen], size)[band.within]
        rows += range(band.rows.start, band.rows.stop)
    assert rows == list(range(height))
    assert np.array_equal(result, maximum_filter(image, size))


def test_bands_are_small_whatever_the_height():
    shape = (100_000, 1500)
    assert max(band.seen.stop - band.seen.start for band in bands(shape, 20)) <= 2**17 // 1500 + 40

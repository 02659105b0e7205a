import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import label

from slidetile.raster.masks import count_pixels, number_pieces, without_small_pieces


@given(
    seed=st.integers(0, 50),
    share=st.floats(0, 1),
    corners=st.booleans(),
    smallest=st.floats(0, 12),
)
@settings(max_examples=60, deadline=None)
def test_pieces_equal_their_plain_twin(seed, share, corners, smallest):
    mask = np.random.default_rng(seed).random((19, 23)) < share
    plain = label(mask, np.ones((3, 3)) if corners else None)[0]
    labels = number_pieces(mask, corners=corners)
    assert np.array_equal(labels, plain)
    assert list(count_pixels(labels)) == list(np.bincount(plain.ravel()))
    kept = [n for n in range(1, plain.max() + 1) if (plain == n).sum() >= smallest]
    weeded = without_small_pieces(mask, smallest, corners=corners)
    assert np.array_equal(weeded, np.isin(plain, kept))


@pytest.mark.parametrize(("side", "type_"), [(2, np.uint8), (40, np.uint16), (520, np.uint32)])
def test_numbers_have_the_smallest_type_that_holds_them(side, type_):
    mask = np.zeros((side, side), bool)
    mask[::2, ::2] = True
    labels = number_pieces(mask)
    assert labels.dtype == type_
    assert labels.max() == mask.sum()

"""Packed masks are the masks."""

import pickle

import numpy as np
from hypothesis import given
from hypothesis.extra.numpy import array_shapes, arrays

from slidetile.raster.packed import PackedMask


@given(arrays(np.bool_, array_shapes(min_dims=2, max_dims=2, max_side=20)))
def test_a_mask_comes_back(mask):
    packed = PackedMask.of(mask)
    assert len(packed.bits) == -(-mask.size // 8)
    again = pickle.loads(pickle.dumps(packed))  # noqa: S301  our own bytes
    assert again == packed
    assert again.mask.dtype == np.bool_
    np.testing.assert_array_equal(again.mask, mask)

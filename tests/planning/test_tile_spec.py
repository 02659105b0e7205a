"""Which tiles are wanted: values checked at birth, and as a store records them."""

import math

import numpy as np
import pytest

import slidetile as st


@pytest.mark.parametrize("size", [16, 1024, 8192, np.int64(512)])
def test_sizes_are_multiples_of_16(size):
    assert type(st.TileSpec(size=size).size) is int


@pytest.mark.parametrize("size", [0, -16, 15, 17, 8208, 2**53])
def test_other_sizes_are_refused(size):
    with pytest.raises(ValueError, match=f"multiple of 16 from 16 to 8192 pixels, .* is {size}"):
        st.TileSpec(size=size)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"min_tissue_fraction": 5}, "between 0 and 1, but this one is 5. Is it given in percent"),
        ({"min_tissue_fraction": math.nan}, "between 0 and 1, but this one is nan"),
        ({"edge": "pad"}, "An edge is keep, drop, shift, but this one is 'pad'"),
        ({"max_tiles": 0}, "max_tiles must be at least 1, but it is 0"),
        ({"sample": -1}, "sample must be at least 1, but it is -1"),
        ({"max_tiles": 1, "sample": 1}, "give only one"),
        ({"sample": 1, "seed": -1}, "seed must be from 0 to"),
        ({"sample": 1, "seed": 2**63}, "seed must be from 0 to"),
        ({"seed": 1}, "sample is not given"),
    ],
)
def test_what_is_out_of_range_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        st.TileSpec(**options)


@pytest.mark.parametrize("options", [{"size": 512.0}, {"max_tiles": 1.5}, {"sample": "3"}])
def test_counts_are_integers(options):
    with pytest.raises(TypeError):
        st.TileSpec(**options)


def test_what_a_store_records():
    spec = st.TileSpec(size=512, min_tissue_fraction=0.5, sample=np.uint8(3), seed=7)
    assert spec.parameters == {
        "min_tissue_fraction": 0.5,
        "edge": "keep",
        "max_tiles": None,
        "sample": 3,
        "seed": 7,
        "balance": None,
        "min_class_fractions": None,
    }
    assert spec.most == 3
    assert st.TileSpec(max_tiles=9).most == 9
    assert st.TileSpec().most == math.inf

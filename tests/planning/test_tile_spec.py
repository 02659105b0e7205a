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


@pytest.mark.parametrize(
    "options", [{"size": 500.5}, {"size": 512.0}, {"max_tiles": 1.5}, {"sample": "3"}]
)
def test_counts_are_integers(options):
    ((name, value),) = options.items()
    with pytest.raises(TypeError, match=f"{name} is a whole number, .* this one is {value!r}"):
        st.TileSpec(**options)


@pytest.mark.parametrize(
    ("choices", "told"),
    [
        ({"tile": 512}, r"tile is a TileSpec, .* is 512: Recipe\(tile=TileSpec\(size=512\)\)"),
        ({"tile": "x"}, r"tile is a TileSpec, .* is 'x': Recipe\(tile=TileSpec\(size="),
        ({"mpp": "x"}, "mpp is a number, in µm per pixel, such as 0.5, but this one is 'x'"),
        ({"slide_mpp": (1, 2, 3)}, r"slide_mpp is a number, .* is \(1, 2, 3\)"),
        ({"labels": "a.geojson"}, r"Recipe\(labels=LabelsSpec\(path='a.geojson'\)\)"),
        ({"annotations": "a.xml"}, r"Recipe\(annotations=AnnotationsSpec\(path='a.xml'\)\)"),
    ],
)
def test_a_recipe_of_other_types_is_refused_when_it_is_made(choices, told):
    with pytest.raises(TypeError, match=told):
        st.Recipe(**choices)


def test_an_mpp_may_be_numpys():
    assert st.Recipe(mpp=np.float32(0.5), slide_mpp=(np.float64(0.25), 0.25)).mpp == 0.5


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

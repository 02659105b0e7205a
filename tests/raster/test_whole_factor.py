"""The whole number between two levels, against all that are possible."""

from hypothesis import given
from hypothesis import strategies as st

from slidetile.raster.resolution import whole_factor

SIDE = st.integers(1, 120)


def rounded(length, factor):
    return {length // factor, -(-length // factor)}


@given(whole=st.tuples(SIDE, SIDE), size=st.tuples(SIDE, SIDE))
def test_it_is_one_of_those_that_give_the_size(whole, size):
    size = min(whole[0], size[0]), min(whole[1], size[1])
    possible = [
        factor
        for factor in range(1, max(whole) + 1)
        if all(side in rounded(length, factor) for length, side in zip(whole, size, strict=True))
    ]
    found = whole_factor(whole, size)
    assert found in possible if possible else found is None


@given(whole=st.tuples(st.integers(5000, 200_000), st.integers(5000, 200_000)), up=st.booleans())
def test_halving_again_and_again_is_a_power_of_two(whole, up):
    size = whole
    for number in range(1, 6):
        size = tuple((side + up) // 2 for side in size)
        assert whole_factor(whole, size) == 2**number


def test_what_is_no_whole_number_is_none():
    assert whole_factor((1000, 1000), (300, 300)) is None
    assert whole_factor((1000, 1000), (500, 250)) is None
    assert whole_factor((421, 300), (105, 75)) == 4

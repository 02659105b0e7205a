"""Area averages: the exact mean, whatever the region, the block and the cut."""

from fractions import Fraction
from itertools import pairwise
from math import ceil, floor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st_
from pictures import brute_force_average
from PIL import Image

import slidetile as st
from slidetile.raster.averaging import LARGEST_FACTOR, Resampling
from slidetile.raster.block_means import area_average
from slidetile.raster.weighted_means import SUBPIXELS, CoarseMeans, FineMeans, means_between

factors = st_.builds(
    lambda whole, part, unit: whole + Fraction(part % unit, unit),
    st_.integers(1, 5),
    st_.integers(0, 10**9),
    st_.sampled_from([1, 2, 3, 7, 499, 4096, 10**17 + 3]),
)


def noise(height, width, channels=3, seed=0):
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, (height, width, channels), np.uint8)


def whole(size):
    return st.Region(x=0, y=0, width=size[0], height=size[1])


def twin(pixels, factor, *, rounded):
    """Return each mean as a fraction: the sum over every pixel of colour times covered area."""
    height, width, channels = pixels.shape

    def spans(length, step):
        edges = [Fraction(0)]
        while edges[-1] < length:
            exact = len(edges) * step
            edge = Fraction(floor(exact * SUBPIXELS + Fraction(1, 2)), SUBPIXELS)
            edges.append(min(edge if rounded else exact, Fraction(length)))
        return list(pairwise(edges))

    def mean(left, right, top, bottom, channel):
        total = Fraction(0)
        for y in range(floor(top), ceil(bottom)):
            for x in range(floor(left), ceil(right)):
                area = (min(right, x + 1) - max(left, x)) * (min(bottom, y + 1) - max(top, y))
                total += area * int(pixels[y, x, channel])
        return total / ((right - left) * (bottom - top))

    across, down = spans(width, factor[0]), spans(height, factor[1])
    return [[[mean(*x, *y, c) for c in range(channels)] for x in across] for y in down]


def average(pixels, factor, region=None):
    resampling = Resampling(source_size=pixels.shape[1::-1], factor=factor)
    region = region or whole(resampling.size)
    at = resampling.source_region(region)
    return resampling.average(pixels[at.slices], at, region)


@settings(max_examples=60, deadline=None)
@given(factors, factors, st_.integers(1, 23), st_.integers(1, 19), st_.integers(0, 99))
def test_each_pixel_is_the_mean_of_the_area_it_covers(fx, fy, width, height, seed):
    pixels = noise(height, width, 1 + 2 * (seed % 2), seed)
    found = average(pixels, (fx, fy))
    as_defined = twin(pixels, (fx, fy), rounded=True)
    np.testing.assert_array_equal(
        found, [[[floor(c + Fraction(1, 2)) for c in p] for p in row] for row in as_defined]
    )
    ideal = np.array(twin(pixels, (fx, fy), rounded=False), float)
    if ideal.shape == found.shape:  # a last pixel thinner than an edge's rounding is left out
        assert np.abs(np.array(as_defined, float) - ideal).max() < 0.032
        assert np.abs(found - ideal).max() < 0.532


@settings(max_examples=60, deadline=None)
@given(factors, factors, st_.data())
def test_any_region_is_the_crop_of_the_whole(fx, fy, data):
    pixels = noise(61, 83)
    width, height = Resampling(source_size=(83, 61), factor=(fx, fy)).size
    left, top = data.draw(st_.integers(0, width - 1)), data.draw(st_.integers(0, height - 1))
    right, bottom = (
        data.draw(st_.integers(left + 1, width)),
        data.draw(st_.integers(top + 1, height)),
    )
    region = st.Region.from_edges(left, top, right, bottom)
    crop = average(pixels, (fx, fy), region)
    np.testing.assert_array_equal(crop, average(pixels, (fx, fy))[region.slices])


@pytest.mark.parametrize("factor", [Fraction(700, 499), Fraction(2), Fraction(79, 10)])
def test_large_regions_are_cut_into_slabs_that_do_not_show(factor):
    pixels = noise(1500, 1700)
    found = average(pixels, (factor, factor))
    width, height = found.shape[1::-1]
    for region in (
        st.Region(x=5, y=63, width=width - 5, height=3),
        st.Region(x=0, y=height - 1, width=width, height=1),
        st.Region(x=width - 1, y=0, width=1, height=height),
    ):
        np.testing.assert_array_equal(
            average(pixels, (factor, factor), region), found[region.slices]
        )


def smooth(height, width):
    y, x = np.mgrid[:height, :width]
    waves = [128 + 120 * np.sin(x / 9 + y / (7 + k)) for k in range(3)]
    return np.stack(waves, axis=2).astype(np.uint8)


@pytest.mark.parametrize("pixels", [noise(160, 240), smooth(160, 240)], ids=["noise", "smooth"])
@pytest.mark.parametrize("factor", [1, 2, 5, 8])
def test_pillow_agrees(pixels, factor):
    """Its box filter takes or leaves whole pixels, so that only whole factors can be compared."""
    image = Image.fromarray(pixels).resize((240 // factor, 160 // factor), Image.Resampling.BOX)
    found = average(pixels, (Fraction(factor), Fraction(factor)))
    assert np.abs(found.astype(int) - np.asarray(image)).max() <= 1


@pytest.mark.parametrize("channels", [1, 3])
def test_it_writes_wherever_it_is_told(channels):
    pixels = noise(90, 70, channels)
    resampling = Resampling(source_size=(70, 90), factor=(Fraction(3, 2), Fraction(5, 3)))
    region = whole(resampling.size)
    planes = np.zeros((channels, region.height + 2, region.width + 1), np.uint8)
    out = planes.transpose(1, 2, 0)[1:-1, :-1]
    turned = np.asfortranarray(pixels)
    assert resampling.average(turned, whole((70, 90)), region, out) is out
    np.testing.assert_array_equal(out, average(pixels, resampling.factor))
    assert not planes[:, 0].any()
    assert not planes[:, :, -1].any()


@pytest.mark.parametrize("value", [0, 1, 254, 255])
@pytest.mark.parametrize("factor", [Fraction(1), Fraction(999, 7), Fraction(LARGEST_FACTOR)])
def test_one_colour_stays_that_colour(value, factor):
    pixels = np.full((300, 700, 3), value, np.uint8)
    assert (average(pixels, (factor, factor)) == value).all()


def test_a_factor_of_one_changes_nothing():
    pixels = noise(33, 44)
    np.testing.assert_array_equal(average(pixels, (Fraction(1), Fraction(1))), pixels)


@settings(deadline=None)
@given(factors, st_.integers(1, 200), st_.integers(0, 200))
def test_rows_above_a_row_need_nothing_below_it(factor, height, row):
    resampling = Resampling(source_size=(1, height), factor=(Fraction(1), factor))
    row = min(row, height)
    count = resampling.rows_above(row)
    ends = [
        resampling.source_region(st.Region(x=0, y=y, width=1, height=1)).bottom
        for y in range(resampling.size[1])
    ]
    assert count == sum(end <= row for end in ends)
    assert ends[-1] == height


@pytest.mark.parametrize(
    ("size", "factor", "message"),
    [
        ((0, 5), (2, 2), "at least 1×1 pixels"),
        ((5, 5), (2, Fraction(99, 100)), "factors from 1 to 256, not 2×0.99"),
        ((5, 5), (257, 2), "factors from 1 to 256"),
    ],
)
def test_what_cannot_be_averaged_is_refused(size, factor, message):
    with pytest.raises(ValueError, match=message):
        Resampling(source_size=size, factor=tuple(map(Fraction, factor)))


def test_pixels_that_are_not_there_are_not_made_up():
    resampling = Resampling(source_size=(70, 90), factor=(Fraction(3, 2), Fraction(3, 2)))
    pixels = noise(90, 70)
    with pytest.raises(ValueError, match="leaves the output"):
        resampling.average(pixels, whole((70, 90)), st.Region(x=0, y=0, width=48, height=1))
    block = st.Region(x=0, y=0, width=70, height=7)
    with pytest.raises(ValueError, match="of the source, but the block is"):
        resampling.average(pixels[:7], block, st.Region(x=0, y=0, width=4, height=5))


@given(
    height=st_.integers(1, 30),
    width=st_.integers(1, 30),
    channels=st_.sampled_from([1, 3]),
    factor=st_.integers(1, 35),
    seed=st_.integers(0, 9),
)
@settings(max_examples=60, deadline=None)
def test_area_average_equals_its_brute_force_twin(height, width, channels, factor, seed):
    pixels = noise(height, width, channels, seed)
    assert np.array_equal(area_average(pixels, factor), brute_force_average(pixels, factor))


def test_area_average_of_white_does_not_overflow():
    assert (area_average(np.full((700, 600, 1), 255, np.uint8), 600) == 255).all()


def test_halves_are_rounded_up():
    pixels = np.array([[[0], [1]], [[0], [1]]], np.uint8)
    assert area_average(pixels, 2).item() == 1


def by_weights(resampling, pixels, region):
    """Average as where pixels are cut."""
    across, down = resampling.edges(region)
    left, top = resampling.source_region(region).x, resampling.source_region(region).y
    means = means_between(across - left * SUBPIXELS, down, pixels.shape[1], pixels.shape[2])
    found = np.empty((region.height, region.width, pixels.shape[2]), np.uint8)
    means.average(pixels.copy(), top, slice(0, region.height), found)
    return found


@settings(max_examples=60, deadline=None)
@given(
    factor=st_.tuples(st_.integers(1, 9), st_.integers(1, 9)),
    size=st_.tuples(st_.integers(1, 40), st_.integers(1, 40)),
    data=st_.data(),
)
def test_whole_factors_are_a_quicker_way_to_the_same_pixels(factor, size, data):
    resampling = Resampling(source_size=size, factor=tuple(map(Fraction, factor)))
    width, height = resampling.size
    left, top = data.draw(st_.integers(0, width - 1)), data.draw(st_.integers(0, height - 1))
    region = st.Region.from_edges(
        left,
        top,
        data.draw(st_.integers(left + 1, width)),
        data.draw(st_.integers(top + 1, height)),
    )
    needed = resampling.source_region(region)
    at = st.Region.from_edges(
        data.draw(st_.integers(0, needed.x)), data.draw(st_.integers(0, needed.y)), *size
    )
    pixels = noise(size[1], size[0])
    slow = by_weights(resampling, pixels[needed.slices], region)
    quick = resampling.average(pixels[at.slices], at, region)
    np.testing.assert_array_equal(quick, slow)
    if factor[0] == factor[1]:
        np.testing.assert_array_equal(quick, area_average(pixels, factor[0])[region.slices])


@pytest.mark.parametrize("factor", [LARGEST_FACTOR, LARGEST_FACTOR - 1])
def test_the_largest_whole_factors_too(factor):
    pixels = np.where(noise(600, 700) > 40, 255, 254).astype(np.uint8)
    resampling = Resampling(source_size=(700, 600), factor=(Fraction(factor), Fraction(factor)))
    slow = by_weights(resampling, pixels, whole(resampling.size))
    np.testing.assert_array_equal(area_average(pixels, factor), slow)


def test_bands_do_not_show():
    pixels = noise(2200, 1100)
    parts = [area_average(pixels[top : top + 21], 3) for top in range(0, 2200, 21)]
    np.testing.assert_array_equal(area_average(pixels, 3), np.concatenate(parts))


def test_factors_of_any_digits_are_exact():
    factor = Fraction(10**30 + 1, 5 * 10**29)
    resampling = Resampling(source_size=(4001, 3), factor=(factor, factor))
    region = st.Region.from_edges(1000, 0, 1900, 1)
    plain = Resampling(source_size=(4001, 3), factor=(Fraction(2), Fraction(2)))
    assert resampling.source_region(region) == plain.source_region(region)


@pytest.mark.parametrize("factor", [Fraction(1), Fraction(3, 2), Fraction(188, 100), Fraction(4)])
@pytest.mark.parametrize("values", [(0, 1), (254, 255), (127, 128), (0, 255)])
def test_rounded_means_are_those_of_exact_sums(factor, values):
    """Ties, means just beside them, and the largest values: the rounded weights must not show."""
    rng = np.random.default_rng(3)
    pixels = rng.choice(np.array(values, np.uint8), (203, 311, 3))
    pixels[:, 100:200] = values[0], values[1], values[0]
    pixels[100:110] = np.array(values, np.uint8)[np.arange(311) % 2][:, np.newaxis]
    resampling = Resampling(source_size=(311, 203), factor=(factor, factor))
    region = whole(resampling.size)
    found = []
    for kind in (FineMeans, CoarseMeans):
        means = kind(*resampling.edges(region), 311, 3)
        found.append(np.empty((region.height, region.width, 3), np.uint8))
        means.average(pixels, 0, slice(0, region.height), found[-1])
    np.testing.assert_array_equal(*found)


def test_parts_of_a_region_average_as_the_whole():
    pixels = noise(700, 300)
    resampling = Resampling(source_size=(300, 700), factor=(Fraction(188, 100), Fraction(7, 5)))
    region = st.Region(x=3, y=5, width=99, height=301)
    averager, parts = resampling.averager(region), []
    for top, bottom in pairwise([5, 6, 70, 105, 306]):
        part = st.Region.from_edges(3, top, 102, bottom)
        at = resampling.source_region(part)
        parts.append(averager.average(pixels[at.slices], at, part))
    expected = average(pixels, resampling.factor)[region.slices]
    np.testing.assert_array_equal(np.concatenate(parts), expected)

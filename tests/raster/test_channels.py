"""What channels show, and how they are shown together."""

import numpy as np
import pytest

from slidetile.raster.channels import (
    GREY,
    RGB,
    Channel,
    are_plain,
    named_channels,
    percentile,
    plain_channels,
    shown,
    usual_windows,
)


def test_one_and_three_channels_are_plain_and_others_are_numbered():
    assert plain_channels(1) == GREY
    assert plain_channels(3) == RGB
    assert [channel.name for channel in plain_channels(5)] == list("01234")
    assert are_plain(GREY)
    assert are_plain(RGB)
    assert not are_plain(plain_channels(2))
    assert not are_plain(named_channels([None] * 3, [None] * 3))


def test_names_are_cut_cleaned_and_made_different():
    names = ["DAPI", " a\tb\n", None, "DAPI", "x" * 300]
    found = [channel.name for channel in named_channels(names, [None] * 5)]
    assert found == ["DAPI", "a b", "2", "DAPI (3)", "x" * 100]


def test_colours_that_are_all_the_same_say_nothing():
    white = (255, 255, 255)
    colours = [channel.colour for channel in named_channels(["a", "b"], [white, white])]
    assert colours == [(0, 0, 255), (0, 255, 0)]
    assert named_channels(["a"], [white])[0].colour == white


@pytest.mark.parametrize("percent", [0, 0.1, 5, 50, 99.9, 100])
def test_a_percentile_is_that_of_sorted_values(percent):
    values = np.random.default_rng(4).integers(0, 1000, 777)
    expected = np.percentile(values, percent, method="inverted_cdf")
    assert percentile(np.bincount(values), percent) == expected


def test_plain_images_of_8_bits_are_shown_as_they_are():
    image = np.zeros((4, 5, 3), np.uint8)
    assert shown(image, RGB, 8) is image


def test_channels_are_added_in_their_colours():
    channels = (
        Channel(name="a", colour=(255, 0, 0), window=(100, 200)),
        Channel(name="b", colour=(255, 0, 128), window=(0, 1000)),
    )
    image = np.array([[[100, 0], [200, 0], [100, 1000], [300, 1000]]], np.uint16)
    expected = [[[0, 0, 0], [255, 0, 0], [255, 0, 128], [255, 0, 128]]]
    np.testing.assert_array_equal(shown(image, channels, 16), expected)


def test_colours_of_more_bits_share_one_window():
    image = np.array([[[0, 500, 1000]]], np.uint16)
    assert usual_windows(image, RGB, 16) == [(0, 1000)] * 3
    np.testing.assert_array_equal(shown(image, RGB, 16), [[[0, 128, 255]]])


@pytest.mark.parametrize("value", [0, 7, 65535])
def test_a_channel_of_one_value_has_a_window_all_the_same(value):
    image = np.full((8, 8, 2), value, np.uint16)
    for low, high in usual_windows(image, plain_channels(2), 16):
        assert 0 <= low < high <= 65535


@pytest.mark.parametrize("values", [{"name": ""}, {"name": "x" * 101}, {"window": (5, 5)}])
def test_what_is_no_channel_is_refused(values):
    with pytest.raises(ValueError, match="A channel's"):
        Channel(**{"name": "a", "colour": (0, 0, 0), **values})

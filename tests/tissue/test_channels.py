"""What detectors are given of other images than 8-bit grey and colour."""

import numpy as np
import pytest
from channel_files import signal

import slidetile as st
from slidetile.choices import UnfitChoiceError
from slidetile.raster.channels import Channel, plain_channels
from slidetile.tissue.channels import detection_image


@pytest.mark.parametrize("channels", [1, 3])
def test_8_bit_grey_and_colour_are_given_as_they_are(channels):
    image = np.zeros((8, 9, channels), np.uint8)
    assert detection_image(image) is image


def test_channels_of_8_bits_are_given_by_their_brightest():
    image = signal(60, 70, 4, bits=8)
    np.testing.assert_array_equal(detection_image(image)[..., 0], image.max(axis=2))


def test_colours_of_16_bits_keep_their_ratios():
    image = signal(60, 70, 3, bits=12)
    shift = int(image.max()).bit_length() - 8
    np.testing.assert_array_equal(detection_image(image), image >> shift)


@pytest.mark.parametrize("channels", [1, 2, 5])
@pytest.mark.parametrize("level", [100, 3000, 40_000])
def test_noise_without_tissue_is_no_tissue(channels, level):
    random = np.random.default_rng(3)
    image = random.normal(level, level**0.5, (600, 700, channels)).round().astype(np.uint16)
    slide = st.ArraySlide(image, mpp=8.0, background=(0, 0, 0))
    assert st.find_tissue(slide).tissue_fraction < 0.01


@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("bits", [10, 12, 16])
def test_dim_and_bright_signals_are_found(channels, bits):
    """An ellipse of π/9 of the slide."""
    info = [Channel(name=f"c{number}", colour=(9, 9, 9)) for number in range(channels)]
    image = signal(600, 700, channels, bits=bits)
    slide = st.ArraySlide(image, mpp=8.0, background=(0, 0, 0), channels=info)
    assert abs(st.find_tissue(slide).tissue_fraction - np.pi / 9) < 0.05


def test_one_channel_may_be_looked_at_alone():
    image = signal(600, 700, 3)
    image[..., 1] = 200
    slide = st.ArraySlide(image, mpp=8.0, background=(0, 0, 0), channels=_named("a", "b", "c"))
    assert st.find_tissue(slide, channel="b").tissue_fraction == 0
    found = st.find_tissue(slide, channel="c")
    assert found.tissue_fraction > 0.3
    assert found.parameters["channel"] == "c"
    with pytest.raises(UnfitChoiceError, match="no channel 'd': there are a"):
        st.find_tissue(slide, channel="d")


def _named(*names):
    return [Channel(name=name, colour=(0, 255, 0)) for name in names]


def test_a_detector_of_ones_own_is_given_8_bits():
    seen = []

    def detector(image):
        seen.append((image.dtype, image.shape))
        return image[..., 0] > 20

    image = signal(300, 400, 5)
    st.find_tissue(st.ArraySlide(image, mpp=8.0, background=(0, 0, 0)), detector=detector)
    assert seen == [(np.uint8, (300, 400, 1))]


def test_a_channel_of_zeros_has_no_light():
    image = np.zeros((100, 100, 2), np.uint16)
    assert not detection_image(image, plain_channels(2)).any()

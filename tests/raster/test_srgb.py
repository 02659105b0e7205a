"""Pixels as sRGB, compared with Pillow's and imagecodecs' calls of LittleCMS."""

import pickle
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO

import imagecodecs
import numpy as np
import pytest
from icc_profiles import matrix_profile, table_profile
from PIL import Image, ImageCms

from slidetile.raster.srgb import _STRIP_PX, SrgbTransform

PROFILES = {
    "matrix": matrix_profile(),
    "table": table_profile(),
    "relative": table_profile(intent=1),
}


@pytest.fixture(params=PROFILES)
def profile(request):
    return PROFILES[request.param]


def noise(height, width):
    return np.random.default_rng(7).integers(0, 256, (height, width, 3), np.uint8)


def by_pillow(pixels, profile):
    source = ImageCms.ImageCmsProfile(BytesIO(profile))
    intent = ImageCms.getDefaultIntent(source)
    target = ImageCms.createProfile("sRGB")
    return np.asarray(ImageCms.profileToProfile(Image.fromarray(pixels), source, target, intent))


def test_it_is_what_pillow_gives(profile):
    pixels = noise(300, 410)
    converted = SrgbTransform(profile).convert(pixels)
    np.testing.assert_array_equal(converted, by_pillow(pixels, profile))
    assert np.abs(converted.astype(int) - pixels).mean() > 5


def test_it_is_what_another_littlecms_gives(profile):
    pixels, transform = noise(200, 210), SrgbTransform(profile)
    names = ["perceptual", "relative", "saturation", "absolute"]
    theirs = imagecodecs.cms_transform(
        pixels,
        profile,
        imagecodecs.cms_profile("srgb"),
        colorspace="rgb",
        outcolorspace="rgb",
        intent=names.index(transform.intent),
    )
    assert np.abs(transform.convert(pixels).astype(int) - theirs).max() <= 1  # it has own tables


def test_a_part_has_the_pixels_of_the_whole(profile):
    pixels, transform = noise(900, 600), SrgbTransform(profile)
    assert pixels.shape[0] * pixels.shape[1] > 2 * _STRIP_PX
    whole = transform.convert(pixels)
    for part in (np.s_[3:4, 5:6], np.s_[100:700, 31:], np.s_[::-1, ::3], np.s_[4:4]):
        np.testing.assert_array_equal(transform.convert(pixels[part]), whole[part])


def test_it_fills_an_array_of_any_strides_even_its_own(profile):
    pixels, transform = noise(40, 50), SrgbTransform(profile)
    expected = transform.convert(pixels)
    planes = np.empty((3, 40, 50), np.uint8).transpose(1, 2, 0)
    planes[:] = pixels
    assert transform.convert(planes, planes) is planes
    np.testing.assert_array_equal(planes, expected)


def test_threads_get_the_same_pixels(profile):
    transform = SrgbTransform(profile)
    parts = np.split(noise(1600, 128), 16)
    expected = [by_pillow(part, profile) for part in parts]
    with ThreadPoolExecutor(8) as pool:
        for part, wanted in zip(pool.map(transform.convert, parts), expected, strict=True):
            np.testing.assert_array_equal(part, wanted)


def test_it_survives_pickling(profile):
    transform = SrgbTransform(profile + b"\0")
    copy = pickle.loads(pickle.dumps(transform))  # noqa: S301 - our own bytes
    np.testing.assert_array_equal(copy.convert(noise(9, 9)), transform.convert(noise(9, 9)))


def test_white_stays_white_and_a_colour_is_a_pixel(profile):
    transform = SrgbTransform(profile)
    assert transform.colour((255, 255, 255)) == (255, 255, 255)
    pixel = np.array([[[200, 120, 170]]], np.uint8)
    assert transform.colour((200, 120, 170)) == tuple(by_pillow(pixel, profile)[0, 0].tolist())

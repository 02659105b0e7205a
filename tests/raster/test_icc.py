"""What is a profile of RGB pixels, and what is refused."""

import random
import struct

import numpy as np
import pytest
from icc_profiles import matrix_profile, table_profile

from slidetile.raster.icc import LARGEST_PROFILE_BYTES, ProfileError, RgbProfile
from slidetile.raster.srgb import SrgbTransform


def changed(start, data):
    whole = bytearray(matrix_profile())
    whole[start : start + len(data)] = data
    return bytes(whole)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "is damaged: it does not have the header"),
        (b"profile" * 30, "is damaged: it does not have the header"),
        (matrix_profile(space=b"CMYK"), "is of the colour space CMYK, but the pixels are RGB"),
        (matrix_profile(space=b"GRAY"), "is of the colour space GRAY, but the pixels are RGB"),
        (matrix_profile(space=b"Lab "), "is of the colour space Lab, but the pixels are RGB"),
        (matrix_profile(space=b"\n\x1b\xff\0"), r"is of the colour space \?\?\?\?, but"),
        (matrix_profile(kind=b"link"), "is of the class link, but only those of scanners"),
        (matrix_profile(intent=7), "is damaged: its rendering intent is 7, and 0 to 3 are known"),
        (changed(20, b"RGB "), "is damaged: it connects to RGB, not to XYZ or Lab"),
        (changed(128, b"\xff\xff\xff\xff"), "is damaged: 4294967295 tags do not fit into its"),
        (changed(136, b"\xff\xff\xff\xff"), "is damaged: its tag desc ends beyond its"),
        (matrix_profile()[:-400], r"is cut short: of its \d+ bytes \d+ are there"),
        (table_profile() + bytes(LARGEST_PROFILE_BYTES), "has 12.0 MB, more than the 12 MB"),
        (table_profile() + bytes(13_000_000), "has 13.0 MB, more than the 12 MB that are read"),
    ],
)
def test_what_is_no_profile_of_rgb_pixels_is_refused(data, message):
    with pytest.raises(ProfileError, match=f"^{message}"):
        RgbProfile.of(data)


def test_bytes_behind_a_profile_are_no_part_of_it():
    assert RgbProfile.of(matrix_profile() + b"\0").data == matrix_profile()


@pytest.mark.parametrize("intent", ["perceptual", "relative", "saturation", "absolute"])
def test_the_intent_is_the_profiles(intent):
    names = ["perceptual", "relative", "saturation", "absolute"]
    assert RgbProfile.of(table_profile(intent=names.index(intent), grid=3)).intent == intent


def test_what_littlecms_does_not_take_is_damaged():
    count = struct.pack(">I", 0)  # no tags: nothing says what red is
    with pytest.raises(ProfileError, match=r"^is damaged: LittleCMS does not take it \("):
        SrgbTransform(changed(128, count))


def test_damage_is_an_error_or_a_profile_and_nothing_else():
    chance = random.Random(5)  # noqa: S311  the same ones every time
    pixels = np.arange(48, dtype=np.uint8).reshape(4, 4, 3)
    taken = 0
    whole = matrix_profile(), table_profile(grid=3)
    for _ in range(400):
        data = bytearray(chance.choice(whole))
        for _ in range(chance.choice([1, 2, 5, 20])):
            data[chance.randrange(len(data))] = chance.randrange(256)
        try:
            converted = SrgbTransform(bytes(data)).convert(pixels)
        except ProfileError:
            continue
        assert converted.shape == pixels.shape
        taken += 1
    assert 20 < taken < 380

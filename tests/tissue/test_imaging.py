"""What detectors share: how images are looked at."""

import numpy as np
import pytest
from stained import draw, glowing

from slidetile.tissue.imaging import (
    ASSUMED_MPP,
    enlarge,
    is_dark,
    window_px,
    working_resolution,
)


def test_only_dark_overviews_are_dark():
    assert is_dark(glowing())
    assert not any(is_dark(draw(name)) for name in ("only tissue", "black padding", "blank"))


@pytest.mark.parametrize(
    ("side", "mpp", "expected"),
    [
        (2000, 8.0, (2, 16.0)),
        (2000, 4.0, (3, 12.0)),  # not 4: 2000 / 4 is too small to look at
        (2000, 20.0, (1, 20.0)),
        (500, 4.0, (1, 4.0)),
        (5000, None, (2, 2 * ASSUMED_MPP)),
    ],
)
def test_images_are_looked_at_at_about_16_um(side, mpp, expected):
    assert working_resolution(np.zeros((100, side, 3), np.uint8), mpp) == expected


@pytest.mark.parametrize(
    ("length_um", "pixel_um", "expected"), [(80, 8, 11), (88, 8, 11), (1, 8, 3), (1e9, 8, 33)]
)
def test_a_window_is_odd_at_least_3_and_no_larger_than_a_part_of_the_image(
    length_um, pixel_um, expected
):
    assert window_px(length_um, pixel_um, (500, 1024)) == expected


def test_a_mask_is_enlarged_and_cut():
    mask = np.array([[True, False], [False, True]])
    large = enlarge(mask, 3, (5, 4))
    assert large.shape == (5, 4)
    assert large[:3, :3].all()
    assert not large[:3, 3:].any()
    assert large[3:, 3:].all()
    assert enlarge(mask, 1, (2, 2)) is mask

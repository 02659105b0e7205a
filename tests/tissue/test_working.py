"""What tissue and pen share: made once for an overview, anew for what may have changed."""

import gc

import numpy as np
import pytest

from slidetile.raster.block_means import area_average
from slidetile.tissue import working
from slidetile.tissue.working import working_image


def overview(seed=0):
    image = np.random.default_rng(seed).integers(100, 255, (1100, 1300, 3), np.uint8)
    image.flags.writeable = False
    return image


def test_an_overview_is_averaged_once():
    image = overview()
    first = working_image(image, 8.0)
    assert (first.factor, first.pixel_um) == (2, 16.0)
    np.testing.assert_array_equal(first.pixels, area_average(image, 2))
    assert working_image(image, 8.0) is first
    assert first.strokes is first.strokes


def test_another_resolution_or_image_is_another():
    image = overview()
    first = working_image(image, 8.0)
    assert working_image(image, 16.0).factor == 1
    assert working_image(overview(1), 8.0) is not first
    assert working_image(overview(), 8.0) is not first


def test_an_image_that_can_change_is_not_remembered():
    image = overview().copy()
    dark = working_image(image, 8.0)
    image[:] = 255
    assert (working_image(image, 8.0).pixels == 255).all()
    assert not (dark.pixels == 255).all()


@pytest.mark.parametrize(("mpp", "factor"), [(8.0, 2), (16.0, 1)])
def test_nothing_is_kept_of_an_image_that_is_gone(mpp, factor):
    image = overview()
    number = id(image)
    assert working_image(image, mpp).factor == factor
    assert number in working._remembered
    del image
    gc.collect()
    assert number not in working._remembered

"""Dense tissue of any hue, and what is dense but none: drawn, with one property each."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from slidetile.tissue.optical_density import OpticalDensityDetector

ROWS, COLUMNS = np.mgrid[:420, :640]
DISC = np.hypot(ROWS - 210, COLUMNS - 320) < 90
EOSIN = np.array([0.07, 0.99, 0.11])
GREY = np.ones(3)
METHYL_GREEN = np.array([0.9, 0.45, 0.35])
BLOOD = np.array([0.10, 1.0, 0.60])
RED_INK = np.array([0.08, 1.0, 0.88])


def photograph(density):
    """Take a picture of densities, float [row, column, 3], on glass of a little noise."""
    image = 240 * np.exp(-density) + np.random.default_rng(0).normal(0, 1, density.shape)
    return np.clip(np.rint(image), 0, 255).astype(np.uint8)


def drawn(where, amount, colour, texture=0.0):
    """Draw an area of one colour, whose amount may vary from pixel to pixel."""
    varied = 1 + texture * np.random.default_rng(1).standard_normal(where.shape)
    soft = gaussian_filter(where.astype(float), 0.7)
    return photograph((soft * amount * varied)[..., None] * colour)


def found(image, where=DISC):
    return OpticalDensityDetector().detect(image, mpp=16.0)[where].mean()


@pytest.mark.parametrize("colour", [EOSIN, BLOOD, GREY, 0.6 * METHYL_GREEN])
def test_textured_tissue_of_any_colour_is_found(colour):
    assert found(drawn(DISC, 0.4, colour, texture=0.25)) >= 0.985


def test_smooth_tissue_is_found_if_it_is_dense():
    assert found(drawn(DISC, 0.5, EOSIN)) >= 0.985


@pytest.mark.parametrize("colour", [EOSIN, BLOOD, np.array([0.2, 0.6, 1.0])])
def test_a_pale_smooth_tint_is_no_tissue(colour):
    assert found(drawn(DISC, 0.1, colour)) <= 0.005


@pytest.mark.parametrize("density", [0.3, 0.9])
def test_rims_of_bubbles_are_no_tissue(density):
    ring = np.abs(np.hypot(ROWS - 210, COLUMNS - 320) - 90) < 3
    assert not OpticalDensityDetector().detect(drawn(ring, density, GREY, 0.2), mpp=16.0).any()


def test_a_line_across_the_image_is_an_edge_of_glass():
    line = np.abs(ROWS - 60 - 0.02 * COLUMNS) < 12
    colour = np.array([0.8, 1.0, 1.2])
    image = drawn(line, 0.4, colour, texture=0.25)
    detector = OpticalDensityDetector()
    assert not detector.detect(image, mpp=16.0).any()
    assert detector.left_out(image, mpp=16.0)["dirt"][line].mean() > 0.9


def test_the_rim_of_a_bubble_that_touches_tissue_is_cut_off():
    ring = np.abs(np.hypot(ROWS - 210, COLUMNS - 440) - 80) < 3
    image = photograph(
        (gaussian_filter((ring & ~DISC).astype(float), 0.7) * 0.6)[..., None] * GREY
        + (DISC * 0.4 * (1 + 0.25 * np.random.default_rng(2).standard_normal(DISC.shape)))[
            ..., None
        ]
        * EOSIN
    )
    far = ring & (COLUMNS > 460)
    assert found(image) >= 0.985
    assert found(image, far) <= 0.2


def test_blood_is_tissue_and_red_ink_is_not():
    assert found(drawn(DISC, 1.5, BLOOD, texture=0.1)) >= 0.985
    assert found(drawn(DISC, 1.5, RED_INK)) <= 0.005


def test_bodies_six_pixels_apart_stay_apart():
    """96 µm of glass, which is less than a window."""
    left, right = (
        (np.abs(ROWS - 210) < 80) & (np.abs(COLUMNS - middle) < 60) for middle in (250, 375)
    )
    tissue = OpticalDensityDetector().detect(
        drawn(left | right, 0.4, EOSIN, texture=0.25), mpp=16.0
    )
    gap = (np.abs(ROWS - 210) < 70) & (np.abs(COLUMNS - 312.5) < 1.5)
    assert not tissue[gap].any()


def test_higher_densities_asked_for_find_less_of_a_smooth_body():
    image = drawn(DISC, 0.3, EOSIN)
    fine = OpticalDensityDetector(min_density=0.05).detect(image, mpp=16.0)
    coarse = OpticalDensityDetector(min_density=0.6, min_grey_density=0.6).detect(image, mpp=16.0)
    assert fine.sum() > coarse.sum()

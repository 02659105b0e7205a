"""Frames of printed marks, and what is scattered like dust or cells."""

import numpy as np
import pytest

from slidetile.slides.array import ArraySlide
from slidetile.tissue.finding import find_tissue
from slidetile.tissue.optical_density import OpticalDensityDetector

ROWS, COLUMNS = np.mgrid[:600, :800]


def picture(middles, colour=(120, 120, 120), radius=3.0):
    """Draw discs on glass of some noise."""
    image = np.random.default_rng(0).normal(238, 1, (600, 800, 3))
    for row, column in middles:
        image[np.hypot(ROWS - row, COLUMNS - column) < radius] = colour
    return np.clip(image, 0, 255).astype(np.uint8)


def marks(image):
    left_out = OpticalDensityDetector().left_out(image, mpp=16.0)
    return left_out.get("printed marks", np.zeros((600, 800), bool))


@pytest.mark.parametrize("degrees", [0, 12])
@pytest.mark.parametrize("is_hexagonal", [False, True])
def test_a_frame_is_left_out(degrees, is_hexagonal):
    turn = np.exp(1j * np.radians(degrees))
    places = [
        turn * complex(14 * column + 7 * (is_hexagonal and row % 2), 13 * row)
        for row in (*range(3), *range(27, 30))
        for column in range(36)
    ]
    middles = [(80 + place.imag, 130 + place.real) for place in places]
    image = picture(middles)
    found = marks(image)
    assert all(found[round(row), round(column)] for row, column in middles)
    assert not find_tissue(ArraySlide(image, mpp=16.0)).mask.any()


def test_scattered_cells_are_no_frame():
    """Cells of a smear are alike in size, too, and keep their distance."""
    rng, middles = np.random.default_rng(1), []
    while len(middles) < 150:
        row, column = rng.uniform(20, 580), rng.uniform(20, 780)
        if all(np.hypot(row - r, column - c) > 16 for r, c in middles):
            middles.append((row, column))
    assert not marks(picture(middles, colour=(120, 115, 150))).any()


def test_what_is_remembered_of_an_image_is_not_handed_out():
    image = picture([(300, 400)], colour=(150, 60, 130), radius=80.0)
    image.flags.writeable = False
    detector = OpticalDensityDetector()
    first = detector.detect(image, mpp=16.0)
    kept = first.copy()
    first[:] = False
    for mask in detector.left_out(image, mpp=16.0).values():
        mask[:] = True
    assert np.array_equal(detector.detect(image, mpp=16.0), kept)
    assert not any(mask.all() for mask in detector.left_out(image, mpp=16.0).values())

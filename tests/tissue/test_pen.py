"""Marker strokes: found where they are smooth and of a marker's colour, whatever lies beside."""

import numpy as np
import pytest
import stained
from stained import INKS, ROWS, WHITE, photograph, section

from slidetile.tissue.pen import Densities, pen_strokes

SHADE = np.array(WHITE, np.float32)
STROKE = np.abs(ROWS - 50) < 20
"""A straight stroke 320 µm wide, from edge to edge."""

FAR = np.abs(ROWS - 50) > 20 + 30


def with_stroke(image, ink):
    """Lay a stroke of even ink over an image."""
    image[STROKE] *= np.array(INKS[ink]) / 243
    return image


def strokes(image, rng):
    return pen_strokes(photograph(image, rng), SHADE, 8.0)


@pytest.mark.parametrize("ink", INKS)
def test_a_stroke_is_found_and_the_tissue_below_it_is_not(ink):
    rng = np.random.default_rng(0)
    found = strokes(with_stroke(section(rng), ink), rng)
    assert found[STROKE].mean() > 0.95
    assert not found[FAR].any()


@pytest.mark.parametrize("name", ["H&E with fat", "brown and blue", "pale pink", "dirty", "blank"])
def test_there_is_none_on_a_slide_without(name):
    assert not pen_strokes(stained.draw(name), SHADE, 8.0).any()


def test_a_mirrored_slide_has_mirrored_strokes():
    rng = np.random.default_rng(0)
    image = photograph(with_stroke(section(rng), "green"), rng)
    straight = pen_strokes(image, SHADE, 8.0)
    assert straight.any()
    assert np.array_equal(pen_strokes(image[::-1, ::-1].copy(), SHADE, 8.0), straight[::-1, ::-1])


def test_densities_are_those_of_beer_and_lambert():
    image = np.array([[WHITE, (24, 243, 1), (0, 90, 255)]], np.uint8)
    found = np.stack(Densities.of(image, SHADE), axis=-1)
    expected = -np.log(np.maximum(image, 1) / SHADE)
    assert np.allclose(found, expected, atol=1e-6)

"""The colours of bare glass."""

import numpy as np
from stained import LILAC, WHITE, draw

from slidetile.tissue.glass import ShadeMap, find_glass, near_shade


def test_shades_of_glass_are_found_darkest_first():
    white, lilac = find_glass(draw("white padding")).shades[::-1]
    assert np.abs(white - 255).max() < 1.5
    assert np.abs(lilac - LILAC).max() < 1.5


def test_the_commonest_shade_wins_even_where_tissue_covers_most():
    (shade,) = find_glass(draw("mostly tissue")).shades
    assert np.abs(shade - WHITE).max() < 1.5


def test_without_glass_the_brightest_pixels_stand_in():
    dark = np.random.default_rng(0).integers(0, 140, (100, 100, 3), np.uint8)
    glass = find_glass(dark)
    assert not glass.is_seen
    (shade,) = glass.shades
    assert shade.tolist() == [200, 200, 200]  # and never darker than glass can be


def test_smooth_tissue_is_no_glass():
    """A field of it, at full magnification: bright, nearly grey, but greens are missing."""
    assert not find_glass(np.full((100, 100, 3), (226, 203, 222), np.uint8)).is_seen
    assert find_glass(np.full((100, 100, 3), (238, 228, 240), np.uint8)).is_seen


def test_a_pixel_is_near_a_shade_in_every_channel_or_not_at_all():
    shade = np.array([240.5, 230.0, 220.0], np.float32)
    pixels = np.array(
        [[[240, 230, 220], [237, 226, 224], [236, 230, 220], [240, 230, 225]]], np.uint8
    )
    assert near_shade(pixels, shade).tolist() == [[True, True, False, False]]


def test_each_pixel_shows_its_shade_and_what_prevails_around_it():
    image = np.full((40, 90, 3), 240, np.uint8)
    image[:, 30:60] = 200
    image[:, 60:] = 100  # no glass
    image[20, 10] = 100
    shades = [np.full(3, level, np.float32) for level in (200, 240)]
    found = ShadeMap.of(image, shades, window_px=9)
    assert found.shown[20, [5, 10, 45, 80]].tolist() == [0b10, 0, 0b01, 0]
    assert found.prevailing[20, [5, 10, 45, 80]].tolist() == [1, 1, 0, len(shades)]

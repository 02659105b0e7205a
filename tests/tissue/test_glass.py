"""The colours of bare glass."""

import numpy as np
from stained import LILAC, draw

from slidetile.tissue.glass import glass_shades


def test_shades_of_glass_are_found_darkest_first():
    white, lilac = glass_shades(draw("white padding"))[::-1]
    assert np.abs(white - 255).max() < 1.5
    assert np.abs(lilac - LILAC).max() < 1.5

"""The default detector gives the same mask in bands of rows as of the whole image."""

from functools import partial

import numpy as np
import pytest
import stained

from slidetile.raster import bands
from slidetile.raster.morphology import opened, widened
from slidetile.tissue.absorption import UNIT, Absorption
from slidetile.tissue.optical_density import OpticalDensityDetector
from slidetile.tissue.scattered import Scattered
from slidetile.tissue.texture import percent_around

WHOLE = 1 << 40


def in_bands(monkeypatch, find):
    """Return what is found in the smallest bands, and what is found in the whole image."""
    results = []
    for band_px in (1, WHOLE):
        monkeypatch.setattr(bands, "_BAND_PX", band_px)
        results.append(find())
    return results


@pytest.mark.parametrize("window_um", [500.0, 5.0])
@pytest.mark.parametrize("name", ["H&E with fat", "mosaic", "red pen"])
def test_a_detector_does_not_show_its_bands(monkeypatch, name, window_um):
    image = stained.draw(name)
    detector = OpticalDensityDetector(window_um=window_um)
    banded, whole = in_bands(monkeypatch, lambda: detector.detect(image, mpp=8.0))
    assert np.array_equal(banded, whole)


@pytest.mark.parametrize("top", range(12))
def test_what_is_opened_reaches_into_the_next_band(monkeypatch, top):
    mask = np.zeros((60, 20), np.bool_)
    mask[top : top + 10, 4:14] = True
    banded, whole = in_bands(monkeypatch, lambda: opened(mask, 3, 2))
    assert np.array_equal(banded, whole)
    assert whole[max(0, top - 1) : top + 11, 3:15].all()
    banded, whole = in_bands(monkeypatch, lambda: widened(mask, 5))
    assert np.array_equal(banded, whole)


@pytest.mark.parametrize("window_px", [3, 15])
def test_what_is_scattered_does_not_show_its_bands(monkeypatch, window_px):
    differing = 0
    for seed in range(20):
        rng = np.random.default_rng(seed)
        blocks = np.ones((10, 5), np.int16)
        texture = rng.random((200, 60)) < np.kron(rng.random((20, 12)), blocks) * 0.8
        bodies = np.kron(rng.random((20, 12)) < 0.15, blocks > 0)
        stain = np.kron(rng.integers(0, UNIT // 30, (20, 12)), blocks).astype(np.int16)
        seen = Absorption(stain=stain, grey=stain, colour=stain)
        scattered = Scattered(
            window_px=window_px, pixel_um=8.0, glass_percent=5, min_texture=0.25, min_density=0.005
        )
        percent = percent_around(texture, window_px)
        found = partial(scattered.found, seen, texture, percent, bodies)
        banded, whole = in_bands(monkeypatch, found)
        differing += np.count_nonzero(banded != whole)
    assert differing == 0

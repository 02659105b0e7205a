"""The detectors of fluorescence and of grey images."""

import numpy as np
import pytest
from scipy.ndimage import binary_dilation
from stained import BODY, SHAPE, draw, glowing

from slidetile.slides.array import ArraySlide
from slidetile.tissue.finding import find_tissue
from slidetile.tissue.optical_density import OpticalDensityDetector
from slidetile.tissue.plain import DarkBackgroundDetector


@pytest.mark.parametrize("channels", [1, 3])
def test_fluorescence(channels):
    pixels = np.zeros((*SHAPE, channels), np.uint8)
    pixels[..., -1:] = glowing()
    tissue = find_tissue(ArraySlide(pixels, mpp=8.0, background=(0, 0, 0)))
    assert tissue.parameters["detector"]["name"] == "DarkBackgroundDetector"
    assert tissue.mask[BODY].mean() >= 0.985
    assert tissue.mask[~binary_dilation(BODY, iterations=12)].mean() <= 0.005


@pytest.mark.parametrize("level", [0, 8])
def test_fluorescence_without_tissue(level):
    noise = np.random.default_rng(0).normal(level, level / 4, (*SHAPE, 1))
    pixels = np.clip(noise, 0, 255).astype(np.uint8)
    assert not find_tissue(ArraySlide(pixels, mpp=8.0)).mask.any()


def test_grey_brightfield_falls_back_to_otsu():
    grey = draw("H&E with fat")[..., 1:2]
    tissue = find_tissue(ArraySlide(grey, mpp=8.0))
    assert tissue.parameters["detector"] == {"name": "OtsuDetector"}
    assert tissue.mask[BODY].mean() > 0.9
    with pytest.raises(ValueError, match=r"1 channel: choose .* or otsu \(OtsuDetector\)"):
        OpticalDensityDetector()(grey)


def test_dark_mirrored_images_give_mirrored_masks():
    detector, image = DarkBackgroundDetector(), glowing()
    assert np.array_equal(detector(image[::-1, ::-1]), detector(image)[::-1, ::-1])


def test_bright_discs_on_nothing_are_tissue():
    rows, columns = np.mgrid[:300, :300]
    image = np.zeros((300, 300, 1), np.uint8)
    image[(rows - 150) ** 2 + (columns - 150) ** 2 < 60**2] = 200
    found = DarkBackgroundDetector().detect(image, mpp=8.0)
    assert found[image[..., 0] > 0].all()
    assert found.mean() < 0.3

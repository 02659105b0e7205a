"""Pixels of a slide at any resolution."""

import numpy as np
import pytest

from slidetile.raster.region import Region
from slidetile.slides import frame as module
from slidetile.slides.array import ArraySlide
from slidetile.slides.frame import Frame, read_frame


@pytest.fixture
def slide():
    """A ramp across and down, 1 µm per pixel."""
    rows, columns = np.indices((240, 200))
    pixels = np.stack([columns, rows, np.full_like(rows, 7)], axis=-1).astype(np.uint8)
    return ArraySlide(pixels, mpp=1.0, background=(250, 251, 252))


def test_at_the_slides_own_resolution_it_is_the_slide(slide):
    region = Region(x=30, y=40, width=50, height=60)
    frame = Frame(x_um=30, y_um=40, mpp=1.0, width=50, height=60)
    assert np.array_equal(read_frame(slide, frame), slide.read_region(region))


def test_coarser_pixels_are_means_and_lie_where_they_should(slide):
    pixels = read_frame(slide, Frame(x_um=20, y_um=60, mpp=4.0, width=30, height=25))
    assert pixels.shape == (25, 30, 3)
    centres = 20 + 4 * (np.arange(30) + 0.5) - 0.5
    assert np.abs(pixels[:, :, 0] - centres).max() <= 1
    assert (pixels[..., 2] == 7).all()


def test_outside_is_background(slide):
    pixels = read_frame(slide, Frame(x_um=-50, y_um=-50, mpp=2.0, width=10, height=10))
    assert (pixels == (250, 251, 252)).all()


def test_neighbours_and_pieces_fit_together(slide, monkeypatch):
    whole = Frame(x_um=3.5, y_um=8.25, mpp=2.5, width=60, height=50)
    expected = read_frame(slide, whole)
    right = whole.part(Region(x=25, y=10, width=30, height=20))
    assert np.abs(read_frame(slide, right).astype(int) - expected[10:30, 25:55]).max() <= 1
    monkeypatch.setattr(module, "_SOURCE_SIDE_PX", 40)
    assert np.abs(read_frame(slide, whole).astype(int) - expected).max() <= 1


def test_one_channel_stays_one(slide):
    grey = ArraySlide(slide.read_region(slide.bounds)[..., :1], mpp=1.0)
    assert read_frame(grey, Frame(x_um=0, y_um=0, mpp=3.0, width=9, height=8)).shape == (8, 9, 1)

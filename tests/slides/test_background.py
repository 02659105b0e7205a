import numpy as np
import pytest

from slidetile.errors import SlideReadError
from slidetile.raster.region import Region
from slidetile.slides._background import composite, find_background
from slidetile.slides.opening import open_slide


@pytest.mark.parametrize("premultiplied", [False, True])
def test_composite_stays_within_its_bounds(premultiplied):
    values = np.arange(256, dtype=np.uint8)
    grid = np.stack(np.meshgrid(values, values), axis=2)
    colours, alpha = np.repeat(grid[..., :1], 3, axis=2), grid[..., 1:]
    laid = composite(colours, alpha, (10, 200, 255), premultiplied=premultiplied)
    weight = alpha / 255
    exact = colours * (1 if premultiplied else weight) + np.array([10, 200, 255]) * (1 - weight)
    assert np.abs(laid - np.clip(exact, 0, 255)).max() <= 0.5


def test_a_file_that_cannot_be_read_has_no_background():
    def read(region):
        raise SlideReadError(f"no {region}")

    with pytest.raises(SlideReadError, match="no"):
        find_background((100, 100), read)


def test_transparent_pixels_of_openslide_show_the_background(shared_slides, monkeypatch):
    path = shared_slides / "multi_frame_jpeg_camelyon_challenge_image.dcm"
    with open_slide(path, reader="openslide") as slide:
        read = slide._read_with

        def half_transparent(handle, piece, level):
            pixels = read(handle, piece, level).copy()
            pixels[:, ::2] = 0  # as OpenSlide returns what was never scanned
            return pixels

        monkeypatch.setattr(slide, "_read_with", half_transparent)
        pixels = slide.read_region(Region(x=0, y=0, width=100, height=100))
        assert (pixels[:, ::2] == 255).all()
        assert pixels[:, 1::2].min() < 255


def test_large_regions_come_in_pieces(shared_slides, monkeypatch):
    path = shared_slides / "test3-DAPI.ndpi"
    with open_slide(path, reader="openslide") as slide:
        whole = slide.read_region(slide.bounds)
        monkeypatch.setattr("slidetile.slides.openslide.slide._BLOCK_SIDE_PX", 700)
        np.testing.assert_array_equal(slide.read_region(slide.bounds), whole)

"""The picture of a slide: outline and tiles over the stored overview."""

import io

import numpy as np
import pytest
import report_slides
from PIL import Image

import slidetile as st
from slidetile.cohort.report.picture import LONGEST_SIDE_PX, slide_picture
from slidetile.raster.drawing import GRID_COLOUR, OUTLINE_COLOUR
from slidetile.store.recorded import StoreRecord


def near(picture, colour):
    """Return which pixels have about a colour; JPEG keeps none exactly."""
    return np.abs(picture.astype(int) - colour).max(axis=2) < 48


def drawn(store):
    picture = Image.open(io.BytesIO(slide_picture(StoreRecord(store.path))))
    return np.asarray(picture)


@pytest.fixture(scope="module")
def slide():
    """Glass with a square of tissue: 4096 px, 0.5 µm."""
    pixels = np.full((4096, 4096, 3), 240, np.uint8)
    pixels[1024:3072, 1024:3072] = (190, 90, 160)
    return st.ArraySlide(pixels, mpp=0.5)


def store_of(slide, path, size):
    tissue = st.find_tissue(slide, detector=lambda image: image[..., 1] < 200)
    return st.write_tiles(slide, st.plan_tiles(slide, tissue, st.TileSpec(size=size)), path)


def test_outline_and_grid_are_where_tissue_and_tiles_are(slide, tmp_path):
    picture = drawn(store_of(slide, tmp_path / "x.zarr", 512))
    assert max(picture.shape) == LONGEST_SIDE_PX
    quarter = LONGEST_SIDE_PX // 4
    rows, columns = np.nonzero(near(picture, GRID_COLOUR) | near(picture, OUTLINE_COLOUR))
    assert (rows.min(), rows.max()) == pytest.approx((quarter, 3 * quarter), abs=2)
    assert (columns.min(), columns.max()) == pytest.approx((quarter, 3 * quarter), abs=2)
    inside = near(picture, GRID_COLOUR)[quarter + 8 : 3 * quarter - 8, 2 * quarter - 4]
    assert inside.sum() >= 3  # the edges of tiles cross the middle


def test_of_small_tiles_the_area_is_outlined(slide, tmp_path):
    picture = drawn(store_of(slide, tmp_path / "x.zarr", 16))
    is_grid = near(picture, GRID_COLOUR) | near(picture, OUTLINE_COLOUR)
    assert is_grid.any()
    assert not is_grid[200:520, 200:520].any()


def test_the_same_store_gives_the_same_bytes(tmp_path):
    store = report_slides.small_store(tmp_path / "x.zarr")
    assert slide_picture(StoreRecord(store.path)) == slide_picture(StoreRecord(store.path))

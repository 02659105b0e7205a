"""Drawing: lines where they belong, and HTML that nobody can break out of."""

import base64
import io
import re

import numpy as np
import pytest
from PIL import Image

import slidetile as st
from slidetile.raster import drawing as preview
from slidetile.raster.drawing import (
    GRID_COLOUR,
    LARGEST_ENLARGEMENT,
    OUTLINE_COLOUR,
    draw,
)

WHITE = np.full((40, 60, 3), 255, np.uint8)


def where(picture, colour):
    return {(int(x), int(y)) for y, x in np.argwhere((picture == colour).all(axis=2))}


def frame(left, top, right, bottom):
    """The pixels of a rectangle's edge, right and bottom inclusive."""
    across = {(x, y) for x in range(left, right + 1) for y in (top, bottom)}
    return across | {(x, y) for x in (left, right) for y in range(top, bottom + 1)}


def test_the_outline_is_two_pixels_wide_on_the_masks_edge():
    mask = np.zeros((40, 60), np.bool_)
    mask[10:20, 15:35] = True
    picture = draw(WHITE, mask=mask, longest_side_px=60)
    assert where(picture, OUTLINE_COLOUR) == (
        frame(15, 10, 34, 19) | frame(14, 9, 35, 20) - {(14, 9), (35, 9), (14, 20), (35, 20)}
    )


def test_further_outlines_have_their_colours_and_tint_nothing():
    mask, other = np.zeros((2, 40, 60), np.bool_)
    mask[10:20, 15:35] = other[5:30, 10:50] = True
    picture = draw(WHITE, mask=mask, outlines=[(other, GRID_COLOUR)], longest_side_px=60)
    alone = draw(WHITE, mask=mask, longest_side_px=60)
    assert where(picture, OUTLINE_COLOUR) == where(alone, OUTLINE_COLOUR)
    assert frame(10, 5, 49, 29) <= where(picture, GRID_COLOUR)
    assert (30, 25) in where(picture, (255, 255, 255))


def test_a_mask_that_fills_the_picture_has_no_outline():
    picture = draw(WHITE, mask=np.ones((40, 60), np.bool_), longest_side_px=60)
    np.testing.assert_array_equal(picture, WHITE)


def test_cells_are_drawn_inside_their_edges():
    cells = [st.Region.from_edges(0, 0, 10, 10), st.Region.from_edges(30, 20, 60, 40)]
    picture = draw(WHITE, cells=cells, longest_side_px=60)
    assert where(picture, GRID_COLOUR) == frame(0, 0, 9, 9) | frame(30, 20, 59, 39)
    assert (WHITE == 255).all()


def test_everything_is_scaled_together():
    mask = np.zeros((40, 60), np.bool_)
    mask[:, 30:] = True
    cell = st.Region(x=0, y=0, width=120, height=120)
    picture = draw(WHITE, mask=mask, cells=[cell], downsample=(4, 3), longest_side_px=120)
    assert picture.shape == (80, 120, 3)
    assert where(picture, GRID_COLOUR) == frame(0, 0, 59, 79)
    assert where(picture, OUTLINE_COLOUR) == {(60, y) for y in range(80)}


@pytest.mark.parametrize(("side", "shape"), [(60, (40, 60)), (30, (20, 30)), (10_000, (320, 480))])
def test_the_longest_side_is_kept_to_but_not_by_enlarging_without_end(side, shape):
    assert LARGEST_ENLARGEMENT == 8
    assert draw(WHITE, longest_side_px=side).shape == (*shape, 3)


def test_shrinking_averages():
    image = np.zeros((40, 60, 3), np.uint8)
    image[::2] = 200
    assert np.unique(draw(image, longest_side_px=30)).tolist() == [100]


def test_a_strip_keeps_at_least_a_pixel():
    assert draw(np.zeros((1, 5000, 3), np.uint8), longest_side_px=50).shape == (1, 50, 3)


def test_grey_becomes_colour():
    grey = np.arange(40 * 60, dtype=np.uint8).reshape(40, 60, 1)
    picture = draw(grey, longest_side_px=60)
    np.testing.assert_array_equal(picture, np.repeat(grey, 3, axis=2))


@pytest.mark.parametrize("edges", [(5999, 0, 6000, 4000), (0, 0, 10, 10), (64, 64, 96, 96)])
def test_cells_thinner_than_a_pixel_are_drawn_all_the_same(edges):
    cell = st.Region.from_edges(*edges)
    picture = draw(WHITE, cells=[cell], downsample=(100, 100), longest_side_px=55)
    assert where(picture, GRID_COLOUR)


def test_a_slide_a_pixel_wider_than_its_tiles_can_be_drawn():
    pixels = np.full((1024, 2049, 3), 120, np.uint8)
    slide = st.ArraySlide(pixels, mpp=0.5)
    tissue = st.find_tissue(slide, detector=lambda image: np.ones(image.shape[:2], np.bool_))
    plan = st.plan_tiles(slide, tissue)
    assert len(plan) == 3
    assert where(plan.picture(), GRID_COLOUR)


def test_cells_of_another_resolution_are_brought_to_the_images():
    cell = st.Region(x=8, y=6, width=16, height=9)
    picture = draw(WHITE, cells=[cell], downsample=(4, 3), longest_side_px=60)
    assert where(picture, GRID_COLOUR) == frame(2, 2, 5, 4)


def test_png_keeps_every_pixel():
    image = np.random.default_rng(0).integers(0, 256, (20, 30, 3), np.uint8)
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(preview.png(image)))), image)


EVIL = "<script>alert('&')</script>"


@pytest.fixture
def shown(sample, tmp_path):
    """Everything that shows itself in a notebook, under a name that tries to break out."""
    path = tmp_path / "evil" / f"{EVIL.replace('/', '')}.svs"
    path.parent.mkdir()
    path.write_bytes(sample.read_bytes())
    with st.open_slide(path) as slide:
        tissue = st.find_tissue(slide)
        plan = st.plan_tiles(slide, tissue)
        store = st.write_tiles(slide, plan, path.with_suffix(".zarr"))
        array = st.ArraySlide(np.zeros((30, 40, 3), np.uint8), name=EVIL)
        drawn = st.TissueMask.from_mask(tissue.mask, tissue.overview, parameters={"detector": EVIL})
        things = {"slide": slide, "tissue": tissue, "plan": plan, "store": store}
        return {
            name: thing._repr_html_()
            for name, thing in {**things, "array": array, "drawn": drawn}.items()
        }


def test_notebook_pictures_decode_and_text_is_escaped(shown):
    for html in shown.values():
        assert "<script" not in html
        (data,) = re.findall(r"src='data:image/png;base64,([^']+)'", html)
        with Image.open(io.BytesIO(base64.b64decode(data))) as picture:
            assert picture.format == "PNG"
            assert max(picture.size) in (320, 480)  # 320: 40 pixels, enlarged by 8
    for name in ("slide", "store", "array", "drawn"):
        assert "&lt;script&gt;" in shown[name]


@pytest.mark.parametrize(
    ("name", "facts"),
    [
        ("slide", ["3840×2560 px", "1/1 → 1/4", "0.5 µm", "20×", "aperio"]),
        ("tissue", ["% of the slide", "OpticalDensityDetector", "4 µm per pixel"]),
        ("plan", ["of 12", "1024 px", "5% tissue"]),
        ("store", ["native", "3840×2560 → 960×640", "0.5 µm", "MB"]),
    ],
)
def test_notebook_facts(shown, name, facts):
    for fact in facts:
        assert fact in shown[name]


def test_a_large_slide_without_a_pyramid_is_not_read_to_be_shown():
    class Huge(st.ArraySlide):
        def fetch(self, region, *, level=0):
            raise AssertionError((region, level))

    slide = Huge(np.broadcast_to(np.zeros(3, np.uint8), (6000, 6000, 3)))
    html = slide._repr_html_()
    assert "6000×6000 px" in html
    assert "<img" not in html

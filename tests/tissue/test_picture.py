"""Pictures of masks: every dropped piece shows in the colour of its reason."""

import numpy as np
import pytest
from scipy import ndimage

import slidetile as st
from slidetile.raster.drawing import OUTLINE_COLOUR
from slidetile.raster.packed import PackedMask
from slidetile.tissue.left_out import LeftOut
from slidetile.tissue.picture import _COLOURS, _OTHER_COLOURS


def dark(image):
    return image[..., 0] < 128


@pytest.fixture(scope="module")
def slide():
    """Black tissue, and four specks of a pixel of the overview each."""
    pixels = np.full((300, 400, 1), 255, np.uint8)
    pixels[100:200, 100:300] = 0
    for x, y in [(20, 20), (380, 20), (20, 280), (380, 280)]:
        pixels[y, x] = 0
    return st.ArraySlide(pixels, mpp=8.0)


def has(picture, colour):
    return (picture == colour).all(axis=2)


def test_each_panel_shows_its_tissue_and_what_was_dropped(slide):
    tissues = {
        "all": st.find_tissue(slide, detector=dark, min_piece_area_um2=0),
        "large": st.find_tissue(slide, detector=dark, min_piece_area_um2=1000),
    }
    picture = st.tissue_picture(tissues, longest_side_px=400)
    assert picture.dtype == np.uint8
    middle = picture.shape[1] // 2
    left, right = picture[:, :middle], picture[:, middle:]
    orange = _COLOURS["too small"]
    assert not has(left, orange).any()
    rows, _ = np.nonzero(has(right, orange))
    assert has(left, OUTLINE_COLOUR).any()
    assert has(right, OUTLINE_COLOUR).any()
    assert len(np.unique(rows // 100)) >= 2


@pytest.mark.parametrize("side", [37, 100, 1500])
def test_specks_show_at_every_scale(slide, side):
    tissue = st.find_tissue(slide, detector=dark, min_piece_area_um2=1000)
    picture = st.tissue_picture({"x": tissue}, longest_side_px=side)
    marks = ndimage.label(has(picture, _COLOURS["too small"]), np.ones((3, 3)))[1]
    assert marks == 4 + 1  # and the legend's


def test_a_reason_has_the_same_colour_in_all_panels(slide):
    tissue = st.find_tissue(slide, detector=dark, min_piece_area_um2=0)
    outside = _cut(tissue)
    picture = st.tissue_picture({"whole": tissue, "cut": outside}, longest_side_px=400)
    assert has(picture, _OTHER_COLOURS[0]).any()


def _cut(tissue):
    mask = tissue.mask.copy()
    mask[:, 200:] = False
    dropped = LeftOut(
        what="pieces of tissue",
        reason="outside the annotations",
        count=1,
        why="lie outside",
        where=PackedMask.of(tissue.mask & ~mask),
    )
    return st.TissueMask.from_mask(mask, tissue.overview, left_out=(dropped,))


def test_a_mask_of_nobody_known_has_a_panel(slide):
    overview = st.read_overview(slide)
    mask = st.TissueMask.from_mask(np.zeros((300, 400), np.bool_), overview)
    assert st.tissue_picture({"": mask}).ndim == 3


def test_none_and_too_many_are_refused(slide):
    with pytest.raises(ValueError, match="1 to 16 masks, but these are 0"):
        st.tissue_picture({})
    tissue = st.find_tissue(slide, detector=dark)
    with pytest.raises(ValueError, match="1 to 16 masks, but these are 17"):
        st.tissue_picture({str(n): tissue for n in range(17)})

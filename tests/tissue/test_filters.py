"""What filters do to a mask, counted: with scipy as the judge, and pixel by pixel."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some
from scipy import ndimage

import slidetile as st
from slidetile.slides.overview import Overview
from slidetile.tissue.filters import clean

ROUND = np.ones((3, 3))


def overview_of(shape, mpp=(10.0, 10.0)):
    image = np.zeros((*shape, 3), np.uint8)
    return Overview(
        image=image,
        slide_width=4 * shape[1],
        slide_height=4 * shape[0],
        downsample=(4, 4),
        mpp=mpp,
    )


@given(some.integers(0, 2**32 - 1), some.floats(0.05, 0.95), some.sampled_from([0.0, 15.0]))
@settings(max_examples=40)
def test_the_numbers_are_those_of_the_masks(seed, share, margin):
    found = np.random.default_rng(seed).random((40, 60)) < share
    cleaned = clean(
        found,
        overview_of(found.shape),
        min_piece_area_um2=240.0,
        min_hole_area_um2=1200.0,
        tissue_margin_um=margin,
    )
    labels, count = ndimage.label(found, ROUND)
    sizes = np.bincount(labels.ravel(), minlength=count + 1)
    small = (sizes < 2.4) & (np.arange(count + 1) > 0)
    assert cleaned.found.pieces == count
    assert (cleaned.found.area.px, cleaned.found.area.um2) == (16 * found.sum(), 100 * found.sum())
    assert [each.count for each in cleaned.left_out] == ([small.sum()] if small.any() else [])
    dropped = small[labels]
    for each in cleaned.left_out:
        np.testing.assert_array_equal(each.where.mask, dropped)
        assert (each.of, each.area_px, each.area_um2) == (
            count,
            16 * dropped.sum(),
            100 * dropped.sum(),
        )
    kept = found & ~dropped
    reach = [[0, 1, 0], [1, 1, 1], [0, 1, 0]] if margin < 14.1 else ROUND
    wide = ndimage.binary_dilation(kept, reach) if margin else kept
    assert cleaned.found.widened.px == 16 * (wide.sum() - kept.sum())
    filled = cleaned.mask & ~wide
    assert (cleaned.mask | ~wide).all()
    assert cleaned.found.filled.px == 16 * filled.sum()
    assert cleaned.found.holes == ndimage.label(filled)[1]


def test_what_was_found_less_what_was_dropped_and_more_is_what_is_there():
    pixels = np.full((100, 100, 1), 255, np.uint8)
    pixels[10:60, 10:60] = 0
    pixels[30, 30] = 255  # a hole
    pixels[80:82, 80:82] = 0
    slide = st.ArraySlide(pixels, mpp=10.0)
    tissue = st.find_tissue(
        slide,
        mpp=10.0,
        detector=lambda image: image[..., 0] < 128,
        min_piece_area_um2=900,
        tissue_margin_um=10,
    )
    (small,) = tissue.left_out
    found = tissue.found
    whole = found.area.px - small.area_px + found.widened.px + found.filled.px
    assert whole == tissue.area.px
    assert (found.pieces, len(tissue.pieces), found.holes) == (2, 1, 0)  # the margin fills it


def test_without_mpp_areas_are_pixels_and_the_limit_says_what_is_assumed():
    found = np.zeros((100, 100), np.bool_)
    found[5:8, 5:8] = True
    cleaned = clean(
        found,
        overview_of(found.shape, mpp=None),
        min_piece_area_um2=640.0,
        min_hole_area_um2=0,
        tissue_margin_um=0,
    )
    (dropped,) = cleaned.left_out
    assert (dropped.area_um2, dropped.area_px) == (None, 9 * 16)
    assert "smaller than 640 µm², if a pixel of the overview is 8 µm wide: 1 of 1 (144 px" in (
        str(dropped)
    )
    assert dropped.is_notable


def test_no_least_area_keeps_single_pixels():
    slide = st.ArraySlide(np.full((64, 64, 1), 255, np.uint8), mpp=8.0)
    tissue = st.find_tissue(slide, detector=_speck)
    assert (len(tissue.pieces), tissue.left_out[0].count) == (0, 1)
    kept = st.find_tissue(slide, detector=_speck, min_piece_area_um2=0)
    assert (len(kept.pieces), kept.left_out, kept.area.um2) == (1, (), 64.0)


def _speck(image):
    mask = np.zeros(image.shape[:2], np.bool_)
    mask[3, 4] = True
    return mask


class Explaining:
    """A detector that takes columns on the left for tissue, and others for what it is told."""

    def __init__(self, areas, columns=32):
        self.areas, self.columns = areas, columns

    def detect(self, image, *, mpp):
        assert mpp == 8.0
        mask = np.zeros(image.shape[:2], np.bool_)
        mask[:, : self.columns] = True
        return mask

    def left_out(self, image, *, mpp):
        assert (image.shape, mpp) == ((64, 64, 3), 8.0)
        return self.areas


@pytest.fixture
def white():
    return st.ArraySlide(np.full((64, 64, 3), 255, np.uint8), mpp=8.0, name="white.svs")


def half(columns):
    mask = np.zeros((64, 64), np.bool_)
    mask[:, columns] = True
    return mask


def test_a_detector_says_what_it_left_out_and_why(white, caplog):
    areas = {"dust": half(slice(60, 64)), "pen": half(slice(20, 40)), "none": half(slice(0, 5))}
    tissue = st.find_tissue(white, detector=Explaining(areas))
    dust, pen = tissue.left_out  # all of the last is tissue after all
    assert (dust.reason, dust.count, dust.area_um2) == ("dust", 1, 64 * 4 * 64.0)
    np.testing.assert_array_equal(pen.where.mask, half(slice(32, 40)))
    assert str(pen) == (
        "areas of pen that are no tissue to Explaining: 1 (32,768 µm² together); other options of "
        "Explaining, or another detector, may keep them"
    )
    assert (pen.flag, pen.is_notable, caplog.messages) == (None, False, [])


def test_ink_that_covers_more_than_the_tissue_is_a_warning(white, caplog):
    st.find_tissue(white, detector=Explaining({"pen": half(slice(32, 64))}, columns=3))
    (message,) = caplog.messages
    assert message.startswith("white.svs: areas of pen that are no tissue to Explaining: 1 (")


@pytest.mark.parametrize(
    ("areas", "kind", "words"),
    [
        ({"pen": np.zeros((64, 63), np.bool_)}, ValueError, r"mask of 'pen' .* \(64, 63\)"),
        ({"pen": np.zeros((64, 64))}, TypeError, "mask of 'pen' .* float64"),
        ({3: np.zeros((64, 64), np.bool_)}, TypeError, "reasons as text, but one is 3"),
        ({"": np.zeros((64, 64), np.bool_)}, ValueError, "reasons of 1 to 60 letters"),
        ({str(n): half(slice(0, 1)) for n in range(17)}, ValueError, "at most 16 reasons"),
    ],
)
def test_reasons_that_cannot_be_ones_are_refused(white, areas, kind, words):
    with pytest.raises(kind, match=words):
        st.find_tissue(white, detector=Explaining(areas))


def test_pen_is_told_by_the_default_detector_with_its_option():
    """A blue stroke beside stained tissue, which is textured."""
    pixels = np.full((600, 600, 3), 245, np.uint8)
    noise = np.random.default_rng(0).integers(0, 60, (200, 200, 1), np.uint8)
    pixels[50:250, 50:250] = np.array([190, 90, 160], np.uint8) + noise // 2
    pixels[400:460, 100:500] = (40, 60, 200)
    slide = st.ArraySlide(pixels, mpp=8.0)
    (pen,) = [each for each in st.find_tissue(slide).left_out if each.reason == "pen"]
    assert pen.where.mask[405:455, 105:495].mean() > 0.99
    assert not pen.where.mask[:350].any()
    assert (pen.flag, pen.count) == ("--keep-pen", 1)
    kept = st.find_tissue(slide, keep_pen=True)
    assert "pen" not in [each.reason for each in kept.left_out]
    given_by_hand = st.find_tissue(slide, detector=st.OpticalDensityDetector())
    (pen,) = [each for each in given_by_hand.left_out if each.reason == "pen"]
    assert pen.flag is None
    assert str(pen).endswith("OpticalDensityDetector(keep_pen=True) keeps them")

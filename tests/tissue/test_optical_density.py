"""The detector of stains, on drawn overviews with one difficulty each.

Limits are those asked of real slides: tissue ≥ 0.985, faint ≥ 0.85, background ≤ 0.005.
"""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import binary_dilation
from stained import CASES, NOTHING, draw

from slidetile.slides.array import ArraySlide
from slidetile.tissue.finding import find_tissue
from slidetile.tissue.optical_density import OpticalDensityDetector
from slidetile.tissue.plain import OtsuDetector


@pytest.mark.parametrize("quality", [60, 90])
@pytest.mark.parametrize("name", CASES)
def test_hard_cases(name, quality):
    _, tissue, faint = CASES[name]
    mask = find_tissue(ArraySlide(draw(name, quality), mpp=8.0)).mask
    # 100 µm of glass around tissue may count as tissue.
    background = ~binary_dilation(tissue | (NOTHING if faint is None else faint), iterations=12)
    if tissue.any():
        assert mask[tissue].mean() >= 0.985
    if faint is not None:
        assert mask[faint].mean() >= 0.85
    if background.any():
        assert mask[background].mean() <= 0.005
    if not tissue.any():
        assert not mask.any()


def test_pen_is_kept_when_asked():
    slide = ArraySlide(draw("red pen"), mpp=8.0)
    kept = find_tissue(slide, detector=OpticalDensityDetector(keep_pen=True))
    assert kept.tissue_fraction > find_tissue(slide).tissue_fraction + 0.05


@pytest.mark.slow
@given(
    name=st.sampled_from(["H&E with fat", "mosaic", "red pen", "blue pen"]),
    axis=st.sampled_from([0, 1, (0, 1)]),
    rows=st.integers(380, 480),
    columns=st.integers(500, 640),
)
@settings(max_examples=12, deadline=None)
def test_mirrored_images_give_mirrored_masks(name, axis, rows, columns):
    image = draw(name)[:rows, :columns]
    for detector in (OpticalDensityDetector(), OtsuDetector()):
        mirrored = detector(np.flip(image, axis))
        assert np.array_equal(mirrored, np.flip(detector(image), axis))


def test_large_images_give_mirrored_masks_where_the_factor_divides():
    image = np.tile(draw("H&E with fat"), (2, 2, 1))
    detector = OpticalDensityDetector()
    assert np.array_equal(detector(image[::-1, ::-1]), detector(image)[::-1, ::-1])


def test_a_share_above_1_is_refused():
    with pytest.raises(ValueError, match=r"min_texture must be at most 1, but it is 1\.2"):
        OpticalDensityDetector(min_texture=1.2)

"""Tissue masks: pieces, cleaning, and what is found on real slides."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import label
from stained import glass

from slidetile.raster.region import Region
from slidetile.slides.array import ArraySlide
from slidetile.slides.opening import open_slide
from slidetile.slides.overview import Overview
from slidetile.tissue.finding import find_tissue
from slidetile.tissue.mask import TissueMask


def overview_of(shape, scale=(4.0, 4.0), mpp=(8.0, 8.0)):
    height, width = shape
    return Overview(
        image=np.zeros((height, width, 1), np.uint8),
        slide_width=int(width * scale[0]) - 1,
        slide_height=int(height * scale[1]) - 1,
        downsample=scale,
        mpp=mpp,
    )


@given(seed=st.integers(0, 50), share=st.floats(0, 0.7))
@settings(max_examples=40, deadline=None)
def test_regions_are_numbered_by_first_pixel_and_bounded(seed, share):
    mask = np.random.default_rng(seed).random((17, 23)) < share
    tissue = TissueMask.from_mask(mask, overview_of(mask.shape))
    assert np.array_equal(tissue.labels > 0, mask)
    numbers, first = np.unique(tissue.labels[mask], return_index=True)
    assert list(numbers) == [region.label for region in tissue.pieces]
    assert list(first) == sorted(first)
    assert len(numbers) == label(mask, np.ones((3, 3)))[1]
    for region in tissue.pieces:
        rows, columns = np.nonzero(tissue.labels == region.label)
        corner = (int(columns.min()) * 4, int(rows.min()) * 4)
        assert (region.bounds.x, region.bounds.y) == corner
        assert region.bounds.right == min((int(columns.max()) + 1) * 4, 91)
        assert region.bounds.bottom == min((int(rows.max()) + 1) * 4, 67)
        assert (region.area_px, region.area_um2) == (len(rows) * 16, len(rows) * 64)


def test_labels_are_read_only_and_compared_by_content():
    mask = np.eye(8, dtype=bool)
    tissue = TissueMask.from_mask(mask, overview_of((8, 8)), parameters={"by": "hand"})
    assert tissue == TissueMask.from_mask(mask, overview_of((8, 8)), parameters={"by": "hand"})
    assert tissue != TissueMask.from_mask(mask, overview_of((8, 8)))
    assert tissue != "a mask"
    mask[:] = False
    assert len(tissue.pieces) == 1  # joined by their corners
    assert tissue.tissue_fraction == 1 / 8
    assert tissue.mpp == (8, 8)
    assert tissue.downsample == (4, 4)
    assert tissue.labels.dtype == np.uint8
    with pytest.raises(ValueError, match="read-only"):
        tissue.labels[0] = 0


def test_without_mpp_areas_are_in_pixels_only():
    mask = np.ones((8, 8), bool)
    [region] = TissueMask.from_mask(mask, overview_of((8, 8), mpp=None)).pieces
    assert region.area_um2 is None
    assert region.bounds == Region(x=0, y=0, width=31, height=31)


def test_specks_are_dropped_and_holes_filled_by_area():
    drawn = np.zeros((200, 300), bool)
    drawn[20:120, 20:120] = True
    drawn[50:60, 50:60] = False  # 6,400 µm²
    drawn[70:110, 70:110] = False  # 102,400 µm²
    drawn[150:155, 200:205] = True  # 1,600 µm²
    slide = ArraySlide(np.zeros((*drawn.shape, 3), np.uint8), mpp=8.0)

    def found(region, hole):
        return find_tissue(
            slide,
            detector=lambda _: drawn,
            min_piece_area_um2=region,
            min_hole_area_um2=hole,
        ).mask

    assert np.array_equal(found(0, 0), drawn)
    cleaned = found(3_000, 8_000)
    assert not cleaned[150:155, 200:205].any()
    assert cleaned[50:60, 50:60].all()
    assert not cleaned[70:110, 70:110].any()


@pytest.mark.parametrize("name", ["min_piece_area_um2", "min_hole_area_um2"])
def test_negative_areas_are_refused(name):
    with pytest.raises(ValueError, match=f"{name} must be 0 or more and finite, but it is -1"):
        find_tissue(ArraySlide(glass().astype(np.uint8)), **{name: -1})


@pytest.mark.parametrize(
    ("slide", "least", "most"),
    [
        ("CMU-1-Small-Region.svs", 0.35, 0.55),
        ("test3-DAPI.ndpi", 0.75, 0.9),
        ("petebankhead-OS-1-detail.ome.tif", 0.98, 1),
    ],
)
def test_real_slides_without_truth(shared_slides, slide, least, most):
    with open_slide(shared_slides / slide) as opened:
        assert least <= find_tissue(opened).tissue_fraction <= most

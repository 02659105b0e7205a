import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import distance_transform_edt, find_objects, label

from slidetile.raster import masks
from slidetile.raster.masks import (
    count_pixels,
    measure_pieces,
    number_pieces,
    with_margin,
    without_small_pieces,
)


@given(
    seed=st.integers(0, 50),
    share=st.floats(0, 1),
    corners=st.booleans(),
    smallest=st.floats(0, 12),
)
@settings(max_examples=60, deadline=None)
def test_pieces_equal_their_plain_twin(seed, share, corners, smallest):
    mask = np.random.default_rng(seed).random((19, 23)) < share
    check_pieces(mask, corners=corners, smallest=smallest)


def check_pieces(mask, *, corners, smallest):
    plain = label(mask, np.ones((3, 3)) if corners else None)[0]
    labels = number_pieces(mask, corners=corners)
    assert np.array_equal(labels, plain)
    assert list(count_pixels(labels)) == list(np.bincount(plain.ravel()))
    kept = [n for n in range(1, plain.max() + 1) if (plain == n).sum() >= smallest]
    weeded = without_small_pieces(mask, smallest, corners=corners)
    assert np.array_equal(weeded, np.isin(plain, kept))
    if corners:
        labels, pixels, boxes = measure_pieces(mask)
        assert np.array_equal(labels, plain)
        assert list(pixels) == list(np.bincount(plain.ravel())[1:])
        assert [box.slices for box in boxes] == find_objects(plain)


def spiral(side):
    mask = np.zeros((side, side), bool)
    for ring in range(0, side // 2, 2):
        mask[ring, max(0, ring - 1) : side - ring] = True
        mask[ring : side - ring, side - ring - 1] = True
        mask[side - ring - 1, ring : side - ring] = True
        mask[ring + 2 : side - ring, ring] = True
    return mask


@pytest.mark.parametrize("corners", [False, True])
@pytest.mark.parametrize("mask", [spiral(41), ~spiral(41), spiral(40).T[::-1]])
def test_what_winds_around_itself_is_one_piece(mask, corners):
    check_pieces(mask, corners=corners, smallest=100)


def test_a_mask_of_very_many_runs_has_the_same_pieces(monkeypatch):
    mask = np.random.default_rng(0).random((40, 50)) < 0.4
    monkeypatch.setattr(masks, "_MOST_RUNS", 1)
    for corners in (False, True):
        check_pieces(mask, corners=corners, smallest=4)


@given(
    seed=st.integers(0, 50),
    share=st.floats(0, 0.3),
    margin=st.floats(0, 60),
    pixel=st.tuples(st.floats(0.5, 20), st.floats(0.5, 20)),
)
@settings(max_examples=100, deadline=None)
def test_a_margin_is_a_disk_around_every_pixel(seed, share, margin, pixel):
    mask = np.random.default_rng(seed).random((23, 31)) < share
    expected = mask
    if mask.any():
        expected = distance_transform_edt(~mask, sampling=pixel[::-1]) <= margin
    assert np.array_equal(with_margin(mask, margin, pixel), expected)


def test_a_margin_crosses_bands_of_rows():
    mask = np.zeros((900, 700), bool)
    mask[::190, ::170] = True
    expected = distance_transform_edt(~mask) <= 75
    assert np.array_equal(with_margin(mask, 75, (1.0, 1.0)), expected)


@pytest.mark.parametrize(("side", "type_"), [(2, np.uint8), (40, np.uint16), (520, np.uint32)])
def test_numbers_have_the_smallest_type_that_holds_them(side, type_):
    mask = np.zeros((side, side), bool)
    mask[::2, ::2] = True
    labels = number_pieces(mask)
    assert labels.dtype == type_
    assert labels.max() == mask.sum()

"""Which pixels of an overview drawn areas and painted masks hold."""

import logging

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.ndimage import binary_dilation, binary_erosion

import slidetile
from slidetile.annotations.annotations import (
    LARGEST_CROSSING_COUNT,
    Annotation,
    Annotations,
    PaintedMask,
    pixel_centres,
)
from slidetile.raster.rings import winding_numbers
from slidetile.slides.overview import Overview


def overview(width, height, scale, size=None):
    across, down = size or (width * scale[0], height * scale[1])
    image = np.zeros((height, width, 3), np.uint8)
    return Overview(image=image, slide_width=across, slide_height=down, downsample=scale)


def area(*rings):
    return Annotation(class_name="", rings=tuple(np.array(ring, float) for ring in rings))


def drawn(*areas):
    return Annotations(name="drawn.geojson", areas=areas)


def box(left, top, right, bottom):
    return [(left, top), (right, top), (right, bottom), (left, bottom)]


def test_a_hole_is_left_out_and_areas_add_up():
    regions = drawn(area(box(0, 0, 80, 80), box(20, 20, 60, 60)), area(box(40, 40, 50, 50)))
    mask = regions.mask_on(overview(10, 10, (10, 10)))
    expected = np.zeros((10, 10), bool)
    expected[:8, :8] = True
    expected[2:6, 2:6] = False
    expected[4, 4] = True
    np.testing.assert_array_equal(mask, expected)
    assert [part.area_px for part in regions.areas] == [4800, 100]


RINGS = arrays(
    np.float64,
    st.tuples(st.integers(3, 6), st.just(2)),
    elements=st.integers(-6, 60).map(lambda n: n / 2),
)


@settings(deadline=None)
@given(areas=st.lists(st.lists(RINGS, min_size=1, max_size=3), min_size=1, max_size=3))
def test_any_areas_hold_the_pixels_whose_centres_they_hold(areas):
    here = overview(9, 7, (3.0, 3.5), size=(25, 24))  # the last column holds a third of a pixel
    mask = drawn(*(area(*rings) for rings in areas)).mask_on(here)
    x, y = pixel_centres(here)
    expected = np.zeros((7, 9), bool)
    for outline, *holes in areas:
        inside = winding_numbers(outline, x, y) != 0
        for hole in holes:
            inside &= winding_numbers(hole, x, y) == 0
        expected |= inside
    np.testing.assert_array_equal(mask, expected)
    assert (x[-1], y[-1]) == (24.5, 22.5)


def test_direction_and_closing_do_not_matter():
    here = overview(10, 10, (10, 10))
    outline, hole = box(0, 0, 80, 80), box(20, 20, 60, 60)
    mask = drawn(area(outline, hole)).mask_on(here)
    for rings in ([outline[::-1], hole], [outline, hole[::-1]], [[*outline, outline[0]], hole]):
        np.testing.assert_array_equal(drawn(area(*rings)).mask_on(here), mask)


@pytest.mark.parametrize(
    ("ring", "crossed"),
    [
        ([(0, 0), (100, 100), (100, 0), (0, 100)], True),  # a bow tie
        ([(0, 0), (100, 0), (100, 100), (40, 60), (60, 60), (0, 100)], True),  # a loop at the seam
        (box(0, 0, 100, 100) * 2, True),  # around twice
        (box(0, 0, 100, 100), False),
    ],
)
def test_what_a_crossing_outline_encircles_is_taken_and_told(caplog, ring, crossed):
    here = overview(100, 100, (1, 1))
    mask = drawn(area(ring), area(box(0, 0, 5, 5))).mask_on(here)
    assert bool(caplog.messages) == crossed
    if crossed:
        assert "drawn.geojson: 1 of 2 outlines cross themselves, over" in caplog.messages[0]
    if len(ring) == 4:  # both halves of the bow tie, or the whole box
        assert mask.sum() == (pytest.approx(5000, rel=0.05) if crossed else 10_000)


def test_too_small_to_be_seen_is_told(caplog):
    mask = drawn(area(box(11, 11, 14, 14)), area(box(0, 0, 50, 50))).mask_on(
        overview(10, 10, (10, 10))
    )
    assert mask.sum() == 25
    assert "1 of 2 areas are too small" in caplog.text


def test_the_whole_slide_is_the_whole_mask():
    here = overview(34, 27, (3, 3), size=(100, 79))  # the last column holds a third of a pixel
    assert drawn(area(box(0, 0, 100, 79))).mask_on(here).all()


def test_large_areas_are_filled_in_bands():
    here = overview(2600, 2000, (2.5, 2.5))
    ring, hole = np.random.default_rng(1).uniform(0, 5000, (40, 2)), box(900, 900, 2000, 2000)
    x, y = pixel_centres(here)
    assert len(x) * len(y) > 1 << 22, "more than one band"
    expected = winding_numbers(ring, x, y) != 0
    expected &= winding_numbers(np.array(hole, float), x, y) == 0
    np.testing.assert_array_equal(drawn(area(ring, hole)).mask_on(here), expected)


def test_outlines_to_and_fro_without_end_are_refused():
    zigzag = np.zeros((LARGEST_CROSSING_COUNT // 2000 + 2, 2))
    zigzag[1::2] = 20_000, 20_000
    with pytest.raises(
        slidetile.AnnotationError, match=r"rows 1,000,00\d,000 times, more than 1,0"
    ):
        drawn(area(zigzag)).mask_on(overview(2000, 2000, (10, 10)))


@settings(deadline=None)
@given(data=st.data())
def test_a_painted_mask_is_the_same_at_any_whole_scale(data):
    random = np.random.default_rng(data.draw(st.integers(0, 999)))
    height, width = data.draw(st.tuples(st.integers(1, 12), st.integers(1, 12)))
    factor = data.draw(st.integers(1, 5))
    x, y = data.draw(st.tuples(st.integers(0, 3), st.integers(0, 3)))
    mask = random.random((height, width)) < 0.5
    there = np.zeros((height + y + 1, width + x + 2), bool)
    there[y : y + height, x : x + width] = mask
    finer = np.kron(mask, np.ones((factor, factor), bool))
    for painted, scale in ((finer, 10 / factor), (mask, 10)):
        regions = Annotations(
            name="m",
            painted=PaintedMask(mask=painted, origin=(10 * x, 10 * y), scale=(scale, scale)),
        )
        result = regions.mask_on(overview(width + x + 2, height + y + 1, (10, 10)))
        np.testing.assert_array_equal(result, there)
    coarse = Annotations(
        name="m", painted=PaintedMask(mask=mask, origin=(0, 0), scale=(10, 10))
    ).mask_on(overview(width * factor, height * factor, (10 / factor, 10 / factor)))
    np.testing.assert_array_equal(coarse, finer)


def test_a_painted_mask_at_an_odd_scale_lies_within_a_pixel():
    y, x = np.mgrid[:230, :310]
    mask = (x - 150) ** 2 + (y - 100) ** 2 < 80**2
    painted = PaintedMask(mask=mask, origin=(0, 0), scale=(7.1, 7.1))
    here = overview(2201 // 16, 1633 // 16, (16, 16))
    result = Annotations(name="m", painted=painted).mask_on(here)
    y, x = np.mgrid[: here.height, : here.width] * 16 + 8
    truth = (x / 7.1 - 150) ** 2 + (y / 7.1 - 100) ** 2 < 80**2
    cross = np.ones((3, 3), bool)
    assert (result | ~binary_erosion(truth, cross)).all()
    assert (binary_dilation(truth, cross) | ~result).all()


def test_a_mask_made_on_the_overview_comes_back_as_it_was(caplog):
    caplog.set_level(logging.INFO)
    here = overview(240, 172, (3, 3), size=(718, 514))
    mask = np.random.default_rng(0).random((172, 240)) < 0.3
    painted = PaintedMask(mask=mask, origin=(0, 0), scale=(718 / 240, 514 / 172))
    np.testing.assert_array_equal(Annotations(name="m", painted=painted).mask_on(here), mask)

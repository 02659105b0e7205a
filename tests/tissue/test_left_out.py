"""What was dropped: a sentence with its number and the option, and a warning where it is much."""

import logging

import numpy as np
import pytest

import slidetile as st

BIG, SMALL = (0, 0, 60, 60), [(80, 80, 84, 84), (90, 10, 93, 12)]


def slide(*boxes):
    """A grey slide of 100×100 px at 10 µm; the detector below finds these boxes."""
    pixels = np.full((100, 100, 1), 255, np.uint8)
    for left, top, right, bottom in boxes:
        pixels[top:bottom, left:right] = 0
    return st.ArraySlide(pixels, mpp=10.0, name="slide.svs")


def dark(image):
    return image[..., 0] < 128


def found(*boxes, **options):
    return st.find_tissue(slide(*boxes), mpp=10.0, detector=dark, **options)


def test_pieces_under_the_least_area_are_counted(caplog):
    caplog.set_level(logging.INFO, logger="slidetile")
    tissue = found(BIG, *SMALL, min_piece_area_um2=900)
    (dropped,) = tissue.left_out
    assert (dropped.what, dropped.count, dropped.of) == ("pieces of tissue", 1, 3)
    assert (dropped.area_um2, dropped.area_px, dropped.limit) == (6 * 100, 6, 900)
    assert dropped.reason == "too small"
    np.testing.assert_array_equal(np.argwhere(dropped.where.mask)[[0, -1]], [(10, 90), (11, 92)])
    assert dropped.in_numbers.where is None
    assert dropped.flag == "--min-piece-area-um2"
    (record,) = caplog.records
    assert record.levelname == "INFO"
    assert record.getMessage() == (
        "slide.svs: pieces of tissue that are smaller than 900 µm²: 1 of 3 (600 µm² together); a "
        "smaller --min-piece-area-um2 (min_piece_area_um2) keeps them."
    )


def test_the_limit_in_force_is_at_most_a_1000th_of_the_overview():
    (dropped,) = found(BIG, *SMALL, min_piece_area_um2=50_000).left_out
    assert dropped.limit == 100 * 100 / 1000 * 100
    assert dropped.count == 1


def test_nothing_dropped_is_nothing_told(caplog):
    assert found(BIG, *SMALL, min_piece_area_um2=0).left_out == ()
    assert found(BIG, min_piece_area_um2=900).left_out == ()
    assert not caplog.records


@pytest.mark.parametrize("boxes", [[SMALL[1]], [(80, 80, 84, 84), SMALL[1]]])
def test_much_of_what_was_found_is_a_warning(caplog, boxes):
    found(*boxes, min_piece_area_um2=900)
    (record,) = caplog.records
    assert record.levelname == "WARNING"


def test_a_cut_mask_remembers_what_was_left_out_before(tmp_path):
    path = tmp_path / "drawn.geojson"
    path.write_text(
        '[{"type":"Polygon","coordinates":[[[0,0],[60,0],[60,60]]]},'
        '{"type":"Polygon","coordinates":[[[70,70],[75,70],[75,75]]]},'
        '{"type":"Point","coordinates":[1,2]}]'
    )
    here = slide(BIG, *SMALL)
    tissue = st.find_tissue(here, mpp=10.0, detector=dark, min_piece_area_um2=900)
    drawn = st.read_annotations(path, here)
    cut = st.cut_tissue(tissue, drawn)
    assert [(each.what, each.reason, each.count, each.flag) for each in cut.left_out] == [
        ("pieces of tissue", "too small", 1, "--min-piece-area-um2"),
        ("pieces of tissue", "outside the annotations", 2, "--annotations-mode"),
        ("points", "no areas", 1, None),
        ("annotated areas", "without tissue", 1, "--annotations-mode"),
    ]
    outside = cut.left_out[1]
    np.testing.assert_array_equal(outside.where.mask, tissue.mask & ~cut.mask)
    assert outside.area_um2 == tissue.area.um2 - cut.area.um2
    assert cut.found == tissue.found
    assert len(cut.areas) == 1
    without = st.cut_tissue(tissue, drawn, mode="exclude")
    assert [each.reason for each in without.left_out] == [
        "too small",
        "inside the annotations",
        "no areas",
    ]
    assert st.plan_tiles(here, cut, st.TileSpec(size=16)).left_out[:4] == cut.left_out

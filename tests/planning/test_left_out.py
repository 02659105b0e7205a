"""What is left without a tile: counted, with the option that keeps it."""

import logging
import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as some

import slidetile as st
from slidetile.planning import _left_out
from slidetile.planning._cells import slide_grid
from slidetile.planning._left_out import _kept_pixels
from slidetile.slides.overview import Overview


@pytest.fixture
def slide():
    return st.ArraySlide(np.full((640, 640, 3), 255, np.uint8), mpp=1.0, name="slide.svs")


def tissue_of(*boxes, areas=(), side=640):
    """Tissue of rectangles (left, top, right, bottom) in overview pixels, of 10 level-0 pixels."""
    mask = np.zeros((side // 10, side // 10), bool)
    for left, top, right, bottom in boxes:
        mask[top:bottom, left:right] = True
    image = np.zeros((*mask.shape, 3), np.uint8)
    overview = Overview(
        image=image, slide_width=side, slide_height=side, downsample=(10, 10), mpp=(10, 10)
    )
    return st.TissueMask.from_mask(mask, overview, areas=tuple((area,) for area in areas))


def ring(left, top, right, bottom):
    return np.array([(left, top), (right, top), (right, bottom), (left, bottom)], float)


SPEC = st.TileSpec(size=160, min_tissue_fraction=0.05)
LARGE, SMALL = (0, 0, 16, 16), (40, 40, 42, 42)


def told(slide, tissue, spec=SPEC):
    plan = st.plan_tiles(slide, tissue, spec)
    return {each.what: (each.count, each.of, each.flag) for each in plan.left_out}


def test_all_that_has_a_tile_is_told_of_by_nobody(slide, caplog):
    assert told(slide, tissue_of(LARGE)) == {}
    assert told(slide, tissue_of()) == {}
    assert not caplog.messages


def test_pieces_and_cells_under_the_minimum(slide, caplog):
    assert told(slide, tissue_of(LARGE, SMALL, (62, 62, 64, 64))) == {
        "tiles with tissue": (2, 3, "--min-tissue-fraction"),
        "pieces of tissue": (2, 3, "--min-tissue-fraction"),
    }
    (message,) = caplog.messages
    assert message == (
        "slide.svs: pieces of tissue that got no tile, as theirs hold less tissue than 0.05 of a "
        "tile: 2 of 3 (800 µm² together); a smaller --min-tissue-fraction (min_tissue_fraction) "
        "keeps them."
    )


def test_little_tissue_without_a_tile_is_no_warning(slide, caplog):
    caplog.set_level(logging.INFO, logger="slidetile")
    spec = st.TileSpec(size=160, min_tissue_fraction=0.01)
    assert told(slide, tissue_of((0, 0, 32, 32), (62, 62, 63, 63)), spec) == {
        "tiles with tissue": (1, 5, "--min-tissue-fraction"),
        "pieces of tissue": (1, 2, "--min-tissue-fraction"),
    }
    assert {record.levelname for record in caplog.records} == {"INFO"}


def test_a_piece_of_which_a_part_has_a_tile_is_not_counted(slide):
    cells = {"tiles with tissue": (1, 2, "--min-tissue-fraction")}
    assert told(slide, tissue_of(LARGE, (16, 0, 17, 6))) == cells


def test_drawn_areas_are_counted_not_pieces(slide, caplog):
    areas = [ring(0, 0, 160, 160), ring(400, 400, 420, 420), ring(410, 410, 420, 420)]
    assert told(slide, tissue_of(LARGE, SMALL, areas=areas)) == {
        "tiles with tissue": (1, 2, "--min-tissue-fraction"),
        "annotated areas": (2, 3, "--min-tissue-fraction"),
    }
    assert caplog.messages[0].startswith("slide.svs: annotated areas that got no tile")
    assert ": 2 of 3; a smaller" in caplog.messages[0]


def test_an_area_around_a_kept_cell_has_a_tile(slide):
    """None of its corners lies in the cell, and its hole may take the cell out again."""
    frame = ring(100, 100, 550, 550)
    tissue = tissue_of((20, 20, 30, 30), SMALL, areas=[frame])
    assert "annotated areas" not in told(slide, tissue)
    tissue = st.TissueMask.from_mask(
        tissue.mask, tissue.overview, areas=((frame, ring(150, 150, 350, 350)),)
    )
    assert told(slide, tissue)["annotated areas"] == (1, 1, "--min-tissue-fraction")


def reasons(slide, tissue, spec):
    plan = st.plan_tiles(slide, tissue, spec)
    return [
        (each.reason, each.count, each.of)
        for each in plan.left_out
        if each.what == "annotated areas"
    ]


def test_an_area_is_counted_where_the_first_filter_left_it_none(slide):
    areas = [ring(0, 0, 160, 160), ring(320, 320, 480, 480), ring(520, 0, 560, 40)]
    tissue = tissue_of(LARGE, (32, 32, 48, 48), (52, 0, 56, 4), (32, 0, 33, 1), areas=areas)
    assert reasons(slide, tissue, SPEC) == []
    thin = st.TileSpec(size=160, min_tissue_fraction=0.5)
    assert reasons(slide, tissue, thin) == [("too little tissue", 1, 3)]
    one = st.TileSpec(size=160, min_tissue_fraction=0.5, max_tiles=1)
    told = [("too little tissue", 1, 3), ("not asked for", 1, 3)]
    assert reasons(slide, tissue, one) == told
    whole = st.TileSpec(size=256, edge="drop", min_tissue_fraction=0.9)
    told = [("behind the last tile", 1, 3), ("too little tissue", 2, 3)]
    assert reasons(slide, tissue, whole) == told


def test_a_piece_is_told_of_by_one_filter(slide):
    """What lies behind the last whole tile is not what holds too little tissue."""
    tissue = tissue_of((0, 0, 25, 25), (60, 60, 62, 62), (40, 0, 41, 1))
    spec = st.TileSpec(size=256, edge="drop")
    told = [
        (each.what, each.reason, each.count, each.of)
        for each in (st.plan_tiles(slide, tissue, spec).left_out)
    ]
    assert told == [
        ("tiles with tissue", "too little tissue", 1, 2),
        ("pieces of tissue", "behind the last tile", 1, 3),
        ("pieces of tissue", "too little tissue", 1, 3),
    ]


def test_what_was_asked_to_be_left_out(slide):
    everywhere = tissue_of((0, 0, 64, 64))
    few = st.TileSpec(size=160, max_tiles=3)
    assert told(slide, everywhere, few) == {"tiles with enough tissue": (13, 16, "--max-tiles")}
    few = st.TileSpec(size=160, sample=5)
    assert told(slide, everywhere, few) == {"tiles with enough tissue": (11, 16, "--sample")}
    whole = st.TileSpec(size=256, edge="drop")
    assert told(slide, everywhere, whole) == {"pieces of tissue": (1, 1, "--edge")}
    (beyond,) = st.plan_tiles(slide, everywhere, whole).left_out
    assert beyond.area_um2 == pytest.approx(640**2 - 512**2, rel=0.05)


@given(some.integers(1, 8), some.sampled_from(["keep", "shift", "drop"]), some.randoms())
def test_a_pixel_is_kept_where_a_kept_cell_holds_its_centre(steps, edge, random):
    tissue = tissue_of((0, 0, 20, 20), side=200)
    grid = slide_grid(tissue.overview, 16 * steps * 3, edge)
    kept = np.array(
        [[random.random() < 0.5 for _ in range(grid.columns)] for _ in range(grid.rows)], bool
    ).reshape(grid.rows, grid.columns)
    expected = np.zeros((20, 20), bool)
    for row, column in zip(*np.nonzero(kept), strict=True):
        cell = grid.region(int(column), int(row))
        for y in range(20):
            for x in range(20):
                is_across = cell.x <= 10 * x + 5 < cell.right
                expected[y, x] |= is_across and cell.y <= 10 * y + 5 < cell.bottom
    np.testing.assert_array_equal(_kept_pixels(tissue, grid, kept), expected)


def frame_of(side, width):
    """The area of a frame along the edges of a square: an outline and its hole."""
    return ring(0, 0, side, side), ring(width, width, side - width, side - width)


@pytest.mark.parametrize("band_px", [1, 7 * 64, 1 << 21])
@pytest.mark.parametrize("at", [(3, 3), (32, 32), (61, 62), (1, 40)])
def test_bands_find_what_the_whole_finds(monkeypatch, band_px, at):
    monkeypatch.setattr(_left_out, "_BAND_PX", band_px)
    tissue = tissue_of(LARGE)
    kept = np.zeros((64, 64), bool)
    kept[at[1], at[0]] = True
    in_frame = min(*at, *(63 - each for each in at)) < 4
    assert _left_out._is_kept(frame_of(640.0, 40.0), tissue, kept) == in_frame
    diamond = np.array([(320, 0), (640, 320), (320, 640), (0, 320)], float)
    x, y = ((each + 0.5) * 10 - 320 for each in at)
    assert _left_out._is_kept((diamond,), tissue, kept) == (abs(x) + abs(y) < 320)


def test_areas_of_a_large_mask_are_compared_in_little_memory():
    side = 5000
    image = np.broadcast_to(np.zeros((1, 1, 3), np.uint8), (side, side, 3))
    overview = Overview(image=image, slide_width=side, slide_height=side, downsample=(1, 1))
    tissue = st.TissueMask.from_mask(np.zeros((side, side), bool), overview)
    kept = np.zeros((side, side), bool)
    kept[2500, 2500] = True  # in the hole
    tracemalloc.start()
    assert not _left_out._is_kept(frame_of(float(side), 40.0), tissue, kept)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 40 << 20

import pickle
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from slidetile import ArraySlide, Overview, Region, TileSpec, TissueMask, plan_tiles
from slidetile.plan import tissue_fractions


def tissue_of(mask, width, height):
    """A tissue mask over a slide of any size: its pixels need not be whole level-0 pixels."""
    image = np.zeros((*mask.shape, 3), np.uint8)
    scale = width / mask.shape[1], height / mask.shape[0]
    overview = Overview(image=image, slide_width=width, slide_height=height, scale=scale)
    return TissueMask.from_mask(mask, overview)


def slide_of(width, height):
    return ArraySlide(np.zeros((height, width, 3), np.uint8))


masks = st.tuples(st.integers(1, 12), st.integers(1, 12), st.integers(0, 2**31)).map(
    lambda case: np.random.default_rng(case[2]).random(case[:2]) < 0.4
)


def exact_fraction(mask, width, height, cell):
    """The plain twin: add up, pixel by pixel, what of the cell each mask pixel covers."""
    wide, high = Fraction(width, mask.shape[1]), Fraction(height, mask.shape[0])
    covered = Fraction(0)
    for row, column in np.argwhere(mask):
        across = min((column + 1) * wide, cell.right) - max(column * wide, cell.x)
        down = min((row + 1) * high, cell.bottom) - max(row * high, cell.y)
        covered += max(across, Fraction(0)) * max(down, Fraction(0))
    return covered / cell.area


@settings(deadline=None)
@given(masks, st.integers(0, 150), st.integers(0, 150), st.sampled_from([16, 32, 48]))
def test_fractions_and_tiles_equal_the_brute_force_twin(mask, more_width, more_height, size):
    width, height = mask.shape[1] + more_width, mask.shape[0] + more_height
    tissue = tissue_of(mask, width, height)
    plan = plan_tiles(slide_of(width, height), tissue, TileSpec(size=size, min_tissue_fraction=0))
    assert len(plan) == plan.grid_size[0] * plan.grid_size[1]
    for tile in plan:
        expected = exact_fraction(mask, width, height, tile.inside)
        assert tile.tissue_fraction == pytest.approx(float(expected), abs=1e-6)
        assert (tile.region.x, tile.region.y) == (tile.column * size, tile.row * size)
        assert tile.inside == tile.region.intersection(Region(x=0, y=0, width=width, height=height))


@given(masks, st.floats(0, 1), st.floats(0, 1))
def test_a_higher_threshold_never_adds_a_tile(mask, one, other):
    slide, tissue = slide_of(100, 90), tissue_of(mask, 100, 90)
    low, high = sorted((one, other))
    cells = [
        {
            (t.column, t.row)
            for t in plan_tiles(slide, tissue, TileSpec(size=16, min_tissue_fraction=f))
        }
        for f in (low, high)
    ]
    assert cells[1] <= cells[0]


@given(masks)
def test_flipping_the_slide_flips_the_fractions(mask):
    height, width = mask.shape[0] * 16, mask.shape[1] * 16
    straight = tissue_fractions(tissue_of(mask, width, height), 16)
    flipped = tissue_fractions(tissue_of(mask[::-1, ::-1].copy(), width, height), 16)
    assert np.allclose(straight, flipped[::-1, ::-1])
    assert np.array_equal(straight, mask)


def test_the_threshold_counts_the_part_inside_the_slide():
    mask = np.zeros((1, 20), np.bool_)
    mask[0, -1] = True  # the last 5 px of a slide of 100 px; the last tile has 4 px inside
    plan = plan_tiles(slide_of(100, 5), tissue_of(mask, 100, 5), TileSpec(size=32))
    assert [(t.column, t.inside.width, t.tissue_fraction) for t in plan] == [(3, 4, 1.0)]


def test_each_tile_names_the_region_that_covers_most_of_it():
    mask = np.zeros((8, 16), np.bool_)
    mask[0, 0] = mask[4:8, 2:8] = mask[:, 12:] = True
    plan = plan_tiles(slide_of(128, 64), tissue_of(mask, 128, 64), TileSpec(size=64))
    assert [t.tissue_region for t in plan] == [3, 2]
    assert plan.tissue.labels[0, 0] == 1


def test_no_tissue_is_an_empty_plan():
    tissue = tissue_of(np.zeros((4, 4), np.bool_), 64, 64)
    plan = plan_tiles(slide_of(64, 64), tissue)
    assert len(plan) == 0
    assert list(plan) == plan.regions == []


def test_plans_are_compared_by_content_immutable_and_picklable():
    mask = np.eye(4, dtype=np.bool_)
    slide, tissue = slide_of(64, 64), tissue_of(mask, 64, 64)
    plan = plan_tiles(slide, tissue, TileSpec(size=16))
    assert plan == plan_tiles(slide, tissue_of(mask, 64, 64), TileSpec(size=16))
    assert plan != plan_tiles(slide, tissue_of(~mask, 64, 64), TileSpec(size=16))
    assert plan != plan_tiles(slide, tissue, TileSpec(size=32))
    assert pickle.loads(pickle.dumps(plan)) == plan  # noqa: S301  our own bytes
    with pytest.raises(ValueError, match="read-only"):
        plan.columns[0] = 9
    assert repr(plan) == "TilePlan(4 of 16 tiles of 16 px, slide 64×64 px)"


def test_a_plan_is_a_sequence():
    plan = plan_tiles(
        slide_of(64, 64), tissue_of(np.ones((4, 4), np.bool_), 64, 64), TileSpec(size=32)
    )
    assert [t.tile_id for t in plan[1:3]] == [1, 2]
    assert plan[-1] == plan[3]
    with pytest.raises(IndexError, match="has 4 tiles, so there is no tile 4"):
        plan[4]


def test_specs_and_slides_are_checked():
    with pytest.raises(
        ValueError, match="multiple of 16 from 16 to 8192 pixels, but this one is 1000"
    ):
        TileSpec(size=1000)
    with pytest.raises(ValueError, match="between 0 and 1, but this one is 5"):
        TileSpec(min_tissue_fraction=5)
    with pytest.raises(
        ValueError, match="belongs to a slide of 64×64 px, but this slide has 65×64"
    ):
        plan_tiles(slide_of(65, 64), tissue_of(np.ones((4, 4), np.bool_), 64, 64))

import pickle
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from slidetile import ArraySlide, Overview, Region, TileSpec, TissueMask, plan_tiles
from slidetile.planning._cells import tissue_fractions


def tissue_of(mask, width, height):
    """A tissue mask over a slide of any size: its pixels need not be whole level-0 pixels."""
    image = np.zeros((*mask.shape, 3), np.uint8)
    scale = width / mask.shape[1], height / mask.shape[0]
    overview = Overview(image=image, slide_width=width, slide_height=height, downsample=scale)
    return TissueMask.from_mask(mask, overview)


def slide_of(width, height):
    return ArraySlide(np.broadcast_to(np.zeros((1, 1, 3), np.uint8), (height, width, 3)))


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


def plain_cells(length, size, edge):
    """The plain twin: (number, begin, end) of each cell along one axis, one after another."""
    cells = []
    for number, begin in enumerate(range(0, length, size)):
        if begin + size <= length or edge == "keep":
            cells.append((number, begin, begin + size))
        elif edge == "shift":
            moved = max(0, length - size)
            cells.append((number, moved, moved + size))
    return cells


@settings(deadline=None)
@given(
    masks,
    st.sampled_from([16, 48, 256, 1024, 4096, 8192]),
    st.tuples(st.floats(0.01, 3.2), st.floats(0.01, 3.2)),
    st.sampled_from(["keep", "drop", "shift"]),
    st.sampled_from([0, 0.05, 0.3, 0.5, 1]),
)
def test_plans_equal_the_brute_force_twin_at_every_edge(mask, size, cells, edge, least):
    width, height = (max(n, round(c * size)) for n, c in zip(mask.shape[::-1], cells, strict=True))
    tissue, frame = tissue_of(mask, width, height), Region(x=0, y=0, width=width, height=height)
    spec = TileSpec(size=size, min_tissue_fraction=least, edge=edge)
    found = {(t.column, t.row): t for t in plan_tiles(slide_of(width, height), tissue, spec)}
    assert list(found) == sorted(found, key=lambda cell: cell[::-1])
    across, down = plain_cells(width, size, edge), plain_cells(height, size, edge)
    for row, top, bottom in down:
        for column, left, right in across:
            cell = Region.from_edges(left, top, right, bottom)
            inside = cell.intersection(frame)
            expected = exact_fraction(mask, width, height, inside)
            tile = found.pop((column, row), None)
            if abs(float(expected) - least) > 1e-6 or least == 0:
                assert (tile is not None) == (expected >= least)
            if tile is not None:
                assert (tile.region, tile.inside) == (cell, inside)
                assert tile.tissue_fraction == pytest.approx(float(expected), abs=1e-6)
                is_small = size > min(width, height)
                assert edge == "keep" or inside == cell or (edge == "shift" and is_small)
    assert not found


@pytest.mark.parametrize("edge", ["keep", "shift"])
def test_edges_are_those_of_the_regions(edge):
    tissue = tissue_of(np.ones((2, 3), np.bool_), 300, 200)
    plan = plan_tiles(slide_of(300, 200), tissue, TileSpec(size=64, edge=edge))
    boxes = [(r.x, r.y, r.right, r.bottom) for r in plan.regions]
    assert boxes == [(t.inside.x, t.inside.y, t.inside.right, t.inside.bottom) for t in plan]
    assert np.array_equal(np.stack(plan.edges, axis=1), boxes)


def test_a_slide_smaller_than_a_tile_is_kept_whole_dropped_or_reached_over():
    tissue = tissue_of(np.ones((2, 3), np.bool_), 300, 200)
    plans = {
        edge: plan_tiles(slide_of(300, 200), tissue, TileSpec(size=256, edge=edge))
        for edge in ("keep", "drop", "shift")
    }
    regions = {edge: [(t.region.x, t.region.y) for t in plan] for edge, plan in plans.items()}
    assert regions == {"keep": [(0, 0), (256, 0)], "drop": [], "shift": [(0, 0), (44, 0)]}
    assert [t.inside.height for t in plans["shift"]] == [200, 200]
    assert plans["drop"].grid_size == (1, 0)


def test_a_shifted_tile_names_the_region_under_it():
    mask = np.zeros((2, 10), np.bool_)
    mask[:, 0] = mask[:, 5:8] = True  # a tile at the last column's own place would hold nothing
    spec = TileSpec(size=32, edge="shift")
    plan = plan_tiles(slide_of(80, 16), tissue_of(mask, 80, 16), spec)
    assert [(t.column, t.region.x, t.tissue_piece) for t in plan] == [
        (0, 0, 1),
        (1, 32, 2),
        (2, 48, 2),
    ]


def full_plan(**choices):
    rng = np.random.default_rng(3)
    tissue = tissue_of(rng.random((40, 60)) < 0.6, 60 * 16, 40 * 16)
    return plan_tiles(slide_of(60 * 16, 40 * 16), tissue, TileSpec(size=32, **choices))


def cells_of(plan):
    return [(t.column, t.row) for t in plan]


def test_a_sample_is_the_same_everywhere_and_grows_by_adding():
    whole = cells_of(full_plan())
    samples = [cells_of(full_plan(sample=count, seed=7)) for count in (1, 10, 100, 10**6)]
    assert [len(cells) for cells in samples] == [1, 10, 100, len(whole)]
    for smaller, larger in pairwise(samples):
        assert set(smaller) < set(larger)
    assert samples[-1] == whole
    assert all(cells == sorted(cells, key=lambda c: c[::-1]) for cells in samples)
    # A tile's rank depends on no other tile: with half of them gone, the same ones come first.
    fewer = cells_of(full_plan(sample=100, seed=7, min_tissue_fraction=0.7))
    stricter = set(cells_of(full_plan(min_tissue_fraction=0.7)))
    assert set(samples[2]) & stricter <= set(fewer)


FROZEN = {
    0: [(28, 0), (15, 9), (8, 15)],
    7: [(12, 12), (3, 14), (16, 14)],
    2**63 - 1: [(13, 3), (12, 11), (20, 18)],
}


def test_what_a_seed_draws_is_frozen():
    """A store made today and one made by any later version hold the same tiles."""
    slide, tissue = slide_of(960, 640), tissue_of(np.ones((4, 6), np.bool_), 960, 640)
    drawn = {
        seed: cells_of(plan_tiles(slide, tissue, TileSpec(size=32, sample=3, seed=seed)))
        for seed in (0, 7, 2**63 - 1)
    }
    assert drawn == FROZEN


def test_at_most_so_many_are_the_fullest_and_equals_are_spread():
    whole = full_plan()
    few = full_plan(max_tiles=30)
    least = min(t.tissue_fraction for t in few)
    left = set(cells_of(whole)) - set(cells_of(few))
    assert len(few) == 30
    assert all(t.tissue_fraction <= least for t in whole if (t.column, t.row) in left)
    assert cells_of(few) == [cell for cell in cells_of(whole) if cell in set(cells_of(few))]
    assert [t.tile_id for t in few] == list(range(30))
    assert full_plan(max_tiles=10**6) == full_plan(max_tiles=10**6)
    assert len(full_plan(max_tiles=10**6)) == len(whole)
    slide, tissue = slide_of(640, 640), tissue_of(np.ones((4, 4), np.bool_), 640, 640)
    rows = [t.row for t in plan_tiles(slide, tissue, TileSpec(size=16, max_tiles=100))]
    assert 12 < np.mean(rows) < 28  # of 40 rows of equally full tiles


@pytest.mark.parametrize(
    ("choices", "message"),
    [
        ({"edge": "pad"}, "An edge is keep, drop, shift, but this one is 'pad'"),
        ({"max_tiles": 0}, "max_tiles must be at least 1, but it is 0"),
        ({"sample": -3}, "sample must be at least 1, but it is -3"),
        ({"max_tiles": 3, "sample": 3}, "give only one"),
        ({"seed": 3}, "The seed 3 is for a random sample, but sample is not given"),
        ({"sample": 3, "seed": -1}, "seed must be from 0 to 2⁶³ - 1, but it is -1"),
    ],
)
def test_choices_that_make_no_sense_are_refused(choices, message):
    with pytest.raises(ValueError, match=message):
        TileSpec(**choices)


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
    assert [t.tissue_piece for t in plan] == [3, 2]
    assert plan.tissue.labels[0, 0] == 1


@given(
    st.integers(0, 2**31),
    st.tuples(st.integers(1, 14), st.integers(1, 14)),
    st.sampled_from(["keep", "drop", "shift"]),
    st.sampled_from([16, 48]),
)
def test_main_regions_equal_the_brute_force_twin(seed, shape, edge, size):
    mask = np.random.default_rng(seed).random(shape) < 0.25
    width, height = shape[1] * 7, shape[0] * 9
    tissue = tissue_of(mask, width, height)
    spec = TileSpec(size=size, edge=edge, min_tissue_fraction=0)
    for tile in plan_tiles(slide_of(width, height), tissue, spec):
        cell = tile.inside
        rows, columns = (
            slice(cell.y // 9, -(-cell.bottom // 9)),
            slice(cell.x // 7, -(-cell.right // 7)),
        )
        labels = [label for label in tissue.labels[rows, columns].ravel().tolist() if label]
        most = max(map(labels.count, labels), default=0)
        assert tile.tissue_piece == min((n for n in labels if labels.count(n) == most), default=0)


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

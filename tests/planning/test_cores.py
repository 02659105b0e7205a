"""Tiles are named by the core that most of their tissue lies in."""

from collections import Counter

import microarrays
import numpy as np
import pytest

import slidetile as st


@pytest.fixture(scope="module")
def slide():
    return st.ArraySlide(microarrays.picture(), mpp=microarrays.MPP)


@pytest.fixture(scope="module")
def tissue(slide):
    return st.find_tissue(slide)


@pytest.mark.parametrize("size", [16, 48, 64, 144])
def test_a_tile_has_the_name_of_the_core_that_most_of_it_shows(slide, tissue, size):
    cores = st.find_cores(tissue)
    assert (cores.rows, cores.columns) == (microarrays.ROWS, microarrays.COLUMNS)
    assert tuple(core.name for core in cores.missing) == microarrays.MISSING
    plan = st.plan_tiles(slide, tissue, st.TileSpec(size=size), cores=cores)
    assert [tile.core for tile in plan] == plan.core_names
    for tile in plan:
        inside = tile.inside
        names = Counter(
            core.name
            for core in cores
            for _ in range(int((cores.labels[inside.slices] == number_of(cores, core)).sum()))
        )
        assert names[tile.core] == max(names.values())
        centre = inside.x + inside.width / 2, inside.y + inside.height / 2
        if size == 16 and microarrays.core_at(*centre) is not None:
            assert tile.core == microarrays.core_at(*centre)
    assert not set(plan.core_names) & set(microarrays.MISSING)


def number_of(cores, core):
    return core.row * cores.columns + core.column + 1


def test_a_tile_between_cores_has_no_name(slide, tissue):
    plan = st.plan_tiles(
        slide, tissue, st.TileSpec(size=16, min_tissue_fraction=0), cores=st.find_cores(tissue)
    )
    assert plan.core_names[0] is None
    assert plan[0].core is None
    assert plan[0].tissue_fraction == 0


def test_plans_without_cores_are_as_before(slide, tissue):
    plan = st.plan_tiles(slide, tissue, st.TileSpec(size=64))
    named = st.plan_tiles(slide, tissue, st.TileSpec(size=64), cores=st.find_cores(tissue))
    assert (plan.cores, plan.core_names, plan[0].core) == (None, None, None)
    assert plan != named
    assert np.array_equal(plan.tissue_fractions, named.tissue_fractions)


def test_cores_of_another_mask_are_refused(slide, tissue):
    other = st.TissueMask.from_mask(
        np.zeros((2, 2), bool),
        st.Overview(
            image=np.zeros((2, 2, 1), np.uint8), slide_width=2, slide_height=2, downsample=(1, 1)
        ),
    )
    with pytest.raises(ValueError, match=r"The cores belong to a mask of \(2, 2\) pixels"):
        st.plan_tiles(slide, tissue, cores=st.find_cores(other))


def test_a_recipe_names_tiles_and_refuses_what_is_no_grid(slide):
    recipe = st.Recipe(cores=True, tile=st.TileSpec(size=64))
    assert set(recipe.plan(slide).core_names) >= {"A-1", "D-5"}
    assert st.Recipe(tile=recipe.tile).plan(slide).cores is None
    whole = microarrays.picture()[: microarrays.PITCH_PX, : microarrays.PITCH_PX]
    with pytest.raises(ValueError, match="does not lie in a regular grid"):
        recipe.plan(st.ArraySlide(whole, mpp=8.0))
    empty = st.ArraySlide(np.full((300, 300, 3), 243, np.uint8), mpp=8.0)
    assert len(recipe.plan(empty)) == len(recipe.plan(empty).cores) == 0

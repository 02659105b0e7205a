"""Cutting a store's shards into parts: each shard is made once, and after what it is made from."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from slidetile.format.layout import ChunkGrid
from slidetile.format.pyramid import halved_levels
from slidetile.writing._parts import Part, owned_shards


def pyramid(needed):
    height, width = needed.shape
    grid = ChunkGrid(
        width=width * 512,
        height=height * 512,
        chunk_width=512,
        chunk_height=512,
        chunks_across=2,
        chunks_down=2,
    )
    return halved_levels(grid, needed)


def shape():
    return st.tuples(st.integers(1, 40), st.integers(1, 40))


def cells(levels):
    return {(n, s.column, s.row) for n, level in enumerate(levels) for s in level.shards}


def parts_of(levels, count, *, halved):
    parts = [Part(number=number, count=count) for number in range(count)]
    return [owned_shards(levels, part, halved=halved).cells for part in parts]


@given(arrays(np.bool_, shape()), st.integers(1, 12))
def test_each_shard_is_of_one_part_and_a_coarser_one_of_that_of_its_finer_ones(needed, count):
    levels = pyramid(needed)
    owned = parts_of(levels, count, halved=True)
    everything = cells(levels)
    assert sum(map(len, owned)) == len(set().union(*owned))
    assert {cell for cell in everything if cell[0] == 0} <= set().union(*owned) <= everything
    for mine in owned:
        for level, column, row in everything:
            beneath = {
                cell
                for cell in everything
                if cell[0] == 0 and (cell[1] >> level, cell[2] >> level) == (column, row)
            }
            assert ((level, column, row) in mine) == (beneath <= mine)


@given(arrays(np.bool_, shape()), st.integers(1, 12))
def test_shards_that_are_copied_are_all_of_one_part(needed, count):
    levels = pyramid(needed)
    owned = parts_of(levels, count, halved=False)
    assert sum(map(len, owned)) == len(cells(levels))
    assert set().union(*owned) == cells(levels)


@pytest.mark.parametrize("count", [2, 4, 8])
def test_parts_are_about_equal_and_leave_few_shards_to_the_end(count):
    levels = pyramid(np.ones((128, 128), np.bool_))
    owned = parts_of(levels, count, halved=True)
    sizes = [sum(cell[0] == 0 for cell in mine) for mine in owned]
    assert max(sizes) <= 1.2 * min(sizes)
    left = cells(levels) - set().union(*owned)
    assert len(left) <= 3 * count
    assert sum(map(len, owned)) == len(cells(levels)) - len(left)


@pytest.mark.parametrize(("number", "count"), [(3, 3), (-1, 3), (0, 0)])
def test_a_part_that_is_none_is_refused(number, count):
    with pytest.raises(ValueError, match="no part"):
        Part(number=number, count=count)

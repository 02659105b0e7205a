import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from slidetile.format.layout import ChunkGrid, Shard, morton_key
from slidetile.raster.region import Region

lengths = st.integers(1, 70)
few = st.integers(1, 4)
grids = st.builds(
    ChunkGrid,
    width=lengths,
    height=lengths,
    chunk_width=st.integers(1, 20),
    chunk_height=st.integers(1, 20),
    chunks_across=few,
    chunks_down=few,
)


@st.composite
def grids_and_regions(draw):
    grid = draw(grids)
    regions = []
    for _ in range(draw(st.integers(0, 4))):
        x, y = draw(st.integers(0, grid.width - 1)), draw(st.integers(0, grid.height - 1))
        right, bottom = draw(st.integers(x + 1, grid.width)), draw(st.integers(y + 1, grid.height))
        regions.append(Region.from_edges(x, y, right, bottom))
    return grid, regions


@given(grids_and_regions())
def test_the_needed_chunks_are_those_a_region_touches(case):
    grid, regions = case
    needed = grid.chunks_for(regions)
    for row in range(grid.chunk_rows):
        for column in range(grid.chunk_columns):
            chunk = grid.chunk_region(column, row)
            assert needed[row, column] == any(r.intersection(chunk) for r in regions)


@given(grids_and_regions())
def test_shards_hold_just_the_needed_chunks(case):
    grid, regions = case
    needed = grid.chunks_for(regions)
    shards = grid.shards_for(needed)
    found = np.zeros_like(needed)
    for shard in shards:
        assert shard.chunks == tuple(sorted(set(shard.chunks)))
        for place in shard.chunks:
            column, row = grid.chunk_cell(shard, place)
            assert not found[row, column]
            found[row, column] = True
            assert grid.shard_region(shard).contains(grid.chunk_region(column, row))
    assert np.array_equal(found, needed)
    assert [(s.row, s.column) for s in shards] == sorted((s.row, s.column) for s in shards)


@pytest.mark.parametrize(("native", "across"), [(240, 4), (256, 4), (512, 2), (2000, 1), (64, 16)])
def test_shards_are_whole_native_tiles_about_1024_px(native, across):
    grid = ChunkGrid.about((5000, 5000), (native, native), 1024)
    assert (grid.chunks_across, grid.shard_width) == (across, across * native)


def test_along_the_z_curve_the_four_children_of_a_shard_are_neighbours():
    order = sorted(
        (Shard(column=c, row=r, chunks=(0,)) for c in range(8) for r in range(8)), key=morton_key
    )
    parents = [(s.column // 2, s.row // 2) for s in order]
    assert all(len(set(parents[i : i + 4])) == 1 for i in range(0, 64, 4))
    assert morton_key(Shard(column=3, row=1, chunks=(0,)), 1) == 4 * morton_key(order[7])


def test_lengths_are_checked():
    with pytest.raises(ValueError, match="at least 1"):
        ChunkGrid(width=0, height=1, chunk_width=1, chunk_height=1, chunks_across=1, chunks_down=1)

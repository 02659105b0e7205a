import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from slidetile.format.halving import Accumulator
from slidetile.format.layout import ChunkGrid, morton_key
from slidetile.format.pyramid import halved_levels
from slidetile.raster.block_means import halve
from slidetile.raster.pixels import empty_pixels
from slidetile.raster.region import Region


def grid_of(width, height, chunk=8, across=2):
    return ChunkGrid(
        width=width,
        height=height,
        chunk_width=chunk,
        chunk_height=chunk,
        chunks_across=across,
        chunks_down=across,
    )


def mean_of_quads(image):
    """The plain twin: average 2×2, and at odd edges only the pixels that exist."""
    height, width = image.shape[:2]
    padded = np.pad(image, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge").astype(int)
    quads = padded[0::2, 0::2] + padded[1::2, 0::2] + padded[0::2, 1::2] + padded[1::2, 1::2]
    return ((quads + 2) // 4).astype(np.uint8)


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("planar", [False, True])
def test_halving_rounds_halves_up_at_every_value(planar, channels):
    values = empty_pixels((64, 300, channels), planar=planar)
    values[:] = np.random.default_rng(0).integers(0, 256, values.shape, np.uint8)
    values[:2, :4, 0] = [[255, 255, 0, 1], [255, 255, 0, 1]]
    halved = halve(values)
    assert halved.dtype == np.uint8
    assert np.array_equal(halved, mean_of_quads(values))
    assert (halved.strides[1] == 1) == (planar or channels == 1)
    into = np.zeros((32, 300, channels), np.uint8)[:, ::2]
    assert halve(values, out=into) is into
    assert np.array_equal(into, halved)


@settings(max_examples=60, deadline=None)
@given(
    st.integers(1, 70),
    st.integers(1, 70),
    st.sampled_from([1, 2]),
    st.sampled_from([1, 3]),
    st.booleans(),
    st.randoms(use_true_random=False),
)
def test_a_pyramid_grown_shard_by_shard_is_the_halving_of_the_whole(
    width, height, across, channels, planar, random
):
    seed = random.randrange(1 << 30)
    image = np.random.default_rng(seed).integers(0, 256, (height, width, channels), np.uint8)
    grid = grid_of(width, height, across=across)
    levels = halved_levels(grid, np.ones((grid.chunk_rows, grid.chunk_columns), np.bool_))
    canvases = _grow(image, levels, planar=planar, order=random.sample)
    expected = image
    for level, canvas in zip(levels, canvases, strict=True):
        assert level.grid.size == (expected.shape[1], expected.shape[0])
        assert np.array_equal(canvas[: level.grid.height, : level.grid.width], expected)
        expected = mean_of_quads(expected)


def chunk_memory(grid, channels, *, planar):
    return empty_pixels((grid.chunk_height, grid.chunk_width, channels), planar=planar)


def chunks_of(canvas, grid, shard, *, planar):
    """The chunks of a shard, one after another in the same memory."""
    memory = chunk_memory(grid, canvas.shape[2], planar=planar)
    for place in shard.chunks:
        where = grid.chunk_region(*grid.chunk_cell(shard, place)).slices
        memory[:] = canvas[where]
        yield place, memory


def blank(grid, channels):
    shape = grid.shard_rows * grid.shard_height, grid.shard_columns * grid.shard_width
    return np.zeros((*shape, channels), np.uint8)


def _grow(image, levels, order, *, planar=True, store=lambda pixels: pixels):
    """Return each level's canvas, its shards finished in any order and stored by ``store``."""
    channels = image.shape[2]
    canvases = [blank(level.grid, channels) for level in levels]
    canvases[0][: image.shape[0], : image.shape[1]] = image

    def take(coarser):
        grid = levels[coarser.level].grid
        memory = chunk_memory(grid, channels, planar=planar)
        for place, pixels in coarser.chunks(memory):
            where = grid.chunk_region(*grid.chunk_cell(coarser.shard, place)).slices
            stored = store(pixels)
            canvases[coarser.level][where] = stored
            yield place, stored

    accumulator = Accumulator(levels, channels=channels, fill=255, planar=planar)
    finest = levels[0]
    for shard in order(finest.shards, len(finest.shards)):
        chunks = chunks_of(canvases[0], finest.grid, shard, planar=planar)
        accumulator.add(0, shard, chunks, take)
    assert accumulator.waiting == 0
    return canvases


def test_a_level_halves_the_chunks_that_its_taker_returns():
    image = np.random.default_rng(1).integers(0, 250, (61, 47, 3), np.uint8)
    grid = grid_of(47, 61)
    levels = halved_levels(grid, np.ones((grid.chunk_rows, grid.chunk_columns), np.bool_))
    assert len(levels) > 2
    canvases = _grow(image, levels, order=lambda shards, _: shards, store=lambda p: p // 4 * 4)
    expected = image
    for level, canvas in zip(levels[1:], canvases[1:], strict=True):
        expected = mean_of_quads(expected) // 4 * 4
        assert np.array_equal(canvas[: level.grid.height, : level.grid.width], expected)


def test_in_morton_order_only_a_few_shards_wait():
    grid = grid_of(16 * 64, 16 * 64)
    levels = halved_levels(grid, np.ones((128, 128), np.bool_))
    accumulator = Accumulator(levels, channels=1, fill=0, planar=True)
    memory = np.zeros((8, 8, 1), np.uint8)
    most = 0
    for shard in sorted(levels[0].shards, key=morton_key):
        chunks = ((place, memory) for place in shard.chunks)
        accumulator.add(0, shard, chunks, lambda coarser: coarser.chunks(memory))
        most = max(most, accumulator.waiting)
    assert most == len(levels) - 1
    assert accumulator.waiting == 0


def test_a_shard_whose_chunks_cannot_be_made_completes_nothing():
    grid = grid_of(32, 16)
    levels = halved_levels(grid, np.ones((2, 4), np.bool_))
    accumulator = Accumulator(levels, channels=1, fill=0, planar=True)

    def break_off():
        yield 0, np.zeros((8, 8, 1), np.uint8)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        accumulator.add(0, levels[0].shards[0], break_off(), lambda _: ())
    accumulator.add(0, levels[0].shards[1], (), lambda _: ())
    assert accumulator.waiting == 1


def test_what_nobody_planned_halves_as_background():
    grid = grid_of(32, 16)
    needed = np.zeros((2, 4), np.bool_)
    needed[0, 0] = True
    levels = halved_levels(grid, needed)
    (coarse,) = levels[1].shards
    assert coarse.chunks == (0,)
    chunk = np.full((8, 8, 1), 100, np.uint8)
    completed = []
    accumulator = Accumulator(levels, channels=1, fill=200, planar=True)
    accumulator.add(0, levels[0].shards[0], [(0, chunk)], lambda c: completed.append(c) or ())
    (coarser,) = completed
    assert (coarser.level, coarser.shard) == (1, coarse)
    pixels = coarser.pixels(Region(x=0, y=0, width=16, height=16), np.empty((16, 16, 1), np.uint8))
    assert (pixels[:4, :4] == 100).all()
    assert (pixels[4:] == 200).all()
    assert (pixels[:, 4:] == 200).all()
    part = coarser.pixels(Region(x=2, y=2, width=8, height=8), pixels[:8, :8])
    assert part[..., 0].tolist() == [[100] * 2 + [200] * 6] * 2 + [[200] * 8] * 6

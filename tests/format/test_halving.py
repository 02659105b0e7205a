import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from slidetile.format.halving import Accumulator, halve
from slidetile.format.layout import ChunkGrid, morton_key
from slidetile.format.pyramid import halved_levels
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


def test_halving_rounds_halves_up_at_every_value():
    values = np.random.default_rng(0).integers(0, 256, (3, 64, 64), np.uint8)
    values[0, :2, :4] = [[255, 255, 0, 1], [255, 255, 0, 1]]
    expected = mean_of_quads(values.transpose(1, 2, 0)).transpose(2, 0, 1)
    halved = halve(values)
    assert halved.dtype == np.uint8
    assert np.array_equal(halved, expected)


@settings(max_examples=60, deadline=None)
@given(
    st.integers(1, 70),
    st.integers(1, 70),
    st.sampled_from([1, 2]),
    st.sampled_from([1, 3]),
    st.randoms(use_true_random=False),
)
def test_a_pyramid_grown_shard_by_shard_is_the_halving_of_the_whole(
    width, height, across, channels, random
):
    seed = random.randrange(1 << 30)
    image = np.random.default_rng(seed).integers(0, 256, (height, width, channels), np.uint8)
    grid = grid_of(width, height, across=across)
    levels = halved_levels(grid, np.ones((grid.chunk_rows, grid.chunk_columns), np.bool_))
    canvases = _grow(image, levels, channels, order=random.sample)
    expected = image
    for level, canvas in zip(levels, canvases, strict=True):
        assert level.grid.size == (expected.shape[1], expected.shape[0])
        assert np.array_equal(canvas[: level.grid.height, : level.grid.width], expected)
        expected = mean_of_quads(expected)


def whole(finished, grid, channels):
    """All pixels of a finished shard."""
    area = Region(x=0, y=0, width=grid.shard_width, height=grid.shard_height)
    return finished.pixels(area, np.empty((channels, area.height, area.width), np.uint8))


def _grow(image, levels, channels, order):
    """Return each level's canvas, its shards finished in any order."""
    canvases = [
        np.zeros(
            (
                lv.grid.shard_rows * lv.grid.shard_height,
                lv.grid.shard_columns * lv.grid.shard_width,
                channels,
            ),
            np.uint8,
        )
        for lv in levels
    ]
    canvases[0][: image.shape[0], : image.shape[1]] = image
    accumulator = Accumulator(levels, channels=channels, fill=255)
    finest = levels[0]
    for shard in order(finest.shards, len(finest.shards)):
        rows, columns = finest.grid.shard_region(shard).slices
        planes = np.ascontiguousarray(canvases[0][rows, columns].transpose(2, 0, 1))
        finished = accumulator.add(0, shard, planes)
        while finished is not None:
            level, above = finished.level, finished.shard
            pixels = whole(finished, levels[level].grid, channels)
            where = levels[level].grid.shard_region(above).slices
            canvases[level][where] = pixels.transpose(1, 2, 0)
            finished = accumulator.add(level, above, pixels)
    return canvases


def test_in_morton_order_only_a_few_shards_wait():
    grid = grid_of(16 * 64, 16 * 64)
    levels = halved_levels(grid, np.ones((128, 128), np.bool_))
    accumulator = Accumulator(levels, channels=1, fill=0)
    most = 0
    for shard in sorted(levels[0].shards, key=morton_key):
        finished = accumulator.add(0, shard, np.zeros((1, 16, 16), np.uint8))
        while finished is not None:
            pixels = whole(finished, grid, 1)
            finished = accumulator.add(finished.level, finished.shard, pixels)
        most = max(most, accumulator.waiting)
    assert most == len(levels) - 1
    assert accumulator.waiting == 0


def test_what_nobody_planned_halves_as_background():
    grid = grid_of(32, 16)
    needed = np.zeros((2, 4), np.bool_)
    needed[0, 0] = True
    levels = halved_levels(grid, needed)
    (coarse,) = levels[1].shards
    assert coarse.chunks == (0,)
    finished = Accumulator(levels, channels=1, fill=200).add(
        0, levels[0].shards[0], np.full((1, 16, 16), 100, np.uint8)
    )
    assert finished is not None
    planes = whole(finished, grid, 1)
    assert (planes[0, :8, :8] == 100).all()
    assert (planes[0, :, 8:] == 200).all()
    assert finished.pixels(Region(x=4, y=4, width=8, height=8), planes[:, :8, :8]).tolist() == [
        [[100] * 4 + [200] * 4] * 4 + [[200] * 8] * 4
    ]

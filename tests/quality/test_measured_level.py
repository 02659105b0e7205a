"""The level that quality is measured on."""

import pytest

from slidetile.format.layout import ChunkGrid
from slidetile.format.pyramid import PyramidLevel
from slidetile.quality.measured_level import MeasuredLevel


@pytest.mark.parametrize(
    ("downsamples", "mpp", "expected"),
    [
        ((1, 4, 16, 64), 0.25, (2, 1, 4.0)),
        ((1, 4, 16), 0.5, (1, 2, 4.0)),
        ((1, 2, 4, 8, 16), 0.5, (3, 1, 4.0)),
        ((1,), 0.25, (0, 16, 4.0)),
        ((1, 2), 0.499, (1, 4, 3.992)),
        ((1, 4, 10), 0.5, (2, 1, 5.0)),  # a little too coarse is near enough
        ((1, 4, 12), 0.5, (1, 2, 4.0)),
        ((1, 2, 4), 29.0, (0, 1, 29.0)),
        ((1, 4, 16), None, (1, 2, None)),
    ],
)
def test_the_level_that_is_measured(downsamples, mpp, expected):
    grid = ChunkGrid.about((100, 100), (64, 64), 64)
    levels = [PyramidLevel(grid=grid, shards=(), downsample=(d, d)) for d in downsamples]
    level = MeasuredLevel.of(levels, None if mpp is None else (mpp, mpp))
    number, factor, measured = expected
    assert (level.number, level.factor) == (number, factor)
    assert level.mpp == (None if measured is None else pytest.approx((measured, measured)))

"""How much of a tile is pen."""

from fractions import Fraction

import numpy as np
import pyarrow.compute as pc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some
from quality_stores import values, written

import slidetile as st
from slidetile.quality.pen import area_fractions


@settings(max_examples=60, deadline=None)
@given(
    some.integers(1, 12),
    some.integers(1, 12),
    some.sampled_from([1.0, 8.0, 7.3]),
    some.integers(0, 2**32 - 1),
)
def test_area_fractions_are_exact(rows, columns, scale, seed):
    rng = np.random.default_rng(seed)
    mask = rng.random((rows, columns)) < 0.5
    width, height = int(columns * scale), int(rows * scale)
    left, right = sorted(rng.choice(width + 1, 2, replace=False).tolist())
    top, bottom = sorted(rng.choice(height + 1, 2, replace=False).tolist())
    step = Fraction(scale)

    def overlap(first, stop, pixel):
        return max(0, min(Fraction(stop), (pixel + 1) * step) - max(Fraction(first), pixel * step))

    covered = sum(
        overlap(top, bottom, y) * overlap(left, right, x) for y, x in np.argwhere(mask).tolist()
    )
    region = st.Region.from_edges(left, top, right, bottom)
    (found,) = area_fractions(mask, (scale, scale), [region])
    assert found == pytest.approx(float(covered / region.area), abs=1e-9)


def test_a_stroke_of_ink_is_told_by_the_tiles_it_crosses(tmp_path):
    """White glass, a stroke of blue marker 2 mm wide that covers two columns and a half."""
    pixels = np.full((512, 1024, 3), 243, np.uint8)
    pixels[:, 192:512] = 30, 90, 170
    store = written(tmp_path, pixels, size=128, mpp=8.0)
    columns, pen = values(store, "column"), values(store, "pen_fraction")
    for column, expected in enumerate([0, 0.5, 1, 1, 0, 0, 0, 0]):
        # Its rim is counted a little wide: chroma subsampling would have spread it.
        assert pen[columns == column] == pytest.approx(expected, abs=0.1)
    assert set(pen[columns > 4].tolist()) == {0}
    assert len(store.select(pc.field("pen_fraction") < 0.2)) == 4 * 5


def test_no_ink_is_told_in_the_dark(tmp_path):
    pixels = np.zeros((128, 128, 3), np.uint8)
    pixels[:, 32:64] = 0, 0, 160
    assert set(values(written(tmp_path, pixels, mpp=8.0), "pen_fraction").tolist()) == {0}

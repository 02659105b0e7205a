"""What a level is, and what a reader has to bring."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from slidetile.slides.array import ArraySlide
from slidetile.slides.slide import Level

sides = st.integers(1, 2000)


def test_a_level_without_further_facts_is_level_0():
    level = Level(width=30, height=20)
    assert level.size == (30, 20)
    assert level.downsample == (1, 1)
    assert (level.tile_width_px, level.tile_height_px) == (None, None)


@given(st.tuples(sides, sides), st.tuples(sides, sides))
def test_a_levels_downsample_is_how_many_level_0_pixels_one_of_its_covers(one, other):
    whole, size = map(max, zip(one, other, strict=True)), map(min, zip(one, other, strict=True))
    whole, size = tuple(whole), tuple(size)
    level = Level.covering(whole, size, tile_width_px=64, tile_height_px=32)
    assert level.size == size
    assert level.downsample == (whole[0] / size[0], whole[1] / size[1])
    assert (level.tile_width_px, level.tile_height_px) == (64, 32)


def test_a_levels_downsample_has_both_axes():
    slide = ArraySlide([np.zeros((30, 80, 3), np.uint8), np.zeros((15, 20, 3), np.uint8)])
    assert slide.levels[1].downsample == (4, 2)


@pytest.mark.parametrize(
    ("facts", "message"),
    [
        ({"width": 0}, "at least 1×1 pixels, but this one is 0×20"),
        ({"height": -1}, "at least 1×1 pixels, but this one is 30×-1"),
        ({"downsample": (2.0, 0.5)}, "at least 1×1, but this one is 2×0.5"),
        ({"downsample": (float("nan"), 1.0)}, "at least 1×1, but this one is nan×1"),
        ({"downsample": (1.0, float("nan"))}, "at least 1×1, but this one is 1×nan"),
    ],
)
def test_impossible_levels_are_refused(facts, message):
    with pytest.raises(ValueError, match=message):
        Level(**{"width": 30, "height": 20, **facts})

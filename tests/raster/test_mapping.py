"""Samples mapped onto 8 bits: monotone, within bounds, undone to within one step."""

import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as some

from slidetile.raster.mapping import Mapping

BITS = some.integers(9, 16)


@some.composite
def mappings(draw):
    bits = draw(BITS)
    low = draw(some.integers(0, (1 << bits) - 2))
    return Mapping(bits=bits, windows=((low, draw(some.integers(low + 1, (1 << bits) - 1))),))


def every_value():
    return np.arange(1 << 16, dtype=np.uint16).reshape(1, -1, 1)


@given(mappings())
def test_a_mapping_is_monotone_and_spans_its_window(mapping):
    mapped = mapping.apply(every_value()).ravel()
    assert mapped.dtype == np.uint8
    assert (np.diff(mapped.astype(int)) >= 0).all()
    ((low, high),) = mapping.windows
    assert set(mapped[: low + 1]) == {0}
    assert set(mapped[high:]) == {255}


@given(mappings())
def test_it_is_the_nearest_of_255_steps(mapping):
    """By floating-point numbers, which are exact enough but at halves."""
    ((low, high),) = mapping.windows
    values = np.arange(low, high + 1)
    exact = (values - low) / (high - low) * 255
    mapped = mapping.apply(every_value()).ravel()[low : high + 1]
    assert np.abs(mapped - exact).max() <= 0.5 + 1e-9


@given(mappings())
def test_undoing_it_is_within_one_step(mapping):
    ((low, high),) = mapping.windows
    undone = mapping.undo(mapping.apply(every_value())).ravel().astype(int)
    assert undone.min() == low
    assert undone.max() == high
    inside = np.arange(low, high + 1)
    apart = np.abs(undone[low : high + 1] - inside)
    assert apart.max() <= mapping.steps[0]
    if high - low <= 255:
        assert apart.max() == 0


def test_each_channel_has_its_own_window_and_half_the_bytes():
    pixels = np.random.default_rng(1).integers(0, 1 << 16, (40, 30, 2)).astype(np.uint16)
    mapping = Mapping(bits=16, windows=((0, 65535), (1000, 2000)))
    mapped = mapping.apply(pixels)
    assert mapped.nbytes * 2 == pixels.nbytes
    for channel, window in enumerate(mapping.windows):
        alone = Mapping(bits=16, windows=(window,))
        part = pixels[..., channel : channel + 1]
        np.testing.assert_array_equal(alone.apply(part)[..., 0], mapped[..., channel])
    out = np.empty((2, 40, 30), np.uint8).transpose(1, 2, 0)
    assert mapping.apply(pixels, out) is out
    np.testing.assert_array_equal(out, mapped)


def peak_bytes(act, *arguments):
    tracemalloc.start()
    try:
        result = act(*arguments)
        return result, tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def by_floats(pixels, low, high):
    """As a user's script does it."""
    scaled = pixels.astype(np.float32)
    scaled -= low
    scaled *= np.float32(255 / (high - low))
    scaled += 0.5
    np.clip(scaled, 0, 255, out=scaled)
    return scaled.astype(np.uint8)


def test_it_takes_half_the_bytes_of_the_samples_and_a_quarter_of_those_of_floats():
    pixels = np.random.default_rng(0).integers(0, 5000, (1024, 1024, 3)).astype(np.uint16)
    mapping = Mapping(bits=16, windows=((200, 4000),) * 3)
    mapping.apply(pixels[:1])  # makes its tables
    mapped, ours = peak_bytes(mapping.apply, pixels)
    floats, theirs = peak_bytes(by_floats, pixels, 200, 4000)
    assert np.abs(mapped.astype(int) - floats).max() <= 1
    assert ours < 1.1 * mapped.nbytes == 1.1 * pixels.nbytes / 2
    assert ours < 1.1 * (theirs - floats.nbytes) / 4


@pytest.mark.parametrize("window", [(5, 5), (9, 3), (0, 4096), (-1, 7)])
def test_a_window_upside_down_or_beyond_the_bits_is_refused(window):
    with pytest.raises(ValueError, match="A window goes from a lower to a higher value"):
        Mapping(bits=12, windows=(window,))

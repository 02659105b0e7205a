"""Samples of more than 8 bits, mapped onto 8: a table for each channel, in integers.

Knows values and arrays. Does not know slides, nor how windows are chosen.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from slidetile.raster.channels import Window, dtype_of, scale_table
from slidetile.raster.pixels import Pixels

_SAMPLES_AT_ONCE = 1 << 15
"""Of a channel: numpy makes an index of 8 bytes of each, which so stay in the cache."""


@dataclass(frozen=True, kw_only=True)
class Mapping:
    """The window of each channel that becomes 0–255.

    What lies below a window becomes 0, what lies above it 255. In between value v of the window
    from low to high becomes 255 · (v − low) / (high − low), halves rounded up.

    Raises
    ------
    ValueError
        A window is upside down or empty, or leaves the range of the samples.

    Examples
    --------
    >>> mapping = Mapping(bits=16, windows=((200, 4000),))
    >>> pixels = np.array([[[100], [200], [2100], [4000], [9000]]], np.uint16)
    >>> mapping.apply(pixels)[0, :, 0]
    array([  0,   0, 128, 255, 255], dtype=uint8)
    >>> mapping.undo(mapping.apply(pixels))[0, :, 0]
    array([ 200,  200, 2107, 4000, 4000], dtype=uint16)
    """

    bits: int
    """Bits of the samples that are mapped, 9–16."""

    windows: tuple[Window, ...]
    """For each channel the value that becomes 0, and the least that becomes 255."""

    def __post_init__(self) -> None:
        for low, high in self.windows:
            if not 0 <= low < high < 1 << self.bits:
                raise ValueError(
                    f"A window goes from a lower to a higher value within 0–{(1 << self.bits) - 1},"
                    f" but this one is {low},{high}."
                )

    @property
    def steps(self) -> tuple[float, ...]:
        """How far apart two neighbouring values of 8 bits were, by channel; at least 1.

        What lies within the window is undone to within one such step.
        """
        return tuple(max(1.0, (high - low) / 255) for low, high in self.windows)

    def apply(self, pixels: Pixels, out: Pixels | None = None) -> Pixels:
        """Return pixels as uint8, in ``out`` if that is given; [row, column, channel] both."""
        result = np.empty(pixels.shape, np.uint8) if out is None else out
        step = max(1, _SAMPLES_AT_ONCE // pixels.shape[1])
        for row in range(0, pixels.shape[0], step):
            rows = slice(row, row + step)
            for number, table in enumerate(self._tables):
                result[rows, :, number] = table.take(pixels[rows, :, number])
        return result

    def undo(self, pixels: NDArray[np.uint8]) -> NDArray[np.uint16]:
        """Return the samples that mapped pixels stand for: within one step of what they were.

        Values outside the window are its ends.
        """
        result = np.empty(pixels.shape, np.uint16)
        for number, (low, high) in enumerate(self.windows):
            steps = np.arange(256, dtype=np.int64) * (2 * (high - low)) + 255
            table = (low + steps // 510).astype(np.uint16)
            result[..., number] = table[pixels[..., number]]
        return result

    @cached_property
    def _tables(self) -> list[NDArray[np.uint8]]:
        dtype: np.dtype[Any] = dtype_of(self.bits)
        return [scale_table(window, dtype) for window in self.windows]

"""The coarser levels of an encoded store: each the exact halving of the one before it.

Pixels travel as planes: uint8 [channel, row, column], a shard's worth. That is the axis order of
the store, and halving runs over whole rows of one colour.
"""

import threading
from collections import Counter, defaultdict
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from slidetile.format.layout import ChunkGrid, Shard
from slidetile.format.pyramid import PyramidLevel
from slidetile.raster.pixels import paste
from slidetile.raster.region import Region

SLAB_ROWS = 128
"""Rows halved at a time: what is wider than a byte then stays in the processor's cache."""

Planes = NDArray[np.uint8]
"""A shard's pixels as [channel, row, column], contiguous."""


def blank_planes(grid: ChunkGrid, channels: int, fill: int) -> Planes:
    """Return a shard of one value."""
    return np.full((channels, grid.shard_height, grid.shard_width), fill, np.uint8)


def halve(planes: Planes, out: Planes | None = None) -> Planes:
    """Average each 2×2 pixels, rounding halves up.

    Two neighbouring bytes of a row are one 16-bit number: their sum is its low plus its high
    byte, so a whole row is added in 16-bit lanes and nothing is ever wider.

    Parameters
    ----------
    planes
        uint8 [channel, row, column], both lengths even, contiguous.
    out
        Where to put the result: of its shape, with any strides.

    Returns
    -------
    uint8 [channel, row / 2, column / 2]
    """
    channels, height, width = planes.shape
    halved = np.empty((channels, height // 2, width // 2), np.uint8) if out is None else out
    pairs = planes.view("<u2")
    # Made once: at these sizes memory fresh from the system costs as much as the arithmetic.
    room = np.empty((2, channels, min(SLAB_ROWS, height), width // 2), np.uint16)
    for top in range(0, height, SLAB_ROWS):
        slab = pairs[:, top : top + SLAB_ROWS]
        sums, high = room[:, :, : slab.shape[1]]
        np.bitwise_and(slab, 0xFF, out=sums)
        sums += np.right_shift(slab, 8, out=high)
        quads = np.add(sums[:, 0::2], sums[:, 1::2], out=high[:, : slab.shape[1] // 2])
        quads += 2
        quads >>= 2
        halved[:, top // 2 : (top + SLAB_ROWS) // 2] = quads
    return halved


def repeat_edges(planes: Planes, grid: ChunkGrid, region: Region) -> None:
    """Repeat the array's last column and row once where an odd length ends inside the pixels.

    Halving then averages, at that edge, only pixels that exist. ``region`` is where ``planes`` lie
    in the array. Works in place.
    """
    width, height = grid.width - region.x, grid.height - region.y
    if 0 < width < region.width and width % 2:
        planes[:, :, width] = planes[:, :, width - 1]
    if 0 < height < region.height and height % 2:
        planes[:, height] = planes[:, height - 1]


class FinishedShard(NamedTuple):
    """A shard of a coarser level that has all its pixels."""

    level: int
    shard: Shard
    quarters: dict[tuple[int, int], Planes]
    """Those that are not blank, by (column, row)."""
    fill: int
    """Value of the others."""

    def pixels(self, part: Region, out: Planes) -> Planes:
        """Put a part of the shard, in pixels from its corner, into ``out`` and return that."""
        out.fill(self.fill)
        for (column, row), quarter in self.quarters.items():
            _, height, width = quarter.shape
            x, y = column * width - part.x, row * height - part.y
            paste(out.transpose(1, 2, 0), quarter.transpose(1, 2, 0), x, y)
        return out


class Accumulator:
    """Gathers halved shards until the coarser shard above them is complete.

    Fed in Morton order it holds at most a few shards a level, whatever the slide's size. Safe to
    call from several threads.

    Parameters
    ----------
    levels
        All levels of the store, finest first.
    channels
        Channels of the pixels.
    fill
        Value of the pixels nobody planned.
    """

    def __init__(self, levels: tuple[PyramidLevel, ...], *, channels: int, fill: int) -> None:
        self._levels = levels
        self._channels = channels
        self._fill = fill
        self._wanted = [{(s.column, s.row): s for s in level.shards} for level in levels]
        self._missing = [
            Counter((s.column // 2, s.row // 2) for s in level.shards) for level in levels
        ]
        self._growing: defaultdict[tuple[int, int, int], dict[tuple[int, int], Planes]] = (
            defaultdict(dict)
        )
        self._lock = threading.Lock()

    @property
    def waiting(self) -> int:
        """The number of coarser shards that wait for pixels."""
        return len(self._growing)

    def quarter(self, level: int, shard: Shard) -> Planes | None:
        """Return where the halving of a shard is to be put, or None at the coarsest level.

        That is its quarter of the shard above, of which the rest belongs to other shards; blank
        where this one has no pixels.
        """
        above = level + 1
        if above == len(self._levels):
            return None
        grid = self._levels[above].grid
        shape = self._channels, grid.shard_height // 2, grid.shard_width // 2
        quarter = np.full(shape, self._fill, np.uint8)
        with self._lock:
            growing = self._growing[above, shard.column // 2, shard.row // 2]
            growing[shard.column % 2, shard.row % 2] = quarter
        return quarter

    def finish(self, level: int, shard: Shard) -> FinishedShard | None:
        """Note that a shard's `quarter` is filled; return the shard above if it is complete."""
        above, key = level + 1, (shard.column // 2, shard.row // 2)
        if above == len(self._levels):
            return None
        with self._lock:
            self._missing[level][key] -= 1
            if self._missing[level][key]:
                return None
            quarters = self._growing.pop((above, *key))
        return FinishedShard(above, self._wanted[above][key], quarters, self._fill)

    def add(self, level: int, shard: Shard, planes: Planes) -> FinishedShard | None:
        """Halve a finished shard at once; return the shard above once it is complete.

        ``planes`` are used up: their pixels outside the array may change.
        """
        quarter = self.quarter(level, shard)
        if quarter is not None:
            grid = self._levels[level].grid
            repeat_edges(planes, grid, grid.shard_region(shard))
            halve(planes, out=quarter)
        return self.finish(level, shard)

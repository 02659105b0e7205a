"""The coarser levels of an encoded store: each the exact halving of the one before it.

Pixels travel as blocks: uint8 [chunk row, chunk column, channel, row, column], a shard cut into
its planar chunks. Cutting and splitting the colours is then one copy, every chunk is contiguous
for its encoder, and halving runs over whole rows of one colour.
"""

import threading
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from slidetile.geometry import Region
from slidetile.layout import Grid, Shard
from slidetile.slide import Pixels

Block = NDArray[np.uint8]
"""A shard's pixels as [chunk row, chunk column, channel, row, column]."""


def to_block(pixels: Pixels, grid: Grid) -> Block:
    """Cut a shard's pixels into planar chunks, with a single copy."""
    channels = pixels.shape[2]
    cut = pixels.reshape(
        grid.chunks_down, grid.chunk_height, grid.chunks_across, grid.chunk_width, channels
    )
    return np.ascontiguousarray(cut.transpose(0, 2, 4, 1, 3))


def blank_block(grid: Grid, channels: int, fill: int) -> Block:
    """Return a block of one value."""
    shape = (grid.chunks_down, grid.chunks_across, channels, grid.chunk_height, grid.chunk_width)
    return np.full(shape, fill, np.uint8)


def halve(block: Block) -> NDArray[np.uint8]:
    """Average each 2×2 pixels, rounding halves up.

    Two neighbouring bytes of a row are one 16-bit number: their sum is its low plus its high
    byte, so a whole row is added in 16-bit lanes and nothing is ever wider.

    Parameters
    ----------
    block
        uint8 [..., row, column], both lengths even, contiguous.

    Returns
    -------
    uint8 [..., row / 2, column / 2]
    """
    pairs = block.view("<u2")
    sums = pairs & 0xFF
    sums += pairs >> 8
    quads = sums[..., 0::2, :] + sums[..., 1::2, :]
    quads += 2
    quads >>= 2
    return quads.astype(np.uint8)


def repeat_edges(block: Block, grid: Grid, shard: Shard) -> None:
    """Repeat the array's last column and row once where an odd length ends inside the shard.

    Halving then averages, at that edge, only pixels that exist. Works in place.
    """
    region = grid.shard_region(shard)
    inside_width, inside_height = grid.width - region.x, grid.height - region.y
    if inside_width < region.width and inside_width % 2:
        chunk, column = divmod(inside_width, grid.chunk_width)
        block[:, chunk, :, :, column] = block[:, chunk, :, :, column - 1]
    if inside_height < region.height and inside_height % 2:
        chunk, row = divmod(inside_height, grid.chunk_height)
        block[chunk, :, :, row, :] = block[chunk, :, :, row - 1, :]


@dataclass(frozen=True, slots=True, kw_only=True)
class PyramidLevel:
    """One level of a store: how it is cut, and what of it is wanted."""

    grid: Grid
    """How the level's array is cut into shards and chunks."""

    shards: tuple[Shard, ...]
    """The wanted shards, in row-major order."""

    downsample: tuple[float, float] = (1.0, 1.0)
    """Level-0 pixels per pixel of this level, as (x, y)."""


def halved_levels(grid: Grid, needed: NDArray[np.bool_]) -> tuple[PyramidLevel, ...]:
    """Return all levels of an encoded store, down to the first that fits into one shard.

    Parameters
    ----------
    grid
        The finest level.
    needed
        Its wanted chunks, bool [chunk row, chunk column].
    """
    levels = [PyramidLevel(grid=grid, shards=tuple(grid.shards_for(needed)))]
    while grid.shard_columns * grid.shard_rows > 1:
        grid = replace(grid, width=-(-grid.width // 2), height=-(-grid.height // 2))
        needed = grid.chunks_for(_halved_regions(levels[-1].shards, grid))
        shards = tuple(grid.shards_for(needed))
        scale = float(1 << len(levels))
        levels.append(PyramidLevel(grid=grid, shards=shards, downsample=(scale, scale)))
    return tuple(levels)


def _halved_regions(shards: Iterable[Shard], coarser: Grid) -> Iterable[Region]:
    """Yield where each shard's pixels lie at the next coarser level, within the array."""
    width, height = coarser.shard_width // 2, coarser.shard_height // 2
    for shard in shards:
        x, y = shard.column * width, shard.row * height
        yield Region.from_edges(
            x, y, min(x + width, coarser.width), min(y + height, coarser.height)
        )


class FinishedShard(NamedTuple):
    """A shard of a coarser level that has all its pixels."""

    level: int
    shard: Shard
    block: Block


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
        self._growing: dict[tuple[int, int, int], Block] = {}
        self._lock = threading.Lock()

    @property
    def waiting(self) -> int:
        """The number of coarser shards that wait for pixels."""
        return len(self._growing)

    def add(self, level: int, shard: Shard, block: Block) -> FinishedShard | None:
        """Place the halving of a finished shard; return the shard above once it is complete.

        ``block`` is used up: its pixels outside the array may change.
        """
        above, key = level + 1, (shard.column // 2, shard.row // 2)
        if above == len(self._levels):
            return None
        repeat_edges(block, self._levels[level].grid, shard)
        half = halve(block)
        with self._lock:
            growing = self._growing.get((above, *key))
            if growing is None:
                growing = blank_block(self._levels[above].grid, self._channels, self._fill)
                self._growing[above, *key] = growing
            _place(growing, half, shard)
            self._missing[level][key] -= 1
            if self._missing[level][key]:
                return None
            del self._growing[above, *key]
        return FinishedShard(above, self._wanted[above][key], growing)


def _place(above: Block, half: Block, shard: Shard) -> None:
    """Copy a halved shard into its quarter of the shard above."""
    down, across, _, height, width = half.shape
    for i, j in np.ndindex(down, across):
        y = (shard.row % 2 * down + i) * height
        x = (shard.column % 2 * across + j) * width
        (row, top), (column, left) = divmod(y, 2 * height), divmod(x, 2 * width)
        above[row, column, :, top : top + height, left : left + width] = half[i, j]

"""The levels of a store."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from slidetile.format.layout import ChunkGrid, Shard
from slidetile.raster.region import Region


@dataclass(frozen=True, slots=True, kw_only=True)
class PyramidLevel:
    """One level of a store: how it is cut, and which shards are wanted."""

    grid: ChunkGrid
    """How the level's array is cut into shards and chunks."""

    shards: tuple[Shard, ...]
    """The wanted shards, in row-major order."""

    downsample: tuple[float, float] = (1.0, 1.0)
    """Level-0 pixels per pixel of this level, as (x, y)."""

    @property
    def needed(self) -> NDArray[np.bool_]:
        """The chunks of the wanted shards, as bool [chunk row, chunk column]."""
        needed = np.zeros((self.grid.chunk_rows, self.grid.chunk_columns), np.bool_)
        for shard in self.shards:
            columns, rows = self.grid.chunk_cells(shard).T
            needed[rows, columns] = True
        return needed


def halved_levels(grid: ChunkGrid, needed: NDArray[np.bool_]) -> tuple[PyramidLevel, ...]:
    """Return all levels of an encoded store, down to the first that fits into one shard.

    Parameters
    ----------
    grid
        The finest level.
    needed
        Its wanted chunks, bool [chunk row, chunk column].
    """
    finest, *coarser = halvings(grid)
    levels = [PyramidLevel(grid=finest, shards=tuple(finest.shards_for(needed)))]
    for each in coarser:
        shards = each.shards_for(each.chunks_for(_halved_regions(levels[-1].shards, each)))
        scale = float(1 << len(levels))
        levels.append(PyramidLevel(grid=each, shards=tuple(shards), downsample=(scale, scale)))
    return tuple(levels)


def halvings(grid: ChunkGrid) -> Iterator[ChunkGrid]:
    """Yield how the levels of an encoded store are cut, finest first."""
    yield grid
    while grid.shard_columns * grid.shard_rows > 1:
        grid = replace(grid, width=-(-grid.width // 2), height=-(-grid.height // 2))
        yield grid


def _halved_regions(shards: Iterable[Shard], coarser: ChunkGrid) -> Iterable[Region]:
    """Yield the pixels of each shard at the next coarser level, within the array."""
    width, height = coarser.shard_width // 2, coarser.shard_height // 2
    for shard in shards:
        x, y = shard.column * width, shard.row * height
        yield Region.from_edges(
            x, y, min(x + width, coarser.width), min(y + height, coarser.height)
        )

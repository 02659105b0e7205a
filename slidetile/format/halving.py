"""The coarser levels of an encoded store: each is the exact halving of the finer one.

Pixels travel as planes: uint8 [channel, row, column]. That is the axis order of the store, and
halving runs over whole rows of one colour.
"""

import threading
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from slidetile.format.layout import ChunkGrid, Shard
from slidetile.format.pyramid import PyramidLevel
from slidetile.raster.pixels import paste
from slidetile.raster.region import Region

SLAB_ROWS = 128
"""Rows halved at a time: 16-bit sums then stay in the processor's cache."""

Planes = NDArray[np.uint8]
"""Pixels of a shard or a chunk as [channel, row, column], contiguous."""

Cell = tuple[int, int]
"""(column, row) of a shard in its level, or of a quarter in its shard."""


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


class CoarserShard(NamedTuple):
    """A shard of a coarser level that has all its pixels, to be stored."""

    level: int
    shard: Shard
    grid: ChunkGrid
    """How its level is cut."""
    quarters: dict[tuple[int, int], Planes]
    """The quarters that a finer shard has filled, by (column, row)."""
    fill: int
    """Value of the pixels of the other quarters."""

    def pixels(self, part: Region, out: Planes) -> Planes:
        """Put a part of the shard, in pixels from its corner, into ``out`` and return that."""
        out.fill(self.fill)
        for (column, row), quarter in self.quarters.items():
            _, height, width = quarter.shape
            x, y = column * width - part.x, row * height - part.y
            paste(out.transpose(1, 2, 0), quarter.transpose(1, 2, 0), x, y)
        return out

    def chunks(self, out: Planes) -> Iterator[tuple[int, Planes]]:
        """Yield (place, pixels) of each wanted chunk; all in ``out``, one after another."""
        for place in self.shard.chunks:
            yield place, self.pixels(self.grid.chunk_within_shard(place), out)


Chunks = Iterable[tuple[int, Planes]]
"""(place, pixels) of a shard's chunks, with the pixels that their stored bytes decode to. Each is
used before the next one is made, which may lie in the same memory."""

AsStored = Callable[[CoarserShard], Chunks]
"""Stores a coarser shard, and returns its chunks as stored."""


class Accumulator:
    """Gathers halved shards until the coarser shard above them is complete.

    Fed in Morton order, it holds at most a few shards per level, whatever the slide's size. Several
    threads may call it.

    Parameters
    ----------
    levels
        All levels of the store, finest first.
    channels
        Channels of the pixels.
    fill
        Value of the pixels outside the plan.
    """

    def __init__(self, levels: Sequence[PyramidLevel], *, channels: int, fill: int) -> None:
        self._grids = [level.grid for level in levels]
        self._channels = channels
        self._fill = fill
        self._wanted = [{(s.column, s.row): s for s in level.shards} for level in levels]
        self._missing = [Counter(_above(shard) for shard in level.shards) for level in levels]
        self._growing: defaultdict[tuple[int, Cell], dict[Cell, Planes]] = defaultdict(dict)
        self._lock = threading.Lock()

    @property
    def waiting(self) -> int:
        """The number of coarser shards that wait for pixels."""
        return len(self._growing)

    def add(self, level: int, shard: Shard, chunks: Chunks, as_stored: AsStored) -> None:
        """Halve a shard, then every coarser shard that it completes.

        Chunks are halved one by one, each while it is in the processor's cache. Each level halves
        the finer one as stored, so that a continued run, which has nothing else, writes the same
        bytes.

        Parameters
        ----------
        level, shard
            Which shard it is.
        chunks
            Its chunks; their pixels outside the array may be changed. Where a chunk is missing, the
            coarser level has the fill value.
        as_stored
            Called with each coarser shard as soon as it is complete, finest first.
        """
        coarser = self._halve(level, shard, chunks)
        while coarser is not None:
            coarser = self._halve(coarser.level, coarser.shard, as_stored(coarser))

    def _halve(self, level: int, shard: Shard, chunks: Chunks) -> CoarserShard | None:
        """Halve a shard; return the one above it if that is complete."""
        if level + 1 == len(self._grids):
            deque(chunks, maxlen=0)
            return None
        grid = self._grids[level]
        shape = self._channels, grid.shard_height // 2, grid.shard_width // 2
        quarter = np.full(shape, self._fill, np.uint8)
        for place, chunk in chunks:
            repeat_edges(chunk, grid, grid.chunk_region(*grid.chunk_cell(shard, place)))
            rows, columns = grid.chunk_within_shard(place).rescaled((2, 2), (1, 1)).slices
            halve(chunk, out=quarter[:, rows, columns])
        return self._enter(level, shard, quarter)

    def _enter(self, level: int, shard: Shard, quarter: Planes) -> CoarserShard | None:
        """Put a quarter into the shard above it; return that if it is complete."""
        above, cell = level + 1, _above(shard)
        with self._lock:
            self._growing[above, cell][shard.column % 2, shard.row % 2] = quarter
            self._missing[level][cell] -= 1
            if self._missing[level][cell]:
                return None
            quarters = self._growing.pop((above, cell))
        wanted = self._wanted[above][cell]
        return CoarserShard(above, wanted, self._grids[above], quarters, self._fill)


def _above(shard: Shard) -> Cell:
    """Return the (column, row) of the coarser shard that a shard is a quarter of."""
    return shard.column // 2, shard.row // 2

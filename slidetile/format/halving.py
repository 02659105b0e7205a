"""The coarser levels of an encoded store: each is the exact halving of the finer one.

Pixels are [row, column, channel]. In memory they lie as the codec wants them: plane after plane, or
interleaved; halving keeps that.
"""

import threading
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from slidetile.format.codecs.codec import UINT8
from slidetile.format.layout import ChunkGrid, Shard
from slidetile.format.pyramid import PyramidLevel
from slidetile.raster.block_means import halve
from slidetile.raster.pixels import Pixels, empty_pixels, paste
from slidetile.raster.region import Region

Cell = tuple[int, int]
"""(column, row) of a shard in its level, or of a quarter in its shard."""


def repeat_edges(pixels: Pixels, grid: ChunkGrid, region: Region) -> None:
    """Repeat the array's last column and row once where an odd length ends inside the pixels.

    Halving then averages, at that edge, only pixels that exist. ``region`` is where ``pixels`` lie
    in the array. Works in place.
    """
    width, height = grid.width - region.x, grid.height - region.y
    if 0 < width < region.width and width % 2:
        pixels[:, width] = pixels[:, width - 1]
    if 0 < height < region.height and height % 2:
        pixels[height] = pixels[height - 1]


class CoarserShard(NamedTuple):
    """A shard of a coarser level that has all its pixels, to be stored."""

    level: int
    shard: Shard
    grid: ChunkGrid
    """How its level is cut."""
    quarters: dict[tuple[int, int], Pixels]
    """The quarters that a finer shard has filled, by (column, row)."""
    fill: int
    """Value of the pixels of the other quarters."""

    def pixels(self, part: Region, out: Pixels) -> Pixels:
        """Put a part of the shard, in pixels from its corner, into ``out`` and return that."""
        out.fill(self.fill)
        for (column, row), quarter in self.quarters.items():
            height, width, _ = quarter.shape
            paste(out, quarter, column * width - part.x, row * height - part.y)
        return out

    def chunks(self, out: Pixels) -> Iterator[tuple[int, Pixels]]:
        """Yield (place, pixels) of each wanted chunk; all in ``out``, one after another."""
        for place in self.shard.chunks:
            yield place, self.pixels(self.grid.chunk_within_shard(place), out)


Chunks = Iterable[tuple[int, Pixels]]
"""(place, pixels) of a shard's chunks. Each is used before the next one is made, which may lie in
the same memory."""

Take = Callable[[CoarserShard], Chunks]
"""Takes a coarser shard, and returns its chunks, to be halved in turn."""


NoteQuarter = Callable[[int, Shard, Pixels], None]
"""Takes the level of a shard, the shard, and its halved pixels."""


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
    planar
        Whether chunks lie in memory plane after plane.
    dtype
        Type of the samples.
    """

    def __init__(
        self,
        levels: Sequence[PyramidLevel],
        *,
        channels: int,
        fill: int,
        planar: bool,
        dtype: np.dtype[Any] = UINT8,
    ) -> None:
        self._dtype = dtype
        self._grids = [level.grid for level in levels]
        self._channels = channels
        self._fill = fill
        self._planar = planar
        self._wanted = [{(s.column, s.row): s for s in level.shards} for level in levels]
        self._missing = [Counter(_above(shard) for shard in level.shards) for level in levels]
        self._growing: defaultdict[tuple[int, Cell], dict[Cell, Pixels]] = defaultdict(dict)
        self._lock = threading.Lock()
        self._note: NoteQuarter | None = None

    def note_quarters(self, note: "NoteQuarter") -> None:
        """Have each halved shard noted, in the thread that halves it."""
        self._note = note

    @property
    def waiting(self) -> int:
        """The number of coarser shards that wait for pixels."""
        return len(self._growing)

    def add(self, level: int, shard: Shard, chunks: Chunks, take: Take) -> None:
        """Halve a shard, then every coarser shard that it completes.

        Chunks are halved one by one, each while it is in the processor's cache.

        Parameters
        ----------
        level, shard
            Which shard it is.
        chunks
            Its chunks; their pixels outside the array may be changed. Where a chunk is missing, the
            coarser level has the fill value.
        take
            Called with each coarser shard as soon as it is complete, finest first.
        """
        coarser = self._halve(level, shard, chunks)
        while coarser is not None:
            coarser = self._halve(coarser.level, coarser.shard, take(coarser))

    def add_halved(self, level: int, shard: Shard, quarter: Pixels, take: Take) -> None:
        """Add a shard that has been halved before, as `add` does; ``quarter`` are its pixels."""
        coarser = self._enter(level, shard, quarter)
        while coarser is not None:
            coarser = self._halve(coarser.level, coarser.shard, take(coarser))

    def halved_pixels(self, level: int) -> Pixels:
        """Return new memory for a shard of a level that has been halved."""
        grid = self._grids[level]
        shape = grid.shard_height // 2, grid.shard_width // 2, self._channels
        return empty_pixels(shape, planar=self._planar, dtype=self._dtype)

    def _halve(self, level: int, shard: Shard, chunks: Chunks) -> CoarserShard | None:
        """Halve a shard; return the one above it if that is complete."""
        if level + 1 == len(self._grids):
            deque(chunks, maxlen=0)
            return None
        grid = self._grids[level]
        quarter = self.halved_pixels(level)
        quarter.fill(self._fill)
        for place, chunk in chunks:
            repeat_edges(chunk, grid, grid.chunk_region(*grid.chunk_cell(shard, place)))
            halve(
                chunk, out=quarter[grid.chunk_within_shard(place).rescaled((2, 2), (1, 1)).slices]
            )
        return self._enter(level, shard, quarter)

    def _enter(self, level: int, shard: Shard, quarter: Pixels) -> CoarserShard | None:
        """Put a quarter into the shard above it; return that if it is complete."""
        if self._note is not None:
            self._note(level, shard, quarter)
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

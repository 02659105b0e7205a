"""The levels of a plain pyramid: which are a store's own, which are halved, and where they are."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from slidetile.format.layout import ChunkGrid
from slidetile.raster.region import Region
from slidetile.store.store import TileStore

CHUNK_PX = 512
"""Side of a chunk."""

Size = tuple[int, int]


@dataclass(frozen=True, slots=True)
class PlainLevel:
    """One level: half as large as the finer one."""

    number: int
    """Its number, from 0."""

    width: int
    """Columns."""

    height: int
    """Rows."""

    source: int | None
    """The store's level that it is; None where it is halved."""

    is_there: NDArray[np.bool_]
    """Which of its chunks have pixels, as [chunk row, chunk column]."""

    @property
    def size(self) -> Size:
        """(width, height)."""
        return self.width, self.height

    def region(self, column: int, row: int) -> Region:
        """Return the part of a chunk inside the level; the chunk is one of it."""
        x, y = column * CHUNK_PX, row * CHUNK_PX
        width, height = min(CHUNK_PX, self.width - x), min(CHUNK_PX, self.height - y)
        return Region(x=x, y=y, width=width, height=height)


def plain_levels(store: TileStore) -> list[PlainLevel]:
    """Return the levels of a store's pyramid, finest first, down to one of a single chunk."""
    own = dict(_own_levels(store))
    levels: list[PlainLevel] = []
    for number, size in enumerate(_halved(store.levels[0].size)):
        source = own.get(number)
        if source is None:
            is_there = _halved_presence(levels[-1].is_there)
        else:
            is_there = _presence(store, source, size)
        levels.append(PlainLevel(number, *size, source, is_there))
    return levels


def _halved(size: Size) -> Iterator[Size]:
    yield size
    while max(size) > CHUNK_PX:
        size = (size[0] + 1) // 2, (size[1] + 1) // 2
        yield size


def _own_levels(store: TileStore) -> Iterator[tuple[int, int]]:
    """Yield (level, the store's level that it is): those with pixels of 1, 2, 4, … to a side."""
    for number, level in enumerate(store.levels):
        x, y = level.downsample
        if x == y and x == int(x) and not int(x) & (int(x) - 1):
            yield int(x).bit_length() - 1, number


def _presence(store: TileStore, number: int, size: Size) -> NDArray[np.bool_]:
    """Return which chunks of a level of this size meet stored chunks of a store's level."""
    grid, whole = store.grids[number], store.levels[0].size
    needed = _needed(store, grid, whole)
    total = np.pad(needed.astype(np.int64).cumsum(0).cumsum(1), ((1, 0), (1, 0)))
    top, bottom = _spans(size[1], grid.chunk_height, grid.chunk_rows)
    left, right = _spans(size[0], grid.chunk_width, grid.chunk_columns)
    met = total[np.ix_(bottom, right)] - total[np.ix_(top, right)]
    met -= total[np.ix_(bottom, left)] - total[np.ix_(top, left)]
    is_met: NDArray[np.bool_] = np.greater(met, 0)
    return is_met


def _spans(length: int, stored_px: int, most: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return for each chunk along an axis the first stored chunk that it meets, and the next."""
    starts = np.arange(-(-length // CHUNK_PX)) * CHUNK_PX
    ends = np.minimum(starts + CHUNK_PX, length)
    return np.minimum(starts // stored_px, most), np.minimum(-(-ends // stored_px), most)


def _needed(store: TileStore, grid: ChunkGrid, whole: Size) -> NDArray[np.bool_]:
    """Return which chunks of a store's level its tiles need."""
    names = ("x", "y", "width", "height")
    columns = (store.tiles[name].to_numpy().tolist() for name in names)
    regions = (Region(x=x, y=y, width=w, height=h) for x, y, w, h in zip(*columns, strict=True))
    if grid.size == whole:
        return grid.chunks_for(regions)
    frame = Region(x=0, y=0, width=grid.width, height=grid.height)
    scaled = (region.rescaled(whole, grid.size).intersection(frame) for region in regions)
    return grid.chunks_for(region for region in scaled if region is not None)


def _halved_presence(finer: NDArray[np.bool_]) -> NDArray[np.bool_]:
    rows, columns = finer.shape
    padded = np.pad(finer, ((0, rows % 2), (0, columns % 2)))
    coarse = np.zeros(((rows + 1) // 2, (columns + 1) // 2), np.bool_)
    for down, across in np.ndindex(2, 2):
        coarse |= padded[down::2, across::2]
    return coarse

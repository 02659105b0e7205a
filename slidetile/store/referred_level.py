"""A level of the slide that a store without pixels refers to: its blocks are the store's chunks.

Knows slides and grids. Does not know files.
"""

import functools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from slidetile.errors import DamagedPixelsError
from slidetile.format.codecs.reference import ReferenceCodec
from slidetile.format.layout import ChunkGrid, Shard
from slidetile.format.metadata.array import LARGEST_CHUNK_BYTES
from slidetile.raster.pixels import Pixels
from slidetile.raster.region import Region
from slidetile.runtime.threads import map_in_order
from slidetile.slides.replaced import Replaced
from slidetile.slides.slide import Slide

_SQUARE_PX = 512
"""Side of a chunk where the slide has no tiles, or no usual ones."""

_SIDES_PX = range(64, 2049)
"""Sides of tiles that become chunks, where they are decoded and not copied."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferredLevel:
    """A level of a slide, cut into chunks."""

    slide: Slide
    """The slide, as its file has it."""

    number: int
    """Which of its levels it is."""

    grid: ChunkGrid
    """How it is cut. Each chunk is by itself: none of them is in a file."""

    @classmethod
    def of(cls, slide: Slide, number: int) -> "ReferredLevel":
        """Return a level, cut into the slide's own tiles, or into squares."""
        width, height = _chunk_size(slide, number)
        across, down = slide.levels[number].size
        grid = ChunkGrid(
            width=across,
            height=down,
            chunk_width=width,
            chunk_height=height,
            chunks_across=1,
            chunks_down=1,
        )
        return cls(slide=slide, number=number, grid=grid)

    def needed(self, regions: Sequence[Region]) -> NDArray[np.bool_]:
        """Return which chunks hold part of any region; see `needed_chunks`."""
        return needed_chunks(self.slide, self.number, self.grid, regions)

    def shards(self, regions: Sequence[Region]) -> list[Shard]:
        """Return the needed chunks, each as the shard that it would be."""
        return self.grid.shards_for(self.needed(regions))

    def read(self, cell: tuple[int, int], replaced: Replaced | None = None) -> Pixels:
        """Return the pixels of a chunk that lie inside the level, [row, column, channel].

        Blocks of a coarser level that are empty or damaged are averaged from the finer level, as in
        a `native` store, and noted in ``replaced``, or else in the slide's own.

        Raises
        ------
        DamagedPixelsError
            Part of a chunk of level 0 does not decode.
        SlideReadError
            The slide's file could not be read.
        """
        frame = Region(x=0, y=0, width=self.grid.width, height=self.grid.height)
        part = self.grid.chunk_region(*cell).intersection(frame)
        assert part is not None, "a chunk meets its level"
        if self.number:
            return self.slide.fetch_shown(part, level=self.number, replaced=replaced).pixels()
        return self.slide.read_region(part)

    def payloads(
        self, shards: Sequence[Shard], *, workers: int, replaced: Replaced | None = None
    ) -> Iterator[bytes | DamagedPixelsError]:
        """Yield the pixels of chunks as payloads, read by several threads; of damaged ones errors.

        What of a chunk lies outside the level is 0.

        Raises
        ------
        SlideReadError
            The slide's file could not be read.
        """
        read = functools.partial(self._payload, replaced)
        yield from map_in_order(read, shards, workers=workers)

    def _payload(self, replaced: Replaced | None, shard: Shard) -> bytes | DamagedPixelsError:
        try:
            pixels = self.read((shard.column, shard.row), replaced)
        except DamagedPixelsError as error:
            return error
        height, width, channels = pixels.shape
        whole = np.zeros((self.grid.chunk_height, self.grid.chunk_width, channels), pixels.dtype)
        whole[:height, :width] = pixels
        return ReferenceCodec().encode(whole)


def _chunk_size(slide: Slide, level: int) -> tuple[int, int]:
    native = slide.native_tiles(level)
    if native is not None:
        return native.tile_width_px, native.tile_height_px
    width, height = slide.levels[level].tile_width_px, slide.levels[level].tile_height_px
    if width is None or height is None or width not in _SIDES_PX or height not in _SIDES_PX:
        return _SQUARE_PX, _SQUARE_PX
    is_small = width * height * slide.channels * slide.dtype.itemsize <= LARGEST_CHUNK_BYTES
    return (width, height) if is_small else (_SQUARE_PX, _SQUARE_PX)


def needed_chunks(
    slide: Slide, level: int, grid: ChunkGrid, regions: Sequence[Region]
) -> NDArray[np.bool_]:
    """Return which chunks of a slide's level hold part of any region.

    Regions are tiles, of which a few rows and columns make many: their edges are carried over to
    the level once, for the first tile that has them.

    Parameters
    ----------
    slide, level
        The level.
    grid
        How it is cut.
    regions
        In level-0 pixels, within the slide.

    Returns
    -------
    bool array [chunk row, chunk column]
    """
    rows: dict[tuple[int, int], slice] = {}
    columns: dict[tuple[int, int], slice] = {}
    needed = np.zeros((grid.chunk_rows, grid.chunk_columns), np.bool_)
    for region in regions:
        row, column = (region.y, region.height), (region.x, region.width)
        if row not in rows or column not in columns:
            span = grid.chunk_span(slide.level_region(region, level))
            rows[row], columns[column] = span.slices
        needed[rows[row], columns[column]] = True
    return needed

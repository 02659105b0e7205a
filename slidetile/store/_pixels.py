"""The pixels of an open store: regions of its levels, and the chunks they are stored in.

Knows levels and chunks. Does not know tiles.
"""

import functools
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from slidetile.choices import ColorName, check_color
from slidetile.format.layout import ChunkGrid
from slidetile.format.names import shard_of
from slidetile.raster.pixels import Pixels, sample_of
from slidetile.raster.region import Region
from slidetile.raster.srgb import SrgbTransform
from slidetile.store._chunked import ChunkedArray
from slidetile.store._facts import StoreFacts
from slidetile.store._srgb import srgb_transform

if TYPE_CHECKING:
    import zarr


class StorePixels(StoreFacts):
    """An open store with its pixels. `TileStore` is made of it."""

    @property
    def zarr(self) -> "zarr.Group":
        """The store as zarr-python opens it; what was stored and is not there raises StoreError."""
        from slidetile.store._zarr_group import open_group

        self._folder.check()
        return open_group(self._folder, self._check_key)

    def read_region(
        self, region: Region, *, level: int = 0, color: ColorName | None = None
    ) -> Pixels:
        """Read any region of a level.

        Parameters
        ----------
        region
            In level-0 pixels, whatever the level. What is not stored, or lies outside the slide,
            has the background's colour.
        level
            The level to read from.
        color
            "srgb" converts the pixels by the slide's colour profile, where it has one and they are
            not converted already; None returns them as they are stored.

        Returns
        -------
        array [row, column, channel]
            Of the store's dtype. At level 0 of the region's height and width; at a coarser level
            the pixels that cover the region, rounded outward.

        Raises
        ------
        StoreError
            A chunk is damaged, or is not there though it was stored; or the store was replaced or
            deleted since it was opened; or its colour profile cannot be applied.
        IndexError
            The store has no level of this number.
        ValueError
            ``color`` is unknown.
        """
        array, transform = self._arrays[level], self._transform(color)
        at_level = region.rescaled(self._covered_size(level), array.grid.size)
        pixels: Pixels = array.read(at_level, self._outside)
        return pixels if transform is None else transform.convert(pixels, pixels)

    def read_chunk(self, column: int, row: int, *, level: int = 0) -> Pixels | None:
        """Read one chunk of a level, whole: the unit in which a store is stored.

        Parameters
        ----------
        column, row
            Its place; chunks have the size of the level's ``tile_width_px`` × ``tile_height_px``,
            and those at the right and bottom reach over the level.
        level
            The level.

        Returns
        -------
        array [row, column, channel], or None
            None where nothing is stored and need not be.

        Raises
        ------
        StoreError
            As in `read_region`.
        IndexError
            There is no such level or chunk.
        """
        return self._array_with(column, row, level).chunk(column, row)

    def read_chunk_bytes(self, column: int, row: int, *, level: int = 0) -> bytes | None:
        """Read one chunk of a level as its codec made it, undecoded: of native and jpeg a JPEG.

        As `read_chunk`. Of the codec reference, which stores none, always None.
        """
        return self._array_with(column, row, level).payload(column, row)

    def stored_chunks(self, level: int) -> Iterator[tuple[int, int]]:
        """Yield the (column, row) of each chunk of a level that is there, shard by shard.

        In a shard they have the order of its file, so that reading them so reads it from its
        beginning to its end.

        Raises
        ------
        StoreError
            A chunk that was stored is not there, a shard is damaged, or the store was replaced.
        IndexError
            There is no such level.
        """
        array, covered = self._arrays[level], self._covered_size(level)
        grid = array.grid
        at_level = (region.rescaled(covered, grid.size) for region in self._tiles.regions)
        frame = Region(x=0, y=0, width=grid.width, height=grid.height)
        inside = (region.intersection(frame) for region in at_level)
        needed = grid.chunks_for(region for region in inside if region is not None)
        for shard in grid.shards_for(needed):
            yield from array.stored_cells(shard.column, shard.row)

    def grid(self, level: int) -> ChunkGrid:
        """Return how a level is cut into chunks, and these are gathered into shards."""
        return self._arrays[level].grid

    def read_level_region(self, region: Region, *, level: int) -> Pixels:
        """Read a region that is given in pixels of its level; otherwise as `read_region`."""
        pixels: Pixels = self._arrays[level].read(region, self._outside)
        return pixels

    def _array_with(self, column: int, row: int, level: int) -> ChunkedArray[Any]:
        """Return the array of a level, which has a chunk in its grid."""
        array = self._arrays[level]
        columns, rows = array.grid.chunk_columns, array.grid.chunk_rows
        if not (0 <= column < columns and 0 <= row < rows):
            raise IndexError(
                f"Level {level} has {columns}×{rows} chunks, so there is none at column {column}, "
                f"row {row}."
            )
        return array

    def _transform(self, color: ColorName | None) -> SrgbTransform | None:
        check_color(color)
        return None if color is None else self._srgb

    @functools.cached_property
    def _srgb(self) -> SrgbTransform | None:
        return srgb_transform(self._metadata, self.path)

    def _check_key(self, key: str) -> None:
        """Make sure that nothing is missing from a shard of a level, given by its file."""
        self._folder.check()
        shard = shard_of(key)
        if shard is not None and shard[0] < len(self._arrays):
            level, column, row = shard
            self._arrays[level].check_shard(column, row)

    @property
    def _outside(self) -> tuple[int, ...]:
        """The samples of a pixel outside the slide; more channels have the last one's."""
        bits = self._metadata.bits
        return tuple(sample_of(part, bits) for part in self._metadata.background)

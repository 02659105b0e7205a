"""The rungs of a picture's ladder that are averaged from finer ones, where nothing is stored.

Knows rungs. Does not know what they are of.
"""

import functools
from dataclasses import dataclass

import numpy as np

from slidetile.raster.block_means import area_average
from slidetile.raster.region import Region
from slidetile.runtime.byte_cache import ByteCache
from slidetile.viewer.pictures.encoding import stripes
from slidetile.viewer.pictures.rungs import DamagedTileError, OverviewRung, Rung, Shown
from slidetile.viewer.pictures.zoom import ZoomLevel


@dataclass(frozen=True, eq=False)
class HalvedRung:
    """The level of half the size of another, averaged from its tiles when they are asked for."""

    finer: Rung
    """The other level."""

    cache: ByteCache[Shown]
    """Where tiles are kept, of which still coarser ones are made."""

    under: OverviewRung | None = None
    """What is seen where a part of a tile is not stored; None is white."""

    @functools.cached_property
    def level(self) -> ZoomLevel:
        """How it is cut."""
        return self.finer.level.halved

    def pixels(self, column: int, row: int) -> Shown | None:
        """Return a tile; None where nothing of it is stored."""
        key = self, column, row
        found = self.cache.get(key)
        if found is None:
            found = self._made(column, row)
            if found is not None:
                self.cache.keep(key, found, found.nbytes)
        return found

    def as_stored(self, column: int, row: int) -> None:
        """Return None: it is made."""

    def _made(self, column: int, row: int) -> Shown | None:
        finer = self.finer.level
        inside = self.level.region(column, row)
        cells = [
            (x, y)
            for y in range(2 * row, min(2 * row + 2, finer.rows))
            for x in range(2 * column, min(2 * column + 2, finer.columns))
        ]
        parts = {cell: part for cell in cells if (part := self._part(*cell)) is not None}
        if not parts:
            return None
        right, bottom = min(2 * inside.right, finer.width), min(2 * inside.bottom, finer.height)
        whole = Region.from_edges(2 * inside.x, 2 * inside.y, right, bottom)
        canvas = self._under(whole, finer, max(part.shape[2] for part in parts.values()))
        for cell, part in parts.items():
            canvas[finer.region(*cell).relative_to(whole).slices] = part
        return area_average(canvas, 2)

    def _part(self, column: int, row: int) -> Shown | None:
        """Return a tile of the finer level, in the place of a damaged one what marks it."""
        try:
            return self.finer.pixels(column, row)
        except DamagedTileError:
            region = self.finer.level.region(column, row)
            return stripes(region.height, region.width)

    def _under(self, region: Region, level: ZoomLevel, channels: int) -> Shown:
        canvas = np.full((region.height, region.width, channels), 255, np.uint8)
        if self.under is not None:
            canvas[:] = self.under.stretched(region, level)
        return canvas

"""The rungs of a picture's ladder: each gives the tiles of one `ZoomLevel`.

Those of a slide and of an overview are here. Knows slides. Does not know why a level is wanted.
"""

import functools
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from slidetile.errors import SlideReadError, explain
from slidetile.raster.channels import Window, shown
from slidetile.raster.region import Region
from slidetile.slides.slide import Slide
from slidetile.viewer.pictures.encoding import EncodedTile
from slidetile.viewer.pictures.zoom import ZoomLevel

Shown = NDArray[np.uint8]
"""Pixels as people see them: uint8 [row, column, 1 or 3]."""

TILE_PX = 512
"""Side of a tile, where nothing suggests another."""


class DamagedTileError(Exception):
    """A tile of a picture cannot be shown, since its pixels are damaged; it says which, and why."""


class Rung(Protocol):
    """One level of a picture, tile by tile. Several threads may ask at once."""

    @property
    def level(self) -> ZoomLevel:
        """How it is cut."""
        ...

    def pixels(self, column: int, row: int) -> Shown | None:
        """Return the part of a tile inside the level; None where nothing is stored.

        Raises
        ------
        DamagedTileError
            Its pixels are damaged.
        StoreError
            The store was replaced or deleted.
        """
        ...

    def as_stored(self, column: int, row: int) -> EncodedTile | None:
        """Return a tile as it is stored, undecoded, which may reach over the level.

        None where it has to be encoded, or is not stored. Raises as `pixels` does.
        """
        ...


@dataclass(frozen=True, slots=True, eq=False)
class OverviewRung:
    """A whole slide as one small image, in memory."""

    image: Shown
    """What it shows."""

    level: ZoomLevel
    """How it is cut."""

    @classmethod
    def of(cls, image: Shown, downsample: tuple[float, float]) -> "OverviewRung":
        """Return the rung of an overview's image."""
        height, width = image.shape[:2]
        return cls(
            image,
            ZoomLevel(
                width=width,
                height=height,
                downsample=downsample,
                tile_width=TILE_PX,
                tile_height=TILE_PX,
            ),
        )

    def pixels(self, column: int, row: int) -> Shown:
        """Return a tile."""
        return self.image[self.level.region(column, row).slices]

    def as_stored(self, column: int, row: int) -> None:
        """Return None: it is not encoded."""

    def stretched(self, region: Region, level: ZoomLevel) -> Shown:
        """Return what lies under a region of another level, in its pixels."""
        from PIL import Image

        steps = [
            own / mine for own, mine in zip(level.downsample, self.level.downsample, strict=True)
        ]
        limits = self.level.width, self.level.height
        left, right = (min(x * steps[0], limits[0]) for x in (region.x, region.right))
        top, bottom = (min(y * steps[1], limits[1]) for y in (region.y, region.bottom))
        image = self.image[..., 0] if self.image.shape[2] == 1 else self.image
        picture = Image.fromarray(image).resize(
            (region.width, region.height),
            Image.Resampling.BILINEAR,
            (left, top, max(right, left + 1e-3), max(bottom, top + 1e-3)),
        )
        return np.atleast_3d(np.asarray(picture))


@dataclass(frozen=True, eq=False)
class SlideRung:
    """A level of a slide."""

    slide: Slide
    number: int
    windows: tuple[Window, ...] | None = None
    """Which values of each channel are shown; see `slidetile.raster.channels.shown`."""

    @functools.cached_property
    def level(self) -> ZoomLevel:
        """How it is cut: into whole native tiles, about 512 pixels wide and high."""
        own = self.slide.levels[self.number]
        return ZoomLevel(
            width=own.width,
            height=own.height,
            downsample=own.downsample,
            tile_width=_whole_tiles(own.tile_width_px),
            tile_height=_whole_tiles(own.tile_height_px),
        )

    def pixels(self, column: int, row: int) -> Shown:
        """Return a tile."""
        block = self.level.region(column, row)
        try:
            pixels = self.slide.read_block(block, level=self.number)
        except SlideReadError as error:
            raise DamagedTileError(explain(error)) from error
        return shown(pixels, self.slide.channel_info, self.slide.bits, self.windows)

    def as_stored(self, column: int, row: int) -> None:
        """Return None: slides are decoded."""


def _whole_tiles(tile_px: int | None) -> int:
    if tile_px is None or tile_px > 2 * TILE_PX:
        return TILE_PX
    return max(1, round(TILE_PX / tile_px)) * tile_px

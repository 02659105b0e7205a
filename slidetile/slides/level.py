"""One resolution of a slide's pyramid: its size, and how its file cuts it. Knows no pixels."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

from slidetile.raster.region import Region
from slidetile.raster.resolution import covered_size

_SQUARE_PX = 256
"""Side of a level's blocks where it has no native tiles."""

_LEAST_PX = 64
"""Least side of a block."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Level:
    """One resolution of a slide's pyramid."""

    width: int
    """Columns, in pixels of this level."""

    height: int
    """Rows, in pixels of this level."""

    downsample: tuple[float, float] = (1.0, 1.0)
    """Level-0 pixels per pixel of this level, as (x, y); each at least 1."""

    tile_width_px: int | None = None
    """Width of the native tiles, or None if the file has none."""

    tile_height_px: int | None = None
    """Height of the native tiles, or None if the file has none."""

    def __post_init__(self) -> None:
        if self.width < 1 or self.height < 1:
            raise ValueError(
                f"A level is at least 1×1 pixels, but this one is {self.width}×{self.height}."
            )
        x, y = self.downsample
        if not (x >= 1 and y >= 1):
            raise ValueError(f"A downsample is at least 1×1, but this one is {x:g}×{y:g}.")

    @classmethod
    def covering(
        cls,
        whole: tuple[int, int],
        size: tuple[int, int],
        *,
        tile_width_px: int | None = None,
        tile_height_px: int | None = None,
    ) -> Self:
        """Return the level of a size that covers the same area as ``whole`` level-0 pixels.

        Where both sides follow from one whole number, that is the downsample, though a rounded side
        gives another ratio; see `slidetile.raster.resolution.whole_factor`.

        Parameters
        ----------
        whole
            (width, height) of level 0.
        size
            (width, height) of the level.
        tile_width_px, tile_height_px
            As in `Level`.
        """
        covered = covered_size(whole, size)
        return cls(
            width=size[0],
            height=size[1],
            downsample=(max(1.0, covered[0] / size[0]), max(1.0, covered[1] / size[1])),
            tile_width_px=tile_width_px,
            tile_height_px=tile_height_px,
        )

    @property
    def size(self) -> tuple[int, int]:
        """(width, height)."""
        return self.width, self.height

    @property
    def block_size(self) -> tuple[int, int]:
        """(width, height) of its blocks, of which each may be damaged: native tiles or squares.

        Several tiles make a block where they are smaller than any that a scanner writes: blocks
        are read one by one.
        """
        return _block_side(self.tile_width_px), _block_side(self.tile_height_px)

    @property
    def block_count(self) -> int:
        """The number of its blocks."""
        width, height = self.block_size
        return -(-self.width // width) * -(-self.height // height)

    def blocks(self, region: Region) -> Iterator[Region]:
        """Yield the blocks that meet a region, row by row; they may reach beyond it."""
        width, height = self.block_size
        for y in range(region.y // height * height, region.bottom, height):
            for x in range(region.x // width * width, region.right, width):
                yield Region(x=x, y=y, width=width, height=height)


def _block_side(tile_px: int | None) -> int:
    if not tile_px:
        return _SQUARE_PX
    return -(-_LEAST_PX // tile_px) * tile_px

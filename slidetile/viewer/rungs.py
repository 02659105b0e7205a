"""The rungs of a picture's ladder: levels of a slide, of a store, an overview, and halvings.

Each gives the tiles of one `ZoomLevel`. Knows slides and stores. Does not know why a level is
wanted.
"""

import functools
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from slidetile.errors import SlideReadError, StoreError, explain
from slidetile.format.codecs.native import NativeCodec
from slidetile.raster.channels import Window, are_plain, shown
from slidetile.raster.pixels import Pixels
from slidetile.raster.region import Region
from slidetile.runtime.byte_cache import ByteCache
from slidetile.slides.slide import Slide
from slidetile.store.store import TileStore
from slidetile.viewer.encoding import JPEG, WEBP, EncodedTile, stripes
from slidetile.viewer.zoom import ZoomLevel

Shown = NDArray[np.uint8]
"""Pixels as people see them: uint8 [row, column, 1 or 3]."""

TILE_PX = 512
"""Side of a tile, where nothing suggests another."""

LEAST_TILE_PX, LARGEST_TILE_PX = 64, 2048
"""Chunks whose sides lie between these are tiles of a picture; others are read as regions."""


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


@dataclass(frozen=True, eq=False)
class StoredRung:
    """A level of a store, each of whose chunks is a tile."""

    store: TileStore
    number: int
    windows: tuple[Window, ...] | None = None
    """Which values of each channel are shown; see `slidetile.raster.channels.shown`."""

    @functools.cached_property
    def level(self) -> ZoomLevel:
        """How it is cut: into the store's chunks, where these are neither tiny nor huge."""
        own = self.store.levels[self.number]
        sides = own.tile_width_px, own.tile_height_px
        are_fit = all(side and LEAST_TILE_PX <= side <= LARGEST_TILE_PX for side in sides)
        width, height = sides if are_fit else (TILE_PX, TILE_PX)
        assert width is not None
        assert height is not None
        return ZoomLevel(
            width=own.width,
            height=own.height,
            downsample=own.downsample,
            tile_width=width,
            tile_height=height,
        )

    def pixels(self, column: int, row: int) -> Shown | None:
        """Return a tile; None where its chunk is not stored."""
        region = self.level.region(column, row)
        try:
            pixels = self._read(column, row, region)
        except StoreError as error:
            raise self._damage(error) from error
        if pixels is None:
            return None
        return shown(pixels, self.store.channels, self.store.metadata.bits, self.windows)

    def as_stored(self, column: int, row: int) -> EncodedTile | None:
        """Return a chunk of JPEG or WebP in grey or colour, of which browsers see the same."""
        media_type = browser_type(self.store)
        if media_type is None or not self._is_chunk:
            return None
        try:
            data = self.store.read_chunk_bytes(column, row, level=self.number)
        except StoreError as error:
            raise self._damage(error) from error
        return None if data is None else EncodedTile(media_type, data)

    @functools.cached_property
    def _is_chunk(self) -> bool:
        own, level = self.store.levels[self.number], self.level
        return (own.tile_width_px, own.tile_height_px) == (level.tile_width, level.tile_height)

    def _read(self, column: int, row: int, region: Region) -> Pixels | None:
        if not self._is_chunk:
            return self.store.read_level_region(region, level=self.number)
        chunk = self.store.read_chunk(column, row, level=self.number)
        return None if chunk is None else chunk[: region.height, : region.width]

    def _damage(self, error: StoreError) -> Exception:
        """Return damage of these pixels; another store in the place of this one is another error.

        Raises
        ------
        StoreError
            The store was replaced or deleted.
        """
        self.store.check()
        return DamagedTileError(explain(error))


def browser_type(store: TileStore) -> str | None:
    """Return the media type of a store's chunks; None where browsers do not show them rightly."""
    if not are_plain(store.channels) or store.metadata.bits != 8:
        return None
    codec = store.metadata.chunk_codec
    stream = codec.stream if isinstance(codec, NativeCodec) else codec.name
    return {"jpeg": JPEG, "webp": WEBP}.get(stream)


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
        return _halved(canvas)

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


def _halved(pixels: Shown) -> Shown:
    """Return means of 2×2 pixels, halves up; an odd last row or column is repeated."""
    height, width = pixels.shape[:2]
    even = np.pad(pixels, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge").astype(np.uint16)
    total = even[0::2, 0::2] + even[1::2, 0::2] + even[0::2, 1::2] + even[1::2, 1::2]
    return ((total + 2) >> 2).astype(np.uint8)

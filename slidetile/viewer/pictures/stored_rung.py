"""The rungs of a picture that a store has. Knows stores. Does not know why a level is wanted."""

import functools
from dataclasses import dataclass

import numpy as np

from slidetile.errors import StoreError, explain
from slidetile.format.codecs.native import NativeCodec
from slidetile.raster.channels import Window, are_plain, shown
from slidetile.raster.pixels import Pixels
from slidetile.raster.region import Region
from slidetile.store.store import TileStore
from slidetile.viewer.pictures.encoding import JPEG, WEBP, EncodedTile
from slidetile.viewer.pictures.rungs import TILE_PX, DamagedTileError, Shown
from slidetile.viewer.pictures.zoom import ZoomLevel

LEAST_TILE_PX, LARGEST_TILE_PX = 64, 2048
"""Chunks whose sides lie between these are tiles of a picture; others are read as regions."""

LOOKED_AT, THINNED = 16, 8
"""Of so many tiles every so many pixels are looked at, where the overview does not tell."""


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


def some_pixels(store: TileStore) -> Pixels:
    """Return pixels of a few tiles, [pixel, 1, channel], by which a store's values are known."""
    step = max(1, len(store) // LOOKED_AT)
    found = [np.zeros((1, 1, store.metadata.channels), store.dtype)]
    for index in range(0, len(store), step):
        try:
            tile = store[index]
        except StoreError:  # its own place on the page is marked
            continue
        found.append(tile[::THINNED, ::THINNED].reshape(-1, 1, tile.shape[2]))
    return np.concatenate(found[1:] or found)


def browser_type(store: TileStore) -> str | None:
    """Return the media type of a store's chunks; None where browsers do not show them rightly."""
    if not are_plain(store.channels) or store.metadata.bits != 8:
        return None
    codec = store.metadata.chunk_codec
    stream = codec.stream if isinstance(codec, NativeCodec) else codec.name
    return {"jpeg": JPEG, "webp": WEBP}.get(stream)

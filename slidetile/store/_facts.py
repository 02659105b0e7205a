"""What an open store says of itself: its metadata, its tile table, and its pictures.

Knows the files of a store. Does not know how its pixels are read.
"""

import functools
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from slidetile.choices import ColorName
from slidetile.cloud.address import Location
from slidetile.format.codecs.named import has_own_levels
from slidetile.format.layout import ChunkGrid
from slidetile.format.metadata.cores import CoreGridFacts
from slidetile.format.metadata.store import StoreMetadata
from slidetile.format.names import REFERENCES
from slidetile.format.table import OK
from slidetile.raster.channels import Channel
from slidetile.raster.class_areas import ClassAreas
from slidetile.raster.mapping import Mapping as SampleMapping
from slidetile.raster.pixels import Pixels
from slidetile.raster.resolution import covered_size
from slidetile.slides.level import Level
from slidetile.slides.slide import Slide
from slidetile.store._labels import read_class_areas
from slidetile.store._levels import open_levels
from slidetile.store._tiles import StoredTiles
from slidetile.store.folder import StoreFolder
from slidetile.store.picture import StoredPictures

if TYPE_CHECKING:
    import pyarrow as pa

    from slidetile.store.referred import ReferredSlide


class StoreFacts:
    """An open store without its pixels. `TileStore` is made of it."""

    path: Location
    """Where it is: a path, or an address in a bucket."""

    @classmethod
    def _of(cls, folder: StoreFolder, slide: Location | None) -> Self:
        """Return the store in a folder, which another process had open; for pickle.

        Its table is read when it is needed: of a store in a bucket, that takes the first request.
        """
        store = cls.__new__(cls)
        store._open(folder, slide)  # noqa: SLF001  of this very class
        return store

    def _open(self, folder: StoreFolder, slide: Location | None) -> None:
        self.path = folder.path
        self._folder = folder
        self._tiles = StoredTiles(folder)
        self._metadata = self._tiles.metadata
        self._referred = _referred_slide(folder, self._metadata, slide)
        self._arrays = open_levels(folder, self._tiles, self._referred)

    @property
    def metadata(self) -> StoreMetadata:
        """All metadata of the store, typed."""
        return self._metadata

    @property
    def attributes(self) -> dict[str, Any]:
        """``attributes.slidetile`` as JSON, for the caller to keep; see store-format.md."""
        return self._metadata.attributes

    @property
    def levels(self) -> tuple[Level, ...]:
        """The stored levels, finest first."""
        return tuple(
            Level.covering(
                self._covered_size(number),
                array.grid.size,
                tile_width_px=array.grid.chunk_width,
                tile_height_px=array.grid.chunk_height,
            )
            for number, array in enumerate(self._arrays)
        )

    @property
    def grids(self) -> tuple[ChunkGrid, ...]:
        """How each level is cut into shards and chunks, finest first."""
        return tuple(array.grid for array in self._arrays)

    @property
    def codec(self) -> str:
        """How chunks are stored: "native", "zstd", "jxl", "jpeg" or "raw"; "reference" if not."""
        return self._metadata.codec

    @property
    def slide(self) -> Slide | None:
        """The slide that a store of the codec "reference" reads; None of all others."""
        return None if self._referred is None else self._referred.slide

    @property
    def slide_path(self) -> Location | None:
        """Where that slide is."""
        return None if self._referred is None else self._referred.path

    @property
    def references(self) -> Path | None:
        """Where the store says, for other programs, at which bytes of the slide its tiles lie.

        None where it does not: it holds them, or they do not decode from their bytes alone.
        """
        if self.slide is None or not isinstance(self.path, Path):
            return None
        path = self.path / REFERENCES
        return path if path.is_file() else None

    @property
    def mpp(self) -> tuple[float, float] | None:
        """Micrometres per pixel of level 0, as (x, y), or None where unknown."""
        return self._metadata.mpp

    @property
    def slide_scale(self) -> tuple[float, float]:
        """Level-0 pixels of the slide per pixel of level 0, as (x, y).

        What lies at x in the store lies at x times this in the slide; (1, 1) unless the store was
        made at another resolution.
        """
        return self._metadata.level_0.scale

    @property
    def tile_size(self) -> int:
        """Width and height of a tile, in level-0 pixels."""
        return self._metadata.tile_size

    @property
    def channels(self) -> tuple[Channel, ...]:
        """What each channel shows: its name, its colour, and the window in which it is drawn."""
        return self._metadata.channel_info

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the samples: uint8, or uint16 where they have more than 8 bits."""
        return self._metadata.dtype

    @property
    def mapping(self) -> SampleMapping | None:
        """How the slide's samples became 8 bits, which undoes it, too; None where they did not."""
        facts = self._metadata.mapping
        return None if facts is None else facts.mapping

    @property
    def background(self) -> tuple[int, int, int]:
        """The colour of what lies outside the slide."""
        return self._metadata.background

    @property
    def icc_profile(self) -> bytes | None:
        """The slide's colour profile; the stored pixels do not have it applied.

        None where it has none, or where the stored pixels are sRGB: see `color`.
        """
        return self._metadata.icc_profile

    @property
    def color(self) -> ColorName | None:
        """The colour space pixels were converted to, "srgb"; None where they are the slide's own.

        ``metadata.color`` has the profile that was applied.
        """
        return None if self._metadata.color is None else self._metadata.color.space

    @property
    def cores(self) -> CoreGridFacts | None:
        """The cores of a microarray that tiles are named by, missing ones included.

        None where tiles are not named by cores. The column ``core`` of the tile table has the name
        of each tile's.
        """
        return self._metadata.cores

    @functools.cached_property
    def class_areas(self) -> ClassAreas | None:
        """Where each class of the store's labels lies; None in a store without labels.

        The tile table has its shares of each tile; it has those of any other regions.

        Raises
        ------
        StoreError
            The file of labels is damaged, or the store was replaced or deleted.
        """
        return read_class_areas(self._folder, self._metadata, self._arrays[0].grid.size)

    @property
    def tiles(self) -> "pa.Table":
        """The tile table, one row a tile; docs/reference/store-format.md has its columns."""
        return self._tiles.table

    @property
    def tile_bytes(self) -> int:
        """Bytes of all tiles' chunks at level 0, each counted once, though tiles may share some."""
        return self._tiles.stored_bytes

    @functools.cached_property
    def unreadable(self) -> int:
        """Number of tiles that could not be read from the slide; see ``status`` in the table."""
        statuses: list[str] = self.tiles["status"].to_pylist()
        return len(statuses) - statuses.count(OK)

    @property
    def unreadable_reasons(self) -> dict[str, int]:
        """Number of unreadable tiles by what is wrong with them, most tiles first.

        Stores of earlier versions do not record it, and have none.
        """
        damage = self.metadata.damage
        return {} if damage is None else damage.reasons

    @functools.cached_property
    def overview(self) -> Pixels:
        """The whole slide as tissue was found on it: [row, column, channel] of the store's dtype.

        Raises
        ------
        StoreError
            It is damaged.
        """
        return self._pictures.overview()

    @functools.cached_property
    def tissue(self) -> NDArray[np.uint32]:
        """Tissue on the overview's grid: uint32 [row, column], 0 = glass, k = piece k.

        Raises
        ------
        StoreError
            It is damaged, or lies on another grid.
        """
        return self._pictures.tissue()

    @functools.cached_property
    def overview_scale(self) -> tuple[float, float]:
        """Level-0 pixels per pixel of `overview` and `tissue`, as (x, y).

        Raises
        ------
        StoreError
            The metadata are damaged.
        """
        return self._pictures.scale(self._arrays[0].grid.size)

    @property
    def digest(self) -> str:
        """What tells the store from any other: a digest of its metadata and its manifest, in hex.

        The manifest has the checksum of every file.
        """
        return self._folder.identity.hex()

    def check(self) -> None:
        """Make sure that the store that was opened is still there.

        Raises
        ------
        StoreError
            It was replaced or deleted.
        """
        self._folder.check()

    def __len__(self) -> int:
        return self._metadata.tile_count

    def __reduce__(
        self,
    ) -> tuple[Callable[[StoreFolder, Location | None], Self], tuple[StoreFolder, Location | None]]:
        return self._of, (self._folder, self.slide_path)

    @property
    def _pictures(self) -> StoredPictures:
        return StoredPictures(self._folder, self._metadata)

    def _covered_size(self, level: int) -> tuple[int, int]:
        """Return the (width, height) in level-0 pixels that a level covers."""
        width, height = self._arrays[level].grid.size
        if has_own_levels(self._metadata.codec):
            return covered_size(self._arrays[0].grid.size, (width, height))
        return width << level, height << level


def _referred_slide(
    folder: StoreFolder, metadata: StoreMetadata, slide: Location | None
) -> "ReferredSlide | None":
    """Return the slide that a store refers to; None where it holds its pixels."""
    if metadata.reference is None:
        return None
    from slidetile.store.referred import ReferredSlide  # other stores load no reader of slides

    return ReferredSlide(folder, metadata, slide)

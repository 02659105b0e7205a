"""Reading a store back: its tiles, any region of its levels, and its metadata.

Longer than 300 lines, because `TileStore` is all that a user of a store sees.
"""

import functools
import hashlib
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, TypeAlias, overload

import numpy as np
from numpy.typing import NDArray

from slidetile import _upward
from slidetile.choices import MIN_TISSUE_FRACTION, ColorName, Edge, check_color
from slidetile.cloud.address import Address, Location, locate
from slidetile.cloud.options import using_storage_options
from slidetile.counts import how_many
from slidetile.errors import StoreError
from slidetile.format.codecs.named import has_own_levels
from slidetile.format.layout import ChunkGrid
from slidetile.format.metadata.cores import CoreGridFacts
from slidetile.format.metadata.store import StoreMetadata
from slidetile.format.names import REFERENCES, STORE_SUFFIX, shard_of
from slidetile.format.table import OK
from slidetile.raster import drawing as preview
from slidetile.raster.channels import Channel, channel_facts, shown
from slidetile.raster.class_areas import ClassAreas
from slidetile.raster.mapping import Mapping as SampleMapping
from slidetile.raster.pixels import Pixels, sample_of
from slidetile.raster.region import Region
from slidetile.raster.resolution import covered_size
from slidetile.raster.srgb import SrgbTransform
from slidetile.slides.level import Level
from slidetile.slides.slide import Slide
from slidetile.store._area import StoredArea
from slidetile.store._chunked import ChunkedArray
from slidetile.store._labels import read_class_areas
from slidetile.store._levels import open_levels
from slidetile.store._picked import Index, Indices, picked, single
from slidetile.store._reopened import Reopened
from slidetile.store._resolution_view import ResolutionView, StoredLevel
from slidetile.store._srgb import srgb_transform
from slidetile.store._tiles import StoredTiles
from slidetile.store._window_plan import Tissue, WindowSpec, plan_windows
from slidetile.store.folder import StoreFolder
from slidetile.store.opened_folder import open_folder
from slidetile.store.picture import StoredPictures
from slidetile.store.selection import TileSelection
from slidetile.store.window_source import WindowSource
from slidetile.store.windows import Windows

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.compute as pc
    import zarr

    from slidetile.store._arrays import LevelArray
    from slidetile.store.referred import ReferredSlide

TileChoice: TypeAlias = "pc.Expression | Sequence[int] | NDArray[np.integer]"
"""Which tiles: an expression over the columns of the tile table, or their ids."""

MOST_DRAWN = 1 << 14
"""Most tiles whose edges a notebook's picture shows; of more, each would be a dot of 3 px."""


class TileStore:
    """A finished store, read-only: a sequence of tiles on a canvas of levels.

    It belongs to the store that was opened: once that is replaced or deleted, reading raises
    StoreError. Safe to use from several threads, and picklable: a worker process opens the same
    store anew.

    Parameters
    ----------
    path, slide, storage_options
        As `open_store` takes them.
    """

    def __init__(
        self,
        path: str | os.PathLike[str] | Address,
        *,
        slide: str | os.PathLike[str] | Address | None = None,
        storage_options: Mapping[str, str] | None = None,
    ) -> None:
        with using_storage_options(storage_options):
            self._open(open_folder(locate(path)), None if slide is None else locate(slide))
        _ = self.tiles  # so that a damaged table is told now

    @classmethod
    def _of(cls, folder: StoreFolder, slide: Location | None) -> Self:
        """Return the store in a folder, which another process had open; for pickle.

        Its table is read when it is needed: of a store in a bucket, that takes the first request.
        """
        store = cls.__new__(cls)
        store._open(folder, slide)  # noqa: SLF001  of this very class
        return store

    def _open(self, folder: StoreFolder, slide: Location | None) -> None:
        self.path: Location = folder.path
        """Where it is: a path, or an address in a bucket."""
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
        """Bytes of all tiles' chunks at level 0, as the table says."""
        return int(self.tiles["bytes"].to_numpy().sum())

    @property
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
    def zarr(self) -> "zarr.Group":
        """The store as zarr-python opens it; what was stored and is not there raises StoreError."""
        from slidetile.store._zarr_group import open_group

        self._folder.check()
        return open_group(self._folder, self._check_key)

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

    def windows(
        self,
        *,
        size: int = 256,
        stride: int | None = None,
        mpp: float | None = None,
        min_tissue_fraction: float = MIN_TISSUE_FRACTION,
        edge: Edge = "drop",
        where: "TileChoice | None" = None,
        color: ColorName | None = None,
    ) -> Windows:
        """Return windows over the area the tiles cover, whatever their grid.

        Windows are not stored: overlap, other sizes and other resolutions take no disk space.
        Windows that would need a pixel outside the tiles, or on an unreadable tile, are left out.

        Parameters
        ----------
        size
            Width and height, in pixels at ``mpp``; 1–8192.
        stride
            Distance from one window to the next, in the same pixels; None is ``size``. Windows
            begin at whole strides from the slide's top left corner.
        mpp
            Micrometres per pixel; None is level 0. A stored level within 2 % of it is used
            unchanged; otherwise the next finer level is averaged, exact to the sub-pixel: a
            window is a crop of the whole slide averaged in this way.
        min_tissue_fraction
            Windows with less tissue than this share of their area are left out; 0 keeps all.
        edge
            The treatment of windows that reach over the slide's right or bottom edge: "drop"
            leaves them out, "keep" fills what lies outside with the background, "shift" moves
            them inside.
        where
            Which tiles windows may lie on, as `select` takes them: a pyarrow expression over the
            columns of the tile table, or ids. A window lies wholly on such tiles.
        color
            As in `read_region`; windows are averaged first, then converted.

        Returns
        -------
        Windows
            A sequence of arrays [row, column, channel] of the store's dtype.

        Raises
        ------
        MissingResolutionError
            An mpp is asked for, but the store does not know its own.
        ValueError
            The mpp is finer than what is stored, or a value is out of its range.
        StoreError
            The tile table or the tissue is damaged, or the colour profile cannot be applied.
        """
        spec = WindowSpec(
            size=size, stride=stride, mpp=mpp, min_tissue_fraction=min_tissue_fraction, edge=edge
        )
        source = self.window_source(spec, where=where, color=color)
        return Windows(
            source.views.thing[0],
            spec,
            source.plan,
            self._areas_of_classes,
            unreadable=source.unreadable,
        )

    def window_source(
        self,
        spec: WindowSpec,
        *,
        where: "TileChoice | None" = None,
        color: ColorName | None = None,
        context_mpp: Sequence[float] = (),
    ) -> WindowSource:
        """Return what windows are read from, for readers of many stores at once.

        Parameters
        ----------
        spec
            The size of a window and which are wanted.
        where, color
            As in `windows`.
        context_mpp
            Coarser resolutions, in µm per pixel, at which each window's surroundings are read.

        Raises
        ------
        MissingResolutionError, ValueError, StoreError
            As in `windows`.
        """
        views = [self._view_at(mpp, color) for mpp in (spec.mpp, *context_mpp)]
        tiles = self.tiles if where is None else self.select(where).tiles
        try:
            area = StoredArea.of_tiles(tiles)
            every = StoredArea.of_tiles(tiles, with_unreadable=True)
        except StoreError as error:
            raise StoreError(f"The tiles of {self.path} are damaged: {error}.") from error
        tissue = Tissue(mask=self.tissue > 0, scale=self.overview_scale)
        plan, lost = plan_windows(views[0], spec, area, tissue), 0
        if self.unreadable:
            lost = len(plan_windows(views[0], spec, every, tissue)) - len(plan)
        return WindowSource(
            path=self.path,
            views=Reopened(tuple(views)),
            spec=spec,
            plan=plan,
            unreadable=lost,
            area=area,
            slide_scale=self.slide_scale,
        )

    def _view_at(self, mpp: float | None, color: ColorName | None) -> ResolutionView:
        transform = self._transform(color)
        return ResolutionView.at(self._stored_levels, self.mpp, mpp, self._outside, transform)

    def to_dask(self, level: int = 0) -> Any:
        """Return a level as a lazy dask.array.Array [channel, row, column].

        Its chunks are those of the store; each is read when it is computed. What is not stored has
        the fill value and takes no read, and what was stored and is damaged raises StoreError then.

        Raises
        ------
        ImportError
            The extra arrays is not installed.
        IndexError
            The store has no level of this number.
        """
        from slidetile.store._arrays import lazy_level

        return lazy_level(self._lazy(level))

    def to_xarray(self, level: int = 0) -> Any:
        """Return a level as a lazy xarray.DataArray with the dimensions c, y and x.

        As `to_dask`. Coordinates are micrometres, or level-0 pixels where the mpp is unknown: of
        the pixels' centres, counted from the centre of level 0's first pixel, as OME counts.

        Raises
        ------
        ImportError
            The extra arrays is not installed.
        IndexError
            The store has no level of this number.
        """
        from slidetile.store._arrays import placed_level

        return placed_level(
            self._lazy(level),
            mpp=self.mpp,
            downsample=self._downsample(level),
            names=self._channel_names,
            title=self._metadata.name,
        )

    def to_pandas(self) -> Any:
        """Return the tile table as a pandas.DataFrame.

        Raises
        ------
        ImportError
            The extra arrays is not installed.
        """
        from slidetile.store._arrays import needed

        needed("pandas", "to_pandas", "arrays")
        return self.tiles.to_pandas()

    def to_spatialdata(self) -> Any:
        """Return a spatialdata.SpatialData: the image, the tissue, the tiles and their table.

        The elements are ``image``, all levels of it, lazy; ``tissue``, labels on the overview's
        grid; ``tiles``, rectangles; and ``tiles_table``, whose X is what was measured of them.
        The coordinate system "global" has level-0 pixels; "micrometers", where the mpp is known,
        micrometres. Written to a folder it is what wsidata and LazySlide open beside the slide.

        Raises
        ------
        ImportError
            The extra spatial is not installed.
        StoreError
            The tissue is damaged.
        """
        from slidetile.store._spatial import spatial_data

        count = range(len(self._arrays))
        is_same = self.slide_scale == (1.0, 1.0) and self._metadata.source.canvas is None
        return spatial_data(
            levels=[self.to_dask(level) for level in count],
            downsamples=[self._downsample(level) for level in count],
            names=self._channel_names,
            tissue=self.tissue,
            tissue_scale=self.overview_scale,
            tiles=self.tiles,
            mpp=self.mpp,
            tile_size=self.tile_size if is_same else None,
        )

    def to_napari(self) -> list[tuple[Any, dict[str, Any], str]]:
        """Return layers of napari: (data, settings, type) each, in micrometres.

        One image of all levels, lazy, which is RGB, or a layer a channel; the tissue as labels;
        and the tiles as shapes, whose features are the columns of the table. napari is not needed.

        Raises
        ------
        ImportError
            The extra arrays is not installed.
        StoreError
            The tissue is damaged.

        Examples
        --------
        >>> import slidetile as st
        >>> store = st.tile_slide("data_samples/sample.svs", "layers.zarr")
        >>> [kind for data, settings, kind in store.to_napari()]
        ['image', 'labels', 'shapes']
        """
        from slidetile.store import _napari

        levels = [self.to_dask(level) for level in range(len(self._arrays))]
        columns = {name: self.tiles[name].to_numpy() for name in self.tiles.column_names}
        return [
            _napari.image_layer(levels, self.channels, self.mpp),
            _napari.tissue_layer(self.tissue, self.overview_scale, self.mpp),
            _napari.tiles_layer(columns, self.mpp),
        ]

    def tile_region(self, index: int) -> Region:
        """Return the whole cell of a tile, in level-0 pixels.

        At the slide's right and bottom edge it may reach over the slide.

        Raises
        ------
        IndexError
            The store has no tile of this id.
        """
        if not -len(self) <= index < len(self):
            raise IndexError(
                f"The store has {how_many(len(self), 'tiles')}, so there is no tile {index}."
            )
        x, y = self._corners
        size = self._metadata.tile_size
        return Region(x=int(x[index]), y=int(y[index]), width=size, height=size)

    def select(self, tiles: TileChoice) -> TileSelection:
        """Return a view of some tiles; nothing is read yet.

        Parameters
        ----------
        tiles
            A pyarrow expression over the columns of the tile table, or the tiles' ids in any
            order. An expression is not true of a tile for which a value is missing: one that
            could not be read has no quality.

        Raises
        ------
        IndexError
            The store has no tile of this id.
        ValueError
            The expression names a column that the table does not have.

        Examples
        --------
        >>> import pyarrow.compute as pc
        >>> import slidetile as st
        >>> store = st.tile_slide("data_samples/sample.svs", "chosen.zarr")
        >>> sharp = store.select(pc.field("laplacian_variance") > 100)
        >>> sharp[0].shape
        (1024, 1024, 3)
        """
        import pyarrow.compute as pc

        if isinstance(tiles, pc.Expression):
            tiles = self.tiles.filter(tiles)["tile_id"].to_numpy()
        return TileSelection(store=self, tile_ids=np.asarray(tiles))

    def __len__(self) -> int:
        return self._metadata.tile_count

    @overload
    def __getitem__(self, index: int) -> Pixels: ...
    @overload
    def __getitem__(self, index: slice | Indices) -> TileSelection: ...
    def __getitem__(self, index: Index) -> Pixels | TileSelection:
        """Return a tile: [row, column, channel], always of the full size.

        A slice, a list, an array or a mask gives these tiles as a selection; nothing is read yet.

        The array is the caller's own and may be written to. With the codec raw, a tile that lies
        in one chunk inside the slide is not read but mapped: each part comes from the file when it
        is first looked at, and what is written stays in the array. While it is in use the file must
        stay whole, and its disk at work: the system answers what it cannot read with a signal that
        ends the process, SIGBUS. ``read_region(tile_region(index))`` reads at once, and raises.

        Raises
        ------
        IndexError
            The store has no tile of this id.
        StoreError
            As in `read_region`.
        """
        number = single(index)
        if number is None:
            ids = picked(index, len(self), "tiles").astype(np.int32)
            return TileSelection(store=self, tile_ids=ids)
        region = self.tile_region(number)
        mapped = self._arrays[0].mapped(region)
        return self.read_region(region) if mapped is None else mapped

    def read_tiles(self, tile_ids: Sequence[int]) -> Iterator[Pixels]:
        """Yield tiles in any order; of a store in a bucket, chunks are fetched ahead of them.

        Each is what an index gives. With a bucket 8 requests are in flight, and 32 MiB of stored
        chunks and one batch of 16 MiB at most wait to be decoded.

        Raises
        ------
        IndexError
            The store has no tile of an id.
        StoreError
            As in `read_region`.
        """
        array = self._arrays[0]
        if not array.is_remote:
            yield from map(self.__getitem__, tile_ids)
            return
        with array.ahead(map(self.tile_region, tile_ids)) as cache:
            for tile in tile_ids:
                yield array.read(self.tile_region(tile), self._outside, cache)

    def __iter__(self) -> Iterator[Pixels]:
        return self.read_tiles(range(len(self)))

    def __reduce__(
        self,
    ) -> tuple[Callable[[StoreFolder, Location | None], Self], tuple[StoreFolder, Location | None]]:
        return self._of, (self._folder, self.slide_path)

    def __repr__(self) -> str:
        width, height = self._arrays[0].grid.size
        return (
            f"TileStore({str(self.path)!r}: {how_many(len(self), 'tiles')} of "
            f"{self._metadata.tile_size} px, {self.codec}, "
            f"{how_many(len(self._arrays), 'levels')} from {width}×{height} px)"
        )

    def view(
        self,
        *,
        annotations: "object | None" = None,
        height: int = 600,
        scores: "Mapping[str, Sequence[float] | NDArray[Any]] | None" = None,
    ) -> Any:
        """Look at the store in a notebook: zoom, and choose tiles by sliders.

        Parameters
        ----------
        annotations
            What was drawn on the slide, to be shown over it: a file, a folder of files with the
            names of the slides, an `AnnotationsSpec`, or `Annotations` in the
            store's level-0 pixels.
        height
            Height in pixels, 200–4,000.
        scores
            Numbers to colour and filter tiles by as well, one for each tile, by their name: what a
            network says of them. Nothing of it is stored.

        Returns
        -------
        slidetile.viewer.widget.ViewWidget
            The widget.

        Raises
        ------
        ImportError
            The extra notebook is not installed.
        ValueError
            There is not one score for each tile, or the tile table has a column of that name.
        SlidetileError
            It, or the annotations, cannot be read.
        """
        return _upward.view(self, annotations=annotations, height=height, scores=scores)

    def _repr_html_(self) -> str:
        facts = {
            "tiles": f"{len(self)} of {self._metadata.tile_size} px",
            "codec": self.codec,
            "levels": " → ".join(f"{level.width}×{level.height}" for level in self.levels),
            "mpp": "unknown" if self.mpp is None else f"{self.mpp[0]:.4g} µm",
            "size": f"{self.tile_bytes / 1e6:.1f} MB",
            **channel_facts(self.channels, self._metadata.bits),
        }
        is_drawn = len(self) <= MOST_DRAWN
        picture = preview.draw(
            shown(self.overview, self.channels, self._metadata.bits),
            mask=self.tissue > 0,
            cells=[self.tile_region(i) for i in range(len(self))] if is_drawn else (),
            downsample=self.overview_scale,
            longest_side_px=preview.NOTEBOOK_SIDE_PX,
        )
        return preview.card(self._folder.absolute.name, facts, picture)

    def _lazy(self, level: int) -> "LevelArray":
        """Return a level as an array that is read when it is sliced."""
        from slidetile.store._arrays import LevelArray

        array = self._arrays[level]
        return LevelArray(
            store=self,
            level=level % len(self._arrays),
            grid=array.grid,
            channels=array.channels,
            dtype=array.dtype,
            identity=f"{self.path}/{hashlib.sha256(self._metadata.to_json()).hexdigest()}",
        )

    def _downsample(self, level: int) -> tuple[float, float]:
        """Return the level-0 pixels per pixel of a level, as (x, y)."""
        return self._metadata.downsamples[level]

    @property
    def _channel_names(self) -> list[str]:
        return [channel.name for channel in self.channels]

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

    def _areas_of_classes(self) -> ClassAreas | None:
        return self.class_areas

    def _check_key(self, key: str) -> None:
        """Make sure that nothing is missing from a shard of a level, given by its file."""
        self._folder.check()
        shard = shard_of(key)
        if shard is not None and shard[0] < len(self._arrays):
            level, column, row = shard
            self._arrays[level].check_shard(column, row)

    @property
    def _pictures(self) -> StoredPictures:
        return StoredPictures(self._folder, self._metadata)

    @property
    def _outside(self) -> tuple[int, ...]:
        """The samples of a pixel outside the slide; more channels have the last one's."""
        bits = self._metadata.bits
        return tuple(sample_of(part, bits) for part in self._metadata.background)

    @functools.cached_property
    def _corners(self) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        return self.tiles["x"].to_numpy(), self.tiles["y"].to_numpy()

    def _covered_size(self, level: int) -> tuple[int, int]:
        """Return the (width, height) in level-0 pixels that a level covers."""
        width, height = self._arrays[level].grid.size
        if has_own_levels(self._metadata.codec):
            return covered_size(self._arrays[0].grid.size, (width, height))
        return width << level, height << level

    @property
    def _stored_levels(self) -> list[StoredLevel]:
        return [
            StoredLevel(array=array, downsample=(Fraction(x, width), Fraction(y, height)))
            for number, array in enumerate(self._arrays)
            for (x, y), (width, height) in [(self._covered_size(number), array.grid.size)]
        ]


def _referred_slide(
    folder: StoreFolder, metadata: StoreMetadata, slide: Location | None
) -> "ReferredSlide | None":
    """Return the slide that a store refers to; None where it holds its pixels."""
    if metadata.reference is None:
        return None
    from slidetile.store.referred import ReferredSlide  # other stores load no reader of slides

    return ReferredSlide(folder, metadata, slide)


def open_store(
    path: str | os.PathLike[str] | Address,
    *,
    slide: str | os.PathLike[str] | Address | None = None,
    storage_options: Mapping[str, str] | None = None,
) -> TileStore:
    """Open a finished store.

    Parameters
    ----------
    path
        The store's folder, or its address in a bucket: "s3://bucket/a.zarr".
    slide
        Where the slide of a store of the codec "reference" is, if it is not where the store says.
        All others hold their pixels, and do not look at it.
    storage_options
        Credentials, endpoint and region of the bucket, as obstore names them; what is not given
        comes from the environment. Nothing of them is shown or stored.

    Raises
    ------
    IncompleteStoreError
        There is an unfinished store of that name, or the folder has no root metadata.
    StoreError
        It is not a store, is damaged, or is of a later version; or it refers to a slide that is
        not there, has changed, or cannot be opened.
    """
    return TileStore(path, slide=slide, storage_options=storage_options)


def seems_store(path: Location) -> bool:
    """Return whether a path is meant for a store and not for a slide: a folder, or named so."""
    from slidetile.slides.omezarr.folder import is_slide_folder  # only commands ask

    if isinstance(path, Address):
        return path.suffix == STORE_SUFFIX

    return (path.is_dir() or path.suffix == STORE_SUFFIX) and not is_slide_folder(path)

"""Reading a store back: its tiles, and the windows onto it.

Longer than 300 lines, because what `TileStore` takes and gives is described in full.
"""

import functools
import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from typing import TYPE_CHECKING, Any, TypeAlias, overload

import numpy as np
from numpy.typing import NDArray

from slidetile import _upward
from slidetile.choices import MIN_TISSUE_FRACTION, ColorName, Edge
from slidetile.cloud.address import Address, Location, locate
from slidetile.cloud.options import using_storage_options
from slidetile.counts import how_many
from slidetile.errors import StoreError
from slidetile.format.names import STORE_SUFFIX
from slidetile.raster import drawing as preview
from slidetile.raster.channels import channel_facts, shown
from slidetile.raster.class_areas import ClassAreas
from slidetile.raster.pixels import Pixels
from slidetile.raster.region import Region
from slidetile.store._area import StoredArea
from slidetile.store._choice import chosen_ids
from slidetile.store._emptiness import why_none
from slidetile.store._forms import StoreForms
from slidetile.store._picked import Index, Indices, picked, single
from slidetile.store._reopened import Reopened
from slidetile.store._resolution_view import ResolutionView, StoredLevel
from slidetile.store._window_plan import Tissue, WindowSpec, plan_windows
from slidetile.store.opened_folder import open_folder
from slidetile.store.selection import TileSelection
from slidetile.store.window_source import WindowSource
from slidetile.store.windows import Windows

if TYPE_CHECKING:
    import pyarrow.compute as pc

TileChoice: TypeAlias = (
    "pc.Expression | Sequence[int] | NDArray[np.integer] | NDArray[np.bool_] | TileSelection"
)
"""Which tiles: an expression over the columns of the tile table, ids, a mask, or a selection."""

_log = logging.getLogger(__name__)

MOST_DRAWN = 1 << 14
"""Most tiles whose edges a notebook's picture shows; of more, each would be a dot of 3 px."""


class TileStore(StoreForms):
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
            columns of the tile table, ids, a mask or a selection. A window lies wholly on such
            tiles.
        color
            As in `read_region`; windows are averaged first, then converted.

        Returns
        -------
        Windows
            A sequence of arrays [row, column, channel] of the store's dtype. Where it has none, a
            warning is logged that says why.

        Raises
        ------
        MissingResolutionError
            An mpp is asked for, but the store does not know its own.
        ValueError
            The mpp is finer than what is stored, or a value is out of its range.
        IndexError, TypeError
            ``where`` is no choice of tiles: see `select`.
        StoreError
            The tile table or the tissue is damaged, or the colour profile cannot be applied.
        """
        spec = WindowSpec(
            size=size, stride=stride, mpp=mpp, min_tissue_fraction=min_tissue_fraction, edge=edge
        )
        found = self.windows_of(spec, where=where, color=color)
        if not len(found):
            _log.warning("%s", self.why_none(found, is_chosen=where is not None))
        return found

    def windows_of(
        self,
        spec: WindowSpec,
        *,
        where: "TileChoice | None" = None,
        color: ColorName | None = None,
    ) -> Windows:
        """Return what `windows` does, for callers that tell themselves where there are none."""
        source = self.window_source(spec, where=where, color=color)
        return Windows(
            source.views.thing[0],
            spec,
            source.plan,
            self._areas_of_classes,
            unreadable=source.unreadable,
        )

    def why_none(self, windows: Windows, *, is_chosen: bool = False) -> str:
        """Return why `windows_of` has given none, in a sentence."""
        size, tiles = self.levels[0].size, len(self)
        return why_none(self.path, windows, size=size, tiles=tiles, is_chosen=is_chosen)

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
            every = StoredArea.of_tiles(tiles, with_unreadable=True) if self.unreadable else None
        except StoreError as error:
            raise StoreError(f"The tiles of {self.path} are damaged: {error}.") from error
        tissue = Tissue(mask=self.tissue > 0, scale=self.overview_scale)
        plan, lost = plan_windows(views[0], spec, area, tissue, every=every)
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
            order; or a mask of all tiles, or a selection of this store. An expression is not true
            of a tile for which a value is missing: one that could not be read has no quality.

        Raises
        ------
        IndexError
            The store has no tile of this id, or the mask has another length.
        TypeError
            They are none of these, such as text.
        ValueError
            The expression names a column that the table does not have, or the selection is of
            another store.

        Examples
        --------
        >>> import pyarrow.compute as pc
        >>> import slidetile as st
        >>> store = st.tile_slide("data_samples/sample.svs", "chosen.zarr")
        >>> sharp = store.select(pc.field("laplacian_variance") > 100)
        >>> sharp[0].shape
        (1024, 1024, 3)
        """
        return TileSelection(store=self, tile_ids=chosen_ids(tiles, self))

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
        slidetile.viewer.doors.notebook.widget.ViewWidget
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

    def _areas_of_classes(self) -> ClassAreas | None:
        return self.class_areas

    @functools.cached_property
    def _corners(self) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        return self.tiles["x"].to_numpy(), self.tiles["y"].to_numpy()

    @property
    def _stored_levels(self) -> list[StoredLevel]:
        return [
            StoredLevel(array=array, downsample=(Fraction(x, width), Fraction(y, height)))
            for number, array in enumerate(self._arrays)
            for (x, y), (width, height) in [(self._covered_size(number), array.grid.size)]
        ]


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

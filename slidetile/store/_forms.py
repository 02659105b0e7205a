"""An open store in the types of other libraries: Dask, xarray, pandas, SpatialData and napari.

Knows which part of a store each of them shows. Does not know their types.
"""

import hashlib
from typing import TYPE_CHECKING, Any

from slidetile.counts import how_many
from slidetile.store._pixels import StorePixels

if TYPE_CHECKING:
    from slidetile.store._arrays import LevelArray


class StoreForms(StorePixels):
    """An open store that other libraries can take. `TileStore` is made of it."""

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
        grid; ``tiles``, rectangles; and ``tiles_table``, whose X is what was measured of them. The
        column ``region`` of the tile table is called ``tissue_id`` there.
        The coordinate system "global" has level-0 pixels; "micrometers", where the mpp is known,
        micrometres. Written to a folder it is what wsidata and LazySlide open beside the slide.

        Raises
        ------
        ImportError
            The extra spatial is not installed.
        StoreError
            The tissue is damaged.
        """
        from slidetile.store._arrays import lazy_level
        from slidetile.store._spatial import spatial_data

        count = range(len(self._arrays))
        is_same = self.slide_scale == (1.0, 1.0) and self._metadata.source.canvas is None
        return spatial_data(
            levels=[lazy_level(self._lazy(n), "to_spatialdata", "spatial") for n in count],
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
        from slidetile.store._arrays import lazy_level

        levels = [lazy_level(self._lazy(n), "to_napari") for n in range(len(self._arrays))]
        columns = {name: self.tiles[name].to_numpy() for name in self.tiles.column_names}
        return [
            _napari.image_layer(levels, self.channels, self.mpp),
            _napari.tissue_layer(self.tissue, self.overview_scale, self.mpp),
            _napari.tiles_layer(columns, self.mpp),
        ]

    def _lazy(self, level: int) -> "LevelArray":
        """Return a level as an array that is read when it is sliced."""
        from slidetile.store._arrays import LevelArray

        count = len(self._arrays)
        if not -count <= level < count:
            raise IndexError(
                f"The store has {how_many(count, 'levels')}, from 0 to {count - 1}, so there is "
                f"no level {level}."
            )
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

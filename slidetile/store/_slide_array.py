"""An array of a store without pixels: its chunks are blocks of the slide."""

import functools
from collections.abc import Collection, Iterator
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from slidetile.errors import SlideReadError, StoreError, explain
from slidetile.format.codecs.codec import ChunkCodec
from slidetile.raster.pixels import Pixels
from slidetile.raster.region import Region
from slidetile.store._absence import Cell
from slidetile.store._chunked import ChunkedArray
from slidetile.store._tiles import StoredTiles
from slidetile.store.folder import StoreFolder
from slidetile.store.referred import ReferredSlide
from slidetile.store.referred_level import ReferredLevel


class SlideArray(ChunkedArray[Cell]):
    """A level of the slide, of which the chunks that tiles need are read.

    Parameters
    ----------
    folder, codec
        As in `ChunkedArray`.
    level
        The number of the level, in the store and in the slide.
    tiles
        The store's tiles.
    referred
        The slide.

    Raises
    ------
    StoreError
        The folder does not hold an array of a store, or one that is not cut as the slide's level.
    """

    def __init__(
        self,
        folder: StoreFolder,
        level: int,
        codec: ChunkCodec,
        tiles: StoredTiles,
        referred: ReferredSlide,
    ) -> None:
        super().__init__(folder, str(level), codec)
        self._number, self._codec = level, codec
        self._tiles = tiles
        self._referred = referred
        self._level = ReferredLevel.of(referred.slide, level)
        if self.grid != self._level.grid:
            raise StoreError(
                f"{self.path / 'zarr.json'} contradicts the slide: it is not cut into the blocks "
                f"of level {level} of {referred.path}."
            )

    def __reduce__(
        self,
    ) -> tuple[type[Self], tuple[StoreFolder, int, ChunkCodec, StoredTiles, ReferredSlide]]:
        return type(self), (self._folder, self._number, self._codec, self._tiles, self._referred)

    def check_shard(self, column: int, row: int) -> None:
        """Refuse: the chunks are in no file, so whoever looks for one would find background."""
        raise StoreError(
            f"The chunk at column {column}, row {row} of {self.path} is in the slide: a reference "
            "store holds no pixels that Zarr libraries read. Read it with open_store, or make a "
            "whole store of it: slidetile export --to zarr."
        )

    def stored_cells(self, column: int, row: int) -> list[Cell]:
        """Return the chunks of a shard that would be there, if shards were."""
        across, down = self.grid.chunks_across, self.grid.chunks_down
        x, y = column * across, row * down
        found = np.argwhere(self._needed[y : y + down, x : x + across]).tolist()
        return [(x + right, y + below) for below, right in found]

    def _stored(
        self, span: Region, known: Collection[Cell] = ()
    ) -> Iterator[tuple[Cell, Cell | None]]:
        self._folder.check()
        for row in range(span.y, span.bottom):
            for column in range(span.x, span.right):
                if (cell := (column, row)) not in known:
                    yield cell, cell if self._needed[row, column] else None

    def _decode(
        self,
        stored: Cell,
        cell: Cell,
        scratch: Pixels | None = None,  # noqa: ARG002  the slide's reader has its own
    ) -> NDArray[Any]:
        try:
            return self._level.read(stored)
        except SlideReadError as error:
            column, row = cell
            raise StoreError(
                f"The chunk at column {column}, row {row} of {self.path} could not be read from "
                f"the slide: {explain(error)}"
            ) from error

    @functools.cached_property
    def _needed(self) -> NDArray[np.bool_]:
        return self._level.needed(self._tiles.regions)

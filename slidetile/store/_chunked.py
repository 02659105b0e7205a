"""An array of a store, read chunk by chunk, wherever its chunks come from."""

import contextlib
import math
from abc import ABC, abstractmethod
from collections.abc import Collection, Iterable, Iterator
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from slidetile.format.codecs.codec import ChunkCodec
from slidetile.raster.pixels import Pixels, copy_pixels, fill_samples
from slidetile.raster.region import Region
from slidetile.store._absence import Cell
from slidetile.store._chunk_cache import LARGEST_CACHE_BYTES, ChunkCache
from slidetile.store._metadata import read_array
from slidetile.store.folder import StoreFolder

Part = tuple[slice, slice]
"""[rows, columns] of something."""

Stored = TypeVar("Stored")
"""What a chunk is before it is decoded."""


class ChunkedArray(ABC, Generic[Stored]):
    """A (c, y, x) array, as its `ArrayMetadata` describes it.

    A subclass finds chunks and decodes them. Several threads may read at once.

    Parameters
    ----------
    folder
        The store's folder.
    name
        The array's path in it.
    codec
        The codec of its chunks.

    Raises
    ------
    StoreError
        The folder does not hold an array of a store.
    """

    def __init__(self, folder: StoreFolder, name: str, codec: ChunkCodec) -> None:
        self.path = folder.path / name
        self._folder, self._name = folder, name
        self.metadata = read_array(folder, name, codec)
        self.grid, self.channels = self.metadata.grid, self.metadata.channels
        self.dtype, self.fill = self.metadata.dtype, self.metadata.fill
        self.chunk_shape = self.grid.chunk_height, self.grid.chunk_width, self.channels
        self.is_remote = folder.is_remote

    @abstractmethod
    def _stored(
        self, span: Region, known: Collection[Cell] = ()
    ) -> Iterator[tuple[Cell, Stored | None]]:
        """Yield each chunk of a span but those known; None for one that is not stored."""

    @abstractmethod
    def _decode(self, stored: Stored, cell: Cell, scratch: Pixels | None = None) -> NDArray[Any]:
        """Return a chunk's pixels, which may lie in ``scratch``."""

    @abstractmethod
    def check_shard(self, column: int, row: int) -> None:
        """Make sure that a shard holds all chunks that were stored.

        Raises
        ------
        StoreError
            It does not, or is damaged.
        """

    @abstractmethod
    def stored_cells(self, column: int, row: int) -> list[Cell]:
        """Return the chunks of a shard that are there, in the order they lie in it.

        Raises
        ------
        StoreError
            One that was stored is not there, or the shard is damaged.
        """

    def read(
        self,
        region: Region,
        outside: tuple[int, ...],
        cache: ChunkCache | None = None,
        out: Pixels | None = None,
    ) -> NDArray[Any]:
        """Return a region, in pixels of this array, as [row, column, channel], in ``out`` if given.

        Pixels outside all tiles have the array's fill value, and so have those that were absent or
        unreadable in the slide; those outside the array have the samples ``outside``, the last of
        them in all further channels. Only the chunks that the region touches and that are not in
        the ``cache`` are decoded; the cache then keeps them.

        Raises
        ------
        StoreError
            A chunk is damaged, or is not there though it was stored; or the store was replaced.
        """
        canvas = out
        if canvas is None:
            canvas = np.empty((region.height, region.width, self.channels), self.dtype)
        frame = Region(x=0, y=0, width=self.grid.width, height=self.grid.height)
        if frame.contains(region):
            self._fill(canvas, region, cache)
            return canvas
        fill_samples(canvas, outside)
        if (inside := region.intersection(frame)) is not None:
            self._fill(canvas[inside.relative_to(region).slices], inside, cache)
        return canvas

    @contextlib.contextmanager
    def ahead(
        self,
        regions: Iterable[Region],  # noqa: ARG002
        largest_bytes: int = LARGEST_CACHE_BYTES,
        kept: ChunkCache | None = None,
    ) -> Iterator[ChunkCache]:
        """Give a cache for reading these regions, in this order; a remote array reads ahead.

        A local one gives that which is ``kept`` from regions before, if there is.
        """
        yield ChunkCache(largest_bytes) if kept is None else kept

    @property
    def decoded_bytes(self) -> int:
        """Memory that a chunk takes when it is decoded."""
        return math.prod(self.chunk_shape) * self.dtype.itemsize

    def check(self) -> None:
        """Make sure that the store that was opened is still there.

        Raises
        ------
        StoreError
            It was replaced or deleted.
        """
        self._folder.check()

    def spans(self, regions: Iterable[Region]) -> Iterator[Region]:
        """Yield the chunks that regions touch, of those that touch any."""
        frame = Region(x=0, y=0, width=self.grid.width, height=self.grid.height)
        for region in regions:
            inside = region.intersection(frame)
            if inside is not None:
                yield self.grid.chunk_span(inside)

    def mapped(self, region: Region) -> Pixels | None:  # noqa: ARG002
        """Return a region as a map of a file; None where it has to be read and decoded.

        Raises
        ------
        StoreError
            As in `read`.
        """
        return None

    def chunk(self, column: int, row: int) -> NDArray[Any] | None:
        """Return the pixels of one chunk, or None where it is not stored and need not be.

        Raises
        ------
        StoreError
            As in `read`.
        """
        span = Region(x=column, y=row, width=1, height=1)
        ((_, stored),) = self._stored(span)
        return None if stored is None else self._decode(stored, (column, row))

    def payload(self, column: int, row: int) -> bytes | None:  # noqa: ARG002
        """Return the bytes of one chunk as its codec made them.

        None where it is not stored and need not be, and where there are no such bytes.

        Raises
        ------
        StoreError
            As in `read`.
        """
        return None

    def _fill(self, canvas: Pixels, region: Region, cache: ChunkCache | None) -> None:
        """Fill a canvas with a region, which lies inside the array."""
        for cell, pixels in self._decoded(self.grid.chunk_span(region), cache):
            target, part = self._overlap(region, cell)
            if pixels is None:
                canvas[target] = self.fill
            else:
                copy_pixels(pixels[part], canvas[target])

    def _overlap(self, region: Region, cell: Cell) -> tuple[Part, Part]:
        """Return which part of a region a chunk fills, and which part of the chunk that is."""
        (column, row), grid = cell, self.grid
        columns, of_columns = _shared(region.x, region.width, column, grid.chunk_width)
        rows, of_rows = _shared(region.y, region.height, row, grid.chunk_height)
        return (rows, columns), (of_rows, of_columns)

    def _decoded(
        self, span: Region, cache: ChunkCache | None
    ) -> Iterator[tuple[Cell, NDArray[Any] | None]]:
        """Yield each chunk of a span with its pixels, which without a cache last until the next."""
        if cache is None:
            scratch = np.empty(self.chunk_shape, self.dtype)
            for cell, stored in self._stored(span):
                yield cell, None if stored is None else self._decode(stored, cell, scratch)
            return
        rows, columns = range(span.y, span.bottom), range(span.x, span.right)
        known = {cell for row in rows for column in columns if (cell := (column, row)) in cache}
        for cell in known:
            yield cell, cache[cell]
        ahead = cache.ahead
        if ahead is None and len(known) == span.area:
            return
        stored_chunks: Iterator[tuple[Cell, Any]] = (
            self._stored(span, known) if ahead is None else ahead.take(span, known)
        )  # what reads ahead follows span by span, even where nothing is taken
        for cell, stored in stored_chunks:
            pixels = None if stored is None else self._decode(stored, cell)
            cache.keep(cell, pixels)
            yield cell, pixels


def _shared(start: int, length: int, chunk: int, chunk_length: int) -> tuple[slice, slice]:
    """Return which part of a span a chunk that meets it fills, and which part of the chunk."""
    begin = chunk * chunk_length
    first, last = max(start, begin), min(start + length, begin + chunk_length)
    return slice(first - start, last - start), slice(first - begin, last - begin)


AnyArray = ChunkedArray[Any]
"""An array, whatever its chunks are before they are decoded."""

"""One array of a store, read chunk by chunk."""

import os
from collections import OrderedDict
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from slidetile.errors import StoreError
from slidetile.format.codecs.codec import ChunkCodec
from slidetile.format.layout import is_sharded
from slidetile.format.metadata.array import ArrayMetadata
from slidetile.format.metadata.node import LARGEST_JSON_BYTES
from slidetile.format.names import shard_key
from slidetile.format.shard import ShardIndex
from slidetile.raster.pixels import Pixels
from slidetile.raster.region import Region
from slidetile.store._shard_file import IndexCache, read_chunks

LARGEST_CACHE_BYTES = 1 << 26
"""64 MiB: three rows of chunks across `STRIPE_PX`, with every codec's own chunks."""

FEWEST_CHUNKS = 4
"""Fewest chunks that are kept: a window that lies on a corner touches four."""

_ENTRY_BYTES = 256
"""Memory that a chunk takes besides its pixels, even one that is not stored."""

Cell = tuple[int, int]
"""(column, row) of a chunk in its array."""


class ChunkCache:
    """The chunks of one array decoded last, for one thread.

    Parameters
    ----------
    largest_bytes
        The most memory for all of them; four are kept in any case.
    """

    def __init__(self, largest_bytes: int = LARGEST_CACHE_BYTES) -> None:
        self.nbytes = 0
        self._largest_bytes = largest_bytes
        self._chunks: OrderedDict[Cell, NDArray[Any] | None] = OrderedDict()

    def __contains__(self, cell: Cell) -> bool:
        return cell in self._chunks

    def __getitem__(self, cell: Cell) -> NDArray[Any] | None:
        """Return the pixels of a chunk that is kept, None for one that is not stored."""
        self._chunks.move_to_end(cell)
        return self._chunks[cell]

    def keep(self, cell: Cell, pixels: NDArray[Any] | None) -> None:
        """Keep a chunk, and forget those used longest ago."""
        self._chunks[cell] = pixels
        self.nbytes += _nbytes(pixels)
        while self.nbytes > self._largest_bytes and len(self._chunks) > FEWEST_CHUNKS:
            self.nbytes -= _nbytes(self._chunks.popitem(last=False)[1])


def _nbytes(pixels: NDArray[Any] | None) -> int:
    return _ENTRY_BYTES + (0 if pixels is None else pixels.nbytes)


LARGEST_EXTRA_BYTES = 1 << 17
"""Most bytes of a stored chunk beyond four times its pixels: room for 64 KiB of tables."""


class ArrayFile:
    """A (c, y, x) array on disk, as its `ArrayMetadata` describes it.

    Its files are not trusted: every size is checked before memory is allocated. Several threads
    may read at once.

    Parameters
    ----------
    folder
        The array's folder.
    codec
        The codec of its chunks.

    Raises
    ------
    StoreError
        The folder does not hold an array of a store.
    """

    def __init__(self, folder: Path, codec: ChunkCodec) -> None:
        self._folder = folder
        self._codec = codec
        data = read_zarr_json(folder)
        try:
            self.metadata = ArrayMetadata.from_json(data, codec)
        except StoreError as error:
            raise StoreError(
                f"{folder / 'zarr.json'} is not an array of a store: {error}."
            ) from error
        self.grid, self.channels = self.metadata.grid, self.metadata.channels
        self.dtype, self.fill = self.metadata.dtype, self.metadata.fill
        self._chunk_bytes = self.metadata.chunk_bytes
        row_bytes = self.grid.chunk_width * self.dtype.itemsize
        self._shape = self.grid.chunk_height, row_bytes, self.channels
        self._indexes = IndexCache(
            self.grid.chunks_per_shard, longest_bytes=4 * self._chunk_bytes + LARGEST_EXTRA_BYTES
        )

    def read(
        self, region: Region, outside: tuple[int, ...], cache: ChunkCache | None = None
    ) -> NDArray[Any]:
        """Return a region, in pixels of this array, as [row, column, channel].

        Pixels that are not stored have the array's fill value; those outside the array have the
        colour ``outside``. Only the chunks that the region touches and that are not in the
        ``cache`` are decoded; the cache then keeps them.

        Raises
        ------
        StoreError
            A chunk is damaged.
        """
        canvas = np.empty((region.height, region.width, self.channels), self.dtype)
        frame = Region(x=0, y=0, width=self.grid.width, height=self.grid.height)
        inside = region.intersection(frame)
        if inside != region:
            canvas[:] = outside[: self.channels]
        if inside is None:
            return canvas
        within = canvas[inside.relative_to(region).slices]
        for cell, pixels in self._decoded(self.grid.chunk_span(inside), cache):
            self._lay(within, (inside.x, inside.y), cell, pixels)
        return canvas

    def __reduce__(self) -> tuple[type[Self], tuple[Path, ChunkCodec]]:
        return type(self), (self._folder, self._codec)

    def chunk(self, column: int, row: int) -> NDArray[Any] | None:
        """Return the pixels of one chunk, or None where it is not stored.

        Raises
        ------
        StoreError
            The chunk is damaged.
        """
        span = Region(x=column, y=row, width=1, height=1)
        ((_, stored),) = self._stored(span)
        return None if stored is None else self._decode(stored, (column, row))

    def _lay(
        self,
        canvas: NDArray[Any],
        corner: tuple[int, int],
        cell: Cell,
        pixels: NDArray[Any] | None,
    ) -> None:
        """Lay a chunk into a canvas that begins at ``corner`` of the array and ends inside it."""
        height, width = canvas.shape[:2]
        left = cell[0] * self.grid.chunk_width - corner[0]
        top = cell[1] * self.grid.chunk_height - corner[1]
        rows = slice(max(0, top), min(height, top + self.grid.chunk_height))
        columns = slice(max(0, left), min(width, left + self.grid.chunk_width))
        target = canvas[rows, columns]
        if pixels is None:
            target[:] = self.fill
            return
        target[:] = pixels[rows.start - top : rows.stop - top, columns.start - left :][
            :, : columns.stop - columns.start
        ]

    def _decoded(
        self, span: Region, cache: ChunkCache | None
    ) -> Iterator[tuple[Cell, NDArray[Any] | None]]:
        """Yield each chunk of a span with its pixels, which without a cache last until the next."""
        if cache is None:
            scratch = np.empty(self._shape, np.uint8)
            for cell, stored in self._stored(span):
                yield cell, None if stored is None else self._decode(stored, cell, scratch)
            return
        rows, columns = range(span.y, span.bottom), range(span.x, span.right)
        known = {cell for row in rows for column in columns if (cell := (column, row)) in cache}
        for cell in known:
            yield cell, cache[cell]
        for cell, stored in self._stored(span, known):
            pixels = None if stored is None else self._decode(stored, cell)
            cache.keep(cell, pixels)
            yield cell, pixels

    def _decode(self, stored: bytes, cell: Cell, scratch: Pixels | None = None) -> NDArray[Any]:
        try:
            pixels = self._codec.decode(self._codec.unseal(stored), self._shape, scratch)
        except ValueError as error:
            raise self._damaged(cell, error) from error
        if self.dtype == np.uint8:
            return pixels
        return pixels[..., 0].view(self.dtype)[..., np.newaxis]

    def _damaged(self, cell: Cell, error: Exception) -> StoreError:
        column, row = cell
        return StoreError(
            f"The chunk at column {column}, row {row} of {self._folder} is damaged: {error}."
        )

    def _stored(
        self, span: Region, known: Collection[Cell] = ()
    ) -> Iterator[tuple[Cell, bytes | None]]:
        """Yield each chunk of a span but those known, with its bytes, shard by shard."""
        across, down = self.grid.chunks_across, self.grid.chunks_down
        shards = span.rescaled((across, down), (1, 1))
        for row in range(shards.y, shards.bottom):
            for column in range(shards.x, shards.right):
                x, y = column * across, row * down
                columns = np.arange(max(x, span.x), min(x + across, span.right)) - x
                rows = np.arange(max(y, span.y), min(y + down, span.bottom)) - y
                places = (rows[:, np.newaxis] * across + columns).ravel()
                if known:
                    cells = [(x + p % across, y + p // across) for p in places.tolist()]
                    places = places[[cell not in known for cell in cells]]
                if not len(places):
                    continue
                absent = set(places.tolist())
                for place, stored in self._shard_chunks(column, row, places):
                    absent.remove(place)
                    yield (x + place % across, y + place // across), stored
                for place in sorted(absent):
                    yield (x + place % across, y + place // across), None

    def _shard_chunks(
        self, column: int, row: int, places: NDArray[np.intp]
    ) -> Iterator[tuple[int, bytes]]:
        """Yield the stored chunks among ``places`` of a shard."""
        try:
            file = os.open(f"{self._folder}/{shard_key(column, row)}", os.O_RDONLY)
        except FileNotFoundError:
            return
        try:
            if not is_sharded(self._codec):  # one byte more shows what is too long
                yield 0, os.pread(file, self._chunk_bytes + 1, 0)
                return
            yield from read_chunks(file, self._index(file, (column, row)), places)
        finally:
            os.close(file)

    def _index(self, file: int, shard: Cell) -> ShardIndex:
        try:
            return self._indexes.index(file, shard)
        except ValueError as error:
            cell = shard[0] * self.grid.chunks_across, shard[1] * self.grid.chunks_down
            raise self._damaged(cell, error) from error


def read_zarr_json(folder: Path) -> bytes:
    """Return the ``zarr.json`` of a folder, or as much of it as shows that it is too large.

    Raises
    ------
    StoreError
        It is missing, or cannot be read.
    """
    path = folder / "zarr.json"
    try:
        with path.open("rb") as file:
            return file.read(LARGEST_JSON_BYTES + 1)
    except OSError as error:
        raise StoreError(f"{path} could not be read: {error.strerror or error}.") from error

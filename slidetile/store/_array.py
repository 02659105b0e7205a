"""One array of a store, read chunk by chunk.

Knows arrays whose chunks are gathered in shards; those of one chunk a file are `RawArrayFile`s.
"""

import os
from collections import OrderedDict
from collections.abc import Collection, Iterator
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from slidetile.errors import StoreError
from slidetile.format.codecs.codec import ChunkCodec
from slidetile.format.names import shard_key
from slidetile.format.shard import ShardIndex
from slidetile.raster.pixels import Pixels, copy_pixels, fill_samples
from slidetile.raster.region import Region
from slidetile.store._absence import Absence, AbsentShard, Cell
from slidetile.store._metadata import read_array
from slidetile.store._shard_file import IndexCache, read_chunks
from slidetile.store.folder import StoreFolder

LARGEST_CACHE_BYTES = 1 << 26
"""64 MiB: three rows of chunks across `STRIPE_PX`, with every codec's own chunks."""

FEWEST_CHUNKS = 4
"""Fewest chunks that are kept: a window that lies on a corner touches four."""

_ENTRY_BYTES = 256
"""Memory that a chunk takes besides its pixels, even one that is not stored."""


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
        The store's folder.
    name
        The array's path in it.
    codec
        The codec of its chunks.
    absence
        Which of its chunks may be absent.

    Raises
    ------
    StoreError
        The folder does not hold an array of a store.
    """

    def __init__(self, folder: StoreFolder, name: str, codec: ChunkCodec, absence: Absence) -> None:
        self.path = folder.path / name
        self._folder, self._name = folder, name
        self._codec = codec
        self._absence = absence
        self.metadata = read_array(folder, name, codec)
        self.grid, self.channels = self.metadata.grid, self.metadata.channels
        self.dtype, self.fill = self.metadata.dtype, self.metadata.fill
        self._shape = self.grid.chunk_height, self.grid.chunk_width, self.channels
        self._whole: set[Cell] = set()
        self._indexes = IndexCache(
            self.grid.chunks_per_shard,
            longest_bytes=4 * self.metadata.chunk_bytes + LARGEST_EXTRA_BYTES,
        )

    def read(
        self, region: Region, outside: tuple[int, ...], cache: ChunkCache | None = None
    ) -> NDArray[Any]:
        """Return a region, in pixels of this array, as [row, column, channel].

        Pixels outside all tiles have the array's fill value, and so have those that were absent or
        unreadable in the slide; those outside the array have the samples ``outside``, the last of
        them in all further channels. Only the chunks that the region touches and that are not in
        the ``cache`` are decoded; the cache then keeps them.

        Raises
        ------
        StoreError
            A chunk is damaged, or is not there though it was stored; or the store was replaced.
        """
        canvas = np.empty((region.height, region.width, self.channels), self.dtype)
        frame = Region(x=0, y=0, width=self.grid.width, height=self.grid.height)
        inside = region.intersection(frame)
        if inside != region:
            fill_samples(canvas, outside)
        if inside is None:
            return canvas
        self._fill(canvas[inside.relative_to(region).slices], inside, cache)
        return canvas

    def mapped(self, region: Region) -> Pixels | None:  # noqa: ARG002
        """Return a region as a map of a file; None where it has to be read and decoded.

        Raises
        ------
        StoreError
            As in `read`.
        """
        return None

    def __reduce__(self) -> tuple[type[Self], tuple[StoreFolder, str, ChunkCodec, Absence]]:
        return type(self), (self._folder, self._name, self._codec, self._absence)

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

    def check_shard(self, column: int, row: int) -> None:
        """Make sure that a shard holds all chunks that were stored.

        Raises
        ------
        StoreError
            It does not, or is damaged.
        """
        across, down = self.grid.chunks_across, self.grid.chunks_down
        right = min((column + 1) * across, self.grid.chunk_columns)
        bottom = min((row + 1) * down, self.grid.chunk_rows)
        if right <= column * across or bottom <= row * down:
            return
        span = Region.from_edges(column * across, row * down, right, bottom)
        ((shard, places),) = self._shards(span)
        file = self._open(shard)
        try:
            if file is not None and shard in self._whole:
                return
            if file is not None:
                places = places[self._index(file, shard)[places, 1] == 0]
        finally:
            if file is not None:
                os.close(file)
        if len(places):
            cells = [self._cell(shard, place) for place in places.tolist()]
            self._check_absent(AbsentShard(cells=cells, shard=shard, has_file=file is not None))
        if file is not None:
            self._whole.add(shard)

    def stored_bytes(self, span: Region) -> int:
        """Return the length of all stored chunks in a span of chunks.

        Raises
        ------
        StoreError
            A shard is damaged, or the store was replaced.
        """
        total = 0
        for shard, places in self._shards(span):
            file = self._open(shard)
            if file is None:
                continue
            try:
                total += int(self._index(file, shard)[places, 1].sum())
            finally:
                os.close(file)
        return total

    def _fill(self, canvas: Pixels, region: Region, cache: ChunkCache | None) -> None:
        """Fill a canvas with a region, which lies inside the array."""
        for cell, pixels in self._decoded(self.grid.chunk_span(region), cache):
            target, part = self._overlap(canvas, region, cell)
            if pixels is None:
                target[:] = self.fill
            else:
                copy_pixels(pixels[part.slices], target)

    def _overlap(self, canvas: Pixels, region: Region, cell: Cell) -> tuple[Pixels, Region]:
        """Return the part of a region's canvas that a chunk fills, and which part of the chunk."""
        chunk = self.grid.chunk_region(*cell)
        shared = chunk.intersection(region)
        assert shared is not None, "only the chunks that meet a region are read"
        return canvas[shared.relative_to(region).slices], shared.relative_to(chunk)

    def _decoded(
        self, span: Region, cache: ChunkCache | None
    ) -> Iterator[tuple[Cell, NDArray[Any] | None]]:
        """Yield each chunk of a span with its pixels, which without a cache last until the next."""
        if cache is None:
            scratch = np.empty(self._shape, self.dtype)
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
            payload = self._codec.unseal(stored)
            return self._codec.decode(payload, self._shape, scratch, self.dtype)
        except ValueError as error:
            raise self._damaged(cell, error) from error

    def _damaged(self, cell: Cell, error: Exception) -> StoreError:
        column, row = cell
        return StoreError(
            f"The chunk at column {column}, row {row} of {self.path} is damaged: {error}."
        )

    def _stored(
        self, span: Region, known: Collection[Cell] = ()
    ) -> Iterator[tuple[Cell, bytes | None]]:
        """Yield each chunk of a span but those known, with its bytes, shard by shard."""
        for shard, wanted in self._shards(span):
            places = wanted
            if known:
                cells = [self._cell(shard, place) for place in wanted.tolist()]
                places = wanted[[cell not in known for cell in cells]]
            if len(places):
                yield from self._in_shard(shard, places)

    def _shards(self, span: Region) -> Iterator[tuple[Cell, NDArray[np.intp]]]:
        """Yield each shard that holds chunks of a span, with their places in it."""
        across, down = self.grid.chunks_across, self.grid.chunks_down
        shards = span.rescaled((across, down), (1, 1))
        for row in range(shards.y, shards.bottom):
            for column in range(shards.x, shards.right):
                x, y = column * across, row * down
                columns = np.arange(max(x, span.x), min(x + across, span.right)) - x
                rows = np.arange(max(y, span.y), min(y + down, span.bottom)) - y
                yield (column, row), (rows[:, np.newaxis] * across + columns).ravel()

    def _in_shard(
        self, shard: Cell, places: NDArray[np.intp]
    ) -> Iterator[tuple[Cell, bytes | None]]:
        """Yield the chunks at ``places`` of a shard; None for one that was never stored."""
        absent = set(places.tolist())
        file = self._open(shard)
        if file is not None:
            try:
                for place, stored in read_chunks(file, self._index(file, shard), places):
                    absent.remove(place)
                    yield self._cell(shard, place), stored
            except OSError as error:
                key = f"{self._name}/{shard_key(*shard)}"
                raise self._folder.unread(key, error) from error
            finally:
                os.close(file)
        if absent:
            cells = [self._cell(shard, place) for place in sorted(absent)]
            self._check_absent(AbsentShard(cells=cells, shard=shard, has_file=file is not None))
            yield from ((cell, None) for cell in cells)

    def _check_absent(self, absent: AbsentShard) -> None:
        cell = self._absence.unproven(self, absent)
        if cell is not None:
            raise StoreError(
                f"The chunk at column {cell[0]}, row {cell[1]} of {self.path} is missing, though "
                "it was stored: the store is damaged. Compare it with its manifest (slidetile "
                "verify), or make it again."
            )

    def _open(self, shard: Cell) -> int | None:
        """Open a shard; return None where the store has no such file."""
        key = f"{self._name}/{shard_key(*shard)}"
        try:
            return self._folder.open(key)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise self._folder.unread(key, error) from error

    def _cell(self, shard: Cell, place: int) -> Cell:
        """Return the chunk at a place of a shard."""
        down, across = divmod(place, self.grid.chunks_across)
        column, row = shard
        return column * self.grid.chunks_across + across, row * self.grid.chunks_down + down

    def _index(self, file: int, shard: Cell) -> ShardIndex:
        try:
            return self._indexes.index(file, shard)
        except ValueError as error:
            cell = shard[0] * self.grid.chunks_across, shard[1] * self.grid.chunks_down
            raise self._damaged(cell, error) from error
        except OSError as error:
            raise self._folder.unread(f"{self._name}/{shard_key(*shard)}", error) from error

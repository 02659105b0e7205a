"""One array of a store, read chunk by chunk.

Knows arrays whose chunks are gathered in shards; those of one chunk a file are `RawArrayFile`s.
"""

import contextlib
import itertools
from collections.abc import Collection, Iterable, Iterator
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from slidetile.errors import StoreError
from slidetile.format.codecs.codec import ChunkCodec
from slidetile.format.shard import ShardIndex
from slidetile.raster.pixels import Pixels
from slidetile.raster.region import Region
from slidetile.store._absence import Absence, AbsentShard, Cell
from slidetile.store._ahead import ChunksAhead
from slidetile.store._chunk_cache import LARGEST_CACHE_BYTES, ChunkCache
from slidetile.store._chunked import ChunkedArray
from slidetile.store._remote_chunks import fetched
from slidetile.store._shard_file import WHOLE_BYTES, IndexCache, OpenedShard, read_chunks
from slidetile.store.folder import StoreFolder
from slidetile.store.stored_file import ReadFile, StoredFile

LARGEST_EXTRA_BYTES = 1 << 17
"""Most bytes of a stored chunk beyond four times its pixels: room for 64 KiB of tables."""


class ArrayFile(ChunkedArray[bytes]):
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
        super().__init__(folder, name, codec)
        self._codec = codec
        self._absence = absence
        self._chunk_bytes = self.metadata.chunk_bytes
        self._whole: set[Cell] = set()
        self._indexes = IndexCache(
            self.grid.chunks_per_shard,
            longest_bytes=4 * self.metadata.chunk_bytes + LARGEST_EXTRA_BYTES,
        )

    def __reduce__(self) -> tuple[type[Self], tuple[StoreFolder, str, ChunkCodec, Absence]]:
        return type(self), (self._folder, self._name, self._codec, self._absence)

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
        ((shard, places),) = self.shards(span)
        index = self.index(shard)
        if index is not None and shard in self._whole:
            return
        if index is not None:
            places = places[index[places, 1] == 0]
        if len(places):
            cells = [self.cell(shard, place) for place in places.tolist()]
            self.check_absent(AbsentShard(cells=cells, shard=shard, has_file=index is not None))
        if index is not None:
            self._whole.add(shard)

    def stored_cells(self, column: int, row: int) -> list[Cell]:
        """Return the chunks of a shard that are there, in the order they lie in it."""
        self.check_shard(column, row)
        index = self.index((column, row))
        if index is None:
            return []
        order = sorted(np.flatnonzero(index[:, 1]).tolist(), key=lambda place: index[place, 0])
        cells = (self.cell((column, row), place) for place in order)
        columns, rows = self.grid.chunk_columns, self.grid.chunk_rows
        return [(x, y) for x, y in cells if x < columns and y < rows]

    def stored_bytes(self, span: Region) -> int:
        """Return the length of all stored chunks in a span of chunks.

        Raises
        ------
        StoreError
            A shard is damaged, or the store was replaced.
        """
        total = 0
        for shard, places in self.shards(span):
            index = self.index(shard)
            if index is not None:
                total += int(index[places, 1].sum())
        return total

    def payload(self, column: int, row: int) -> bytes | None:
        """Return the bytes of a chunk as its codec made them, their checksum compared.

        None where it is not stored and need not be.

        Raises
        ------
        StoreError
            As in `read`.
        """
        ((_, stored),) = self._stored(Region(x=column, y=row, width=1, height=1))
        if stored is None:
            return None
        try:
            return self._codec.unseal(stored)
        except ValueError as error:
            raise self._damaged((column, row), error) from error

    def _decode(self, stored: bytes, cell: Cell, scratch: Pixels | None = None) -> NDArray[Any]:
        try:
            payload = self._codec.unseal(stored)
            return self._codec.decode(payload, self.chunk_shape, scratch, self.dtype)
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
        if self._folder.is_remote:
            yield from fetched(self, list(self._unknown(span, known)))
            return
        for shard, places in self._unknown(span, known):
            yield from self._in_shard(shard, places)

    def _unknown(
        self, span: Region, known: Collection[Cell]
    ) -> Iterator[tuple[Cell, NDArray[np.intp]]]:
        """Yield the shards that hold chunks of a span but those known, with their places."""
        if not known:
            yield from self.shards(span)
            return
        across, down = self.grid.chunks_across, self.grid.chunks_down
        by_shard: dict[Cell, list[int]] = {}
        for y, x in itertools.product(range(span.y, span.bottom), range(span.x, span.right)):
            if (x, y) not in known:
                place = y % down * across + x % across
                by_shard.setdefault((x // across, y // down), []).append(place)
        yield from ((shard, np.array(places, np.intp)) for shard, places in by_shard.items())

    def shards(self, span: Region) -> Iterator[tuple[Cell, NDArray[np.intp]]]:
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
                    yield self.cell(shard, place), stored
            except OSError as error:
                key = f"{self._name}/{self.metadata.shard_key(*shard)}"
                raise self._folder.unread(key, error) from error
            finally:
                file.close()
        if absent:
            cells = [self.cell(shard, place) for place in sorted(absent)]
            self.check_absent(AbsentShard(cells=cells, shard=shard, has_file=file is not None))
            yield from ((cell, None) for cell in cells)

    def check_absent(self, absent: AbsentShard) -> None:
        """Make sure that chunks may be absent.

        Raises
        ------
        StoreError
            One was stored.
        """
        cell = self._absence.unproven(self, absent)
        if cell is not None:
            raise _lost(f"The chunk at column {cell[0]}, row {cell[1]} of {self.path}")

    def index(self, shard: Cell) -> ShardIndex | None:
        """Return the index of a shard; None where it is not stored.

        Raises
        ------
        StoreError
            It is damaged or cannot be read, or the store was replaced.
        """
        file = self._open(shard)
        if file is None:
            return None
        try:
            return self._index(file, shard)
        except FileNotFoundError:  # it was listed in a bucket, and is gone
            return None
        finally:
            file.close()

    def whole_bytes(self, shard: Cell) -> int:
        """Return the length of a remote shard that is to be read whole; 0 for all others."""
        if self._indexes.known(shard) is not None:
            return 0
        found = self._folder.listed_bytes(f"{self._name}/{self.metadata.shard_key(*shard)}") or 0
        return found if found <= WHOLE_BYTES else 0

    def opened(self, shard: Cell) -> OpenedShard:
        """Return the index of a shard, and its bytes where they are read with it.

        Raises
        ------
        StoreError
            As in `index`.
        """
        whole_bytes = self.whole_bytes(shard)
        if not whole_bytes:
            return OpenedShard(self.index(shard))
        key = f"{self._name}/{self.metadata.shard_key(*shard)}"
        try:
            data = self._folder.open(key).read(0, whole_bytes)
        except FileNotFoundError:
            return OpenedShard(None)
        except OSError as error:
            raise self._folder.unread(key, error) from error
        return OpenedShard(self._index(ReadFile(data), shard), data)

    def read_shard(self, shard: Cell, start: int, stop: int) -> bytes:
        """Return bytes of a shard, which is there.

        Raises
        ------
        StoreError
            It cannot be read, or the store was replaced.
        """
        key = f"{self._name}/{self.metadata.shard_key(*shard)}"
        try:
            file = self._folder.open(key)
            try:
                return file.read(start, stop - start)
            finally:
                file.close()
        except FileNotFoundError as error:
            raise _lost(str(self._folder.path / key)) from error
        except OSError as error:
            raise self._folder.unread(key, error) from error

    @contextlib.contextmanager
    def ahead(
        self,
        regions: Iterable[Region],
        largest_bytes: int = LARGEST_CACHE_BYTES,
        kept: ChunkCache | None = None,
    ) -> Iterator[ChunkCache]:
        """Give a cache for reading these regions, in this order; a remote array reads ahead."""
        if not self._folder.is_remote:
            with super().ahead(regions, largest_bytes, kept) as cache:
                yield cache
            return
        chunks = ChunksAhead(self, self.spans(regions))
        try:
            yield ChunkCache(ahead=chunks)
        finally:
            chunks.close()

    def _open(self, shard: Cell) -> StoredFile | None:
        """Open a shard; return None where the store has no such file."""
        key = f"{self._name}/{self.metadata.shard_key(*shard)}"
        try:
            return self._folder.open(key)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise self._folder.unread(key, error) from error

    def cell(self, shard: Cell, place: int) -> Cell:
        """Return the chunk at a place of a shard."""
        down, across = divmod(place, self.grid.chunks_across)
        column, row = shard
        return column * self.grid.chunks_across + across, row * self.grid.chunks_down + down

    def _index(self, file: StoredFile, shard: Cell) -> ShardIndex:
        try:
            return self._indexes.index(file, shard)
        except ValueError as error:
            cell = shard[0] * self.grid.chunks_across, shard[1] * self.grid.chunks_down
            raise self._damaged(cell, error) from error
        except FileNotFoundError:
            raise
        except OSError as error:
            raise self._folder.unread(
                f"{self._name}/{self.metadata.shard_key(*shard)}", error
            ) from error


def _lost(what: str) -> StoreError:
    return StoreError(
        f"{what} is missing, though it was stored: the store is damaged. Compare it with its "
        "manifest (slidetile verify), or make it again."
    )

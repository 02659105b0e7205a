"""One array of a store, read chunk by chunk."""

import json
import os
import threading
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from slidetile.codecs import ChunkCodec
from slidetile.errors import StoreError
from slidetile.geometry import Region
from slidetile.layout import Grid
from slidetile.metadata import is_sharded, shard_key
from slidetile.pixels import Pixels
from slidetile.shard import ShardIndex, index_bytes, unpack_index

LARGEST_SIDE_PX = 1 << 24
"""More than any scanner delivers; a store that claims more is refused."""

LARGEST_CHUNK_BYTES = 1 << 28
"""More than any chunk slidetile writes; bounds what a damaged store can make a reader allocate."""

LARGEST_JSON_BYTES = 1 << 24
"""Metadata with a colour profile stay far below."""

LARGEST_READ_BYTES = 1 << 23
"""Chunks of a shard that lie further apart are read one by one."""

CACHED_INDEXES = 4096
"""Shard indexes kept at once; with 16 chunks a shard they take about a MiB."""


class ArrayFile:
    """A (c, y, x) array on disk, as `metadata.array` describes it.

    Its files are not trusted: every size is checked before memory is taken. Safe to call from
    several threads.

    Parameters
    ----------
    folder
        The array's folder.
    codec
        The codec of its chunks.

    Raises
    ------
    StoreError
        The folder holds no such array.
    """

    def __init__(self, folder: Path, codec: ChunkCodec) -> None:
        self._folder = folder
        self._codec = codec
        node = read_json(folder / "zarr.json")
        try:
            self.channels, self.grid = _parse_grid(node, sharded=is_sharded(codec))
            self.dtype = np.dtype({"uint8": "u1", "uint32": "<u4"}[node["data_type"]])
            self.fill = int(node["fill_value"])
        except (LookupError, TypeError, ValueError, ArithmeticError) as error:
            raise StoreError(f"{folder / 'zarr.json'} is no array of a store: {error!r}") from error
        pixels = self.channels * self.grid.chunk_width * self.grid.chunk_height
        self._chunk_bytes = pixels * self.dtype.itemsize
        row_bytes = self.grid.chunk_width * self.dtype.itemsize
        self._shape = self.grid.chunk_height, row_bytes, self.channels
        if self._chunk_bytes > LARGEST_CHUNK_BYTES:
            raise StoreError(f"{folder}: chunks of {self._chunk_bytes} bytes are too large.")
        self._indexes: OrderedDict[tuple[int, int], ShardIndex] = OrderedDict()
        self._lock = threading.Lock()

    def read(self, region: Region, outside: tuple[int, ...]) -> NDArray[Any]:
        """Return a region, in pixels of this array, as [row, column, channel].

        What is not stored has the array's fill value; what lies outside it, the colour
        ``outside``. Decodes only the chunks the region touches.

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
        scratch = np.empty(self._shape, np.uint8)
        for (column, row), stored in self._stored(self.grid.chunk_span(inside)):
            chunk = self.grid.chunk_region(column, row)
            part = chunk.intersection(inside)
            assert part is not None, "a spanned chunk meets the region"
            target = canvas[part.relative_to(region).slices]
            if stored is None:
                target[:] = self.fill
            else:
                pixels = self._decode(stored, (column, row), scratch)
                target[:] = pixels[part.relative_to(chunk).slices]
        return canvas

    def chunk(self, column: int, row: int) -> NDArray[Any] | None:
        """Return the pixels of one chunk, or None where it is not stored.

        Raises
        ------
        StoreError
            The chunk is damaged.
        """
        cell = Region(x=column, y=row, width=1, height=1)
        ((_, stored),) = self._stored(cell)
        return None if stored is None else self._decode(stored, (column, row))

    def _decode(
        self, stored: bytes, cell: tuple[int, int], scratch: Pixels | None = None
    ) -> NDArray[Any]:
        try:
            pixels = self._codec.decode(self._codec.unseal(stored), self._shape, scratch)
        except ValueError as error:
            raise self._damaged(cell, error) from error
        if self.dtype == np.uint8:
            return pixels
        return pixels[..., 0].view(self.dtype)[..., np.newaxis]

    def _damaged(self, cell: tuple[int, int], error: Exception) -> StoreError:
        column, row = cell
        return StoreError(
            f"The chunk at column {column}, row {row} of {self._folder} is damaged: {error}."
        )

    def _stored(self, span: Region) -> Iterator[tuple[tuple[int, int], bytes | None]]:
        """Yield each chunk of a span of the chunk grid with its bytes, shard by shard."""
        grid = self.grid
        shards = Region.from_edges(
            span.x // grid.chunks_across,
            span.y // grid.chunks_down,
            -(-span.right // grid.chunks_across),
            -(-span.bottom // grid.chunks_down),
        )
        for row in range(shards.y, shards.bottom):
            for column in range(shards.x, shards.right):
                own = Region(
                    x=column * grid.chunks_across,
                    y=row * grid.chunks_down,
                    width=grid.chunks_across,
                    height=grid.chunks_down,
                )
                wanted = own.intersection(span)
                assert wanted is not None, "a spanned shard meets the span"
                places = {
                    (x, y): (y - own.y) * own.width + x - own.x
                    for y in range(wanted.y, wanted.bottom)
                    for x in range(wanted.x, wanted.right)
                }
                found = self._shard_chunks(column, row, list(places.values()))
                yield from ((cell, found.get(place)) for cell, place in places.items())

    def _shard_chunks(self, column: int, row: int, places: Sequence[int]) -> dict[int, bytes]:
        """Return the stored chunks among ``places`` of a shard, read at once."""
        try:
            file = os.open(f"{self._folder}/{shard_key(column, row)}", os.O_RDONLY)
        except FileNotFoundError:
            return {}
        try:
            if not is_sharded(self._codec):  # one byte more shows what is too long
                return {0: os.pread(file, self._chunk_bytes + 1, 0)}
            index = self._index(file, (column, row))[places]
            stored = [(p, o, n) for p, (o, n) in zip(places, index.tolist(), strict=True) if n]
            if not stored:
                return {}
            first = min(offset for _, offset, _ in stored)
            last = max(offset + length for _, offset, length in stored)
            if last - first > LARGEST_READ_BYTES:
                return {place: os.pread(file, length, offset) for place, offset, length in stored}
            data = os.pread(file, last - first, first)
            return {place: data[o - first : o - first + n] for place, o, n in stored}
        except ValueError as error:
            raise self._damaged(
                (column * self.grid.chunks_across, row * self.grid.chunks_down), error
            ) from error
        finally:
            os.close(file)

    def _index(self, file: int, key: tuple[int, int]) -> ShardIndex:
        with self._lock:
            if (known := self._indexes.get(key)) is not None:
                self._indexes.move_to_end(key)
                return known
        count = self.grid.chunks_per_shard
        shard_bytes = os.fstat(file).st_size
        tail = os.pread(file, index_bytes(count), max(0, shard_bytes - index_bytes(count)))
        index = unpack_index(tail, count, shard_bytes)
        with self._lock:
            self._indexes[key] = index
            while len(self._indexes) > CACHED_INDEXES:
                self._indexes.popitem(last=False)
        return index


def read_json(path: Path) -> dict[str, Any]:
    """Return a JSON object from a file of bounded size.

    Raises
    ------
    StoreError
        The file is missing, too large, or holds something else.
    """
    try:
        with path.open("rb") as file:
            text = file.read(LARGEST_JSON_BYTES + 1)
        if len(text) > LARGEST_JSON_BYTES:
            raise StoreError(f"{path} is larger than {LARGEST_JSON_BYTES} bytes.")
        node = json.loads(text)
    except (OSError, ValueError, RecursionError) as error:
        raise StoreError(f"{path} could not be read: {error}.") from error
    if not isinstance(node, dict):
        raise StoreError(f"{path} holds no JSON object.")
    return node


def _parse_grid(node: dict[str, Any], *, sharded: bool) -> tuple[int, Grid]:
    """Return the channels and the grid that an array's metadata tell, or raise any error."""
    channels, height, width = node["shape"]
    shard = node["chunk_grid"]["configuration"]["chunk_shape"]
    chunk = node["codecs"][0]["configuration"]["chunk_shape"] if sharded else shard
    if channels not in (1, 3) or shard[0] != channels or chunk[0] != channels:
        raise ValueError(f"{channels} channels in chunks of {chunk[0]} and shards of {shard[0]}")
    grid = Grid(
        width=int(width),
        height=int(height),
        chunk_width=int(chunk[2]),
        chunk_height=int(chunk[1]),
        chunks_across=int(shard[2]) // int(chunk[2]),
        chunks_down=int(shard[1]) // int(chunk[1]),
    )
    if (
        max(grid.size) > LARGEST_SIDE_PX
        or max(grid.shard_width, grid.shard_height) > LARGEST_SIDE_PX
    ):
        raise ValueError(f"{grid.width}×{grid.height} px is more than {LARGEST_SIDE_PX} a side")
    if (grid.shard_height, grid.shard_width) != (shard[1], shard[2]):
        raise ValueError(f"chunks of {chunk} do not divide shards of {shard}")
    return channels, grid

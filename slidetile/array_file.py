"""One array of a store, read chunk by chunk."""

import json
import os
import threading
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from slidetile.codecs import ChunkCodec
from slidetile.errors import StoreError
from slidetile.geometry import Region
from slidetile.layout import Grid
from slidetile.metadata import is_sharded, shard_key
from slidetile.shard import ShardIndex, index_bytes, unpack_index

LARGEST_SIDE_PX = 1 << 24
"""More than any scanner delivers; a store that claims more is refused."""

LARGEST_CHUNK_BYTES = 1 << 28
"""More than any chunk slidetile writes; bounds what a damaged store can make a reader allocate."""

LARGEST_JSON_BYTES = 1 << 24
"""Metadata with a colour profile stay far below."""

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
        span = self.grid.chunk_span(inside)
        for row in range(span.y, span.bottom):
            for column in range(span.x, span.right):
                chunk = self.grid.chunk_region(column, row)
                part = chunk.intersection(inside)
                assert part is not None, "a spanned chunk meets the region"
                pixels = self.chunk(column, row)
                canvas[part.relative_to(region).slices] = (
                    self.fill if pixels is None else pixels[part.relative_to(chunk).slices]
                )
        return canvas

    def chunk(self, column: int, row: int) -> NDArray[Any] | None:
        """Return the pixels of one chunk, or None where it is not stored.

        Raises
        ------
        StoreError
            The chunk is damaged.
        """
        try:
            stored = self._stored(column, row)
            if stored is None:
                return None
            row_bytes = self.grid.chunk_width * self.dtype.itemsize
            shape = self.grid.chunk_height, row_bytes, self.channels
            pixels = self._codec.decode(self._codec.unseal(stored), shape)
        except ValueError as error:
            raise StoreError(
                f"The chunk at column {column}, row {row} of {self._folder} is damaged: {error}."
            ) from error
        return (
            pixels if self.dtype == np.uint8 else pixels[..., 0].view(self.dtype)[..., np.newaxis]
        )

    def _stored(self, column: int, row: int) -> bytes | None:
        shard_column, across = divmod(column, self.grid.chunks_across)
        shard_row, down = divmod(row, self.grid.chunks_down)
        try:
            file = os.open(self._folder / shard_key(shard_column, shard_row), os.O_RDONLY)
        except FileNotFoundError:
            return None
        try:
            if not is_sharded(self._codec):
                return os.pread(file, self._chunk_bytes + 1, 0)  # one more shows what is too long
            index = self._index(file, (shard_column, shard_row))
            offset, length = index[down * self.grid.chunks_across + across].tolist()
            return os.pread(file, length, offset) if length else None
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

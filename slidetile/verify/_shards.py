"""The content of a store's shards, and whether slidetile packs them in this way."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from slidetile.errors import StoreError
from slidetile.format.checksum import crc32c
from slidetile.format.codecs.codec import ChunkCodec
from slidetile.format.layout import ChunkGrid, Shard, is_sharded
from slidetile.format.ledger import Ledger, ShardRecord
from slidetile.format.names import shard_key
from slidetile.format.shard import pack_shard, split_shard
from slidetile.verify._shape import StoreShape
from slidetile.verify._tree import StoreTree
from slidetile.verify.finding import Finding


@dataclass(frozen=True, slots=True, kw_only=True)
class ExaminedShard:
    """The examined content of one shard file of the pyramid."""

    findings: tuple[Finding, ...]
    """What is wrong with it."""

    record: ShardRecord | None = None
    """Its sound chunks, with length and checksum; None if the file is not a shard."""


class StoredChunks:
    """Which chunks a store holds, by level; filled shard by shard, with a few bytes per chunk.

    Parameters
    ----------
    shape
        The store's metadata.
    """

    def __init__(self, shape: StoreShape) -> None:
        self._shape = shape
        self.ledger = Ledger(shape.grids[0])
        self.by_level: list[NDArray[np.bool_]] = [
            np.zeros((grid.chunk_rows, grid.chunk_columns), np.bool_) for grid in shape.grids
        ]

    def examine(self, name: str, data: bytes) -> ExaminedShard:
        """Look at a shard file of the pyramid; safe to call from several threads."""
        place = self._shape.shard(name)
        assert place is not None, "only shards are examined"
        level, column, row = place
        grid = self._shape.grids[level]
        try:
            chunks = split_checked(data, grid, self._shape.codec)
        except ValueError as error:
            return ExaminedShard(findings=(Finding(name, f"it is not a whole shard: {error}"),))
        shard = Shard(column=column, row=row, chunks=tuple(chunks))
        inside = tuple(chunk for chunk in chunks if _is_inside(grid, shard, chunk))
        findings = [
            Finding(name, f"chunk {chunk} lies outside the array")
            for chunk in chunks
            if chunk not in inside
        ]
        entries: dict[int, tuple[int, int]] = {}
        for chunk in inside:
            try:
                entries[chunk] = len(chunks[chunk]), self._checksum(grid, chunks[chunk])
            except ValueError as error:
                findings.append(Finding(name, f"chunk {chunk} is damaged: {error}"))
        shard = replace(shard, chunks=inside)
        record = ShardRecord(level=level, shard=shard, chunks=entries)
        return ExaminedShard(findings=tuple(findings), record=record)

    def enter(self, record: ShardRecord) -> None:
        """Record the chunks of a shard."""
        held, grid = self.by_level[record.level], self._shape.grids[record.level]
        columns, rows = grid.chunk_cells(record.shard).T
        held[rows, columns] = True
        if record.level == 0:
            self.ledger.enter(record)

    def _checksum(self, grid: ChunkGrid, stored: bytes) -> int:
        """Return the CRC-32C of a chunk's payload, after the checks that are cheap."""
        codec = self._shape.codec
        payload = codec.unseal(stored)
        if not is_sharded(codec):  # checking the others would mean decoding them
            shape = grid.chunk_height, grid.chunk_width, self._shape.channels
            codec.check(payload, shape, self._shape.metadata.dtype)
        return crc32c(payload)


def _is_inside(grid: ChunkGrid, shard: Shard, chunk: int) -> bool:
    column, row = grid.chunk_cell(shard, chunk)
    return column < grid.chunk_columns and row < grid.chunk_rows


def shard_name(level: int, shard: Shard) -> str:
    """Return the path of a shard's file, from the store's folder."""
    return f"{level}/{shard_key(shard.column, shard.row)}"


def shard_chunks(tree: StoreTree, shape: StoreShape, level: int, shard: Shard) -> dict[int, bytes]:
    """Read the stored chunks of a shard, by their place; see `split_checked`.

    Raises
    ------
    StoreError
        It cannot be read, or is not packed as slidetile packs it.
    """
    name = shard_name(level, shard)
    try:
        return split_checked(tree.read(name), shape.grids[level], shape.codec)
    except ValueError as error:
        raise StoreError(f"{name} is not a whole shard: {error}") from error


def split_checked(data: bytes, grid: ChunkGrid, codec: ChunkCodec) -> dict[int, bytes]:
    """Return the stored chunks of a shard by their place, if it is packed as slidetile packs it.

    Raises
    ------
    ValueError
        It is not, byte for byte.
    """
    chunks = split_shard(data, grid, codec)
    parts = {place: (chunk,) for place, chunk in chunks.items()}
    if is_sharded(codec) and (not parts or b"".join(pack_shard(parts, grid)) != data):
        raise ValueError("its chunks do not lie one after another")
    return chunks

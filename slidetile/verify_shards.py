"""What the shards of a store hold, and whether each is a shard as slidetile packs it."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from slidetile.codecs import ChunkCodec, crc32c
from slidetile.finding import Finding
from slidetile.layout import Grid, Shard
from slidetile.metadata import is_sharded
from slidetile.shard import pack_shard
from slidetile.store_shape import StoreShape
from slidetile.store_writer import split_shard
from slidetile.tile_table import Ledger, ShardRecord


class StoredChunks:
    """Which chunks a store holds, by level: filled shard by shard, a few bytes a chunk.

    Parameters
    ----------
    shape
        What the store's metadata say.
    """

    def __init__(self, shape: StoreShape) -> None:
        self._shape = shape
        self.ledger = Ledger(shape.grids[0])
        self.by_level: list[NDArray[np.bool_]] = [
            np.zeros((grid.chunk_rows, grid.chunk_columns), np.bool_) for grid in shape.grids
        ]

    def enter(self, name: str, data: bytes) -> Iterator[Finding]:
        """Take down the chunks of a shard file of the pyramid, and yield what is wrong with it."""
        place = self._shape.shard(name)
        assert place is not None, "only shards are entered"
        level, column, row = place
        grid, codec, channels = self._shape.grids[level], self._shape.codec, self._shape.channels
        try:
            chunks = split_checked(data, grid, codec)
        except ValueError as error:
            yield Finding(name, f"it is no whole shard: {error}")
            return
        shard = Shard(column=column, row=row, chunks=tuple(chunks))
        entries: dict[int, tuple[int, int]] = {}
        for chunk, stored in chunks.items():
            chunk_column, chunk_row = grid.chunk_cell(shard, chunk)
            if chunk_column >= grid.chunk_columns or chunk_row >= grid.chunk_rows:
                yield Finding(name, f"chunk {chunk} lies outside the array")
                continue
            self.by_level[level][chunk_row, chunk_column] = True
            try:
                payload = codec.unseal(stored)
                if not is_sharded(codec):  # to check others would be to decode them
                    codec.check(payload, (grid.chunk_height, grid.chunk_width, channels))
                entries[chunk] = len(stored), crc32c(payload)
            except ValueError as error:
                yield Finding(name, f"chunk {chunk} is damaged: {error}")
        if level == 0:
            self.ledger.enter(ShardRecord(level=0, shard=shard, chunks=entries))


def split_checked(data: bytes, grid: Grid, codec: ChunkCodec) -> dict[int, bytes]:
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

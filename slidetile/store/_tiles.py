"""The tiles of a store: its root metadata and its tile table, checked as they are read."""

import functools
from typing import TYPE_CHECKING, Self

import numpy as np
from numpy.typing import NDArray

from slidetile.errors import StoreError
from slidetile.format.layout import ChunkGrid
from slidetile.format.layout import is_sharded as has_shards
from slidetile.format.metadata.store import StoreMetadata
from slidetile.format.names import TABLE, shard_of
from slidetile.format.rows import check_rows
from slidetile.format.shard import index_bytes
from slidetile.format.table import TableShape, read_parquet
from slidetile.raster.grid import TileGrid
from slidetile.raster.region import Region
from slidetile.store._listed import listed_files
from slidetile.store._metadata import read_array, read_root
from slidetile.store.folder import StoreFolder

if TYPE_CHECKING:
    import pyarrow as pa


class StoredTiles:
    """The tiles of a store, as its root metadata and its table describe them.

    Each part is read when it is first asked for. Picklable: only the folder crosses.

    Parameters
    ----------
    folder
        The store's folder.
    """

    def __init__(self, folder: StoreFolder) -> None:
        self._folder = folder

    def __reduce__(self) -> tuple[type[Self], tuple[StoreFolder]]:
        return type(self), (self._folder,)

    @functools.cached_property
    def metadata(self) -> StoreMetadata:
        """The root's record."""
        return read_root(self._folder)

    @functools.cached_property
    def grid(self) -> ChunkGrid:
        """How level 0 is cut."""
        return read_array(self._folder, "0", self.metadata.chunk_codec).grid

    @functools.cached_property
    def table(self) -> "pa.Table":
        """The tile table, each row of which is a tile of the grid."""
        (width, height), size = self.grid.size, self.metadata.tile_size
        edge = self.metadata.parameters.edge
        grid = TileGrid(width=width, height=height, size=size, stride=size, edge=edge)
        table = read_table(self._folder, self.metadata)
        try:
            cores = self.metadata.cores
            classes = TableShape.of(self.metadata).classes
            check_rows(table, grid, () if cores is None else cores.names, classes)
        except StoreError as error:
            raise _damaged(self._folder, error) from error
        return table

    @functools.cached_property
    def stored_bytes(self) -> int:
        """Bytes of the chunks at level 0, each counted once.

        The table says it where each chunk is of one tile. Where tiles share chunks, as where native
        ones have another size, the lengths of the shards do, less their indexes.

        Raises
        ------
        StoreError
            What tells it cannot be read, or is damaged.
        """
        if self._share_no_chunk:
            return int(self._numbers("bytes").sum())
        is_sharded = has_shards(self.metadata.chunk_codec)
        index = index_bytes(self.grid.chunks_per_shard) if is_sharded else 0
        shards = ((shard_of(name), file) for name, file in listed_files(self._folder).items())
        return sum(file.size_bytes - index for shard, file in shards if shard and not shard[0])

    @property
    def _share_no_chunk(self) -> bool:
        size, grid = self.metadata.tile_size, self.grid
        is_whole = size % grid.chunk_width == 0 == size % grid.chunk_height
        return is_whole and self.metadata.parameters.edge != "shift"

    @property
    def regions(self) -> list[Region]:
        """The part of each tile inside the slide, in level-0 pixels."""
        x, y, width, height = map(self._numbers, ("x", "y", "width", "height"))
        edges = (edge.tolist() for edge in (x, y, x + width, y + height))
        return [Region.from_edges(*box) for box in zip(*edges, strict=True)]

    def needed(self) -> NDArray[np.bool_]:
        """Return which chunks of level 0 meet a tile, as bool [chunk row, chunk column]."""
        grid = self.grid
        counts = np.zeros((grid.chunk_rows + 1, grid.chunk_columns + 1), np.int32)
        x, y, width, height = map(self._numbers, ("x", "y", "width", "height"))
        left, right = x // grid.chunk_width, -(-(x + width) // grid.chunk_width)
        top, bottom = y // grid.chunk_height, -(-(y + height) // grid.chunk_height)
        np.add.at(counts, (top, left), 1)
        np.add.at(counts, (top, right), -1)
        np.add.at(counts, (bottom, left), -1)
        np.add.at(counts, (bottom, right), 1)
        is_needed: NDArray[np.bool_] = counts.cumsum(axis=0).cumsum(axis=1)[:-1, :-1] > 0
        return is_needed

    def at(self, cell: tuple[int, int]) -> list[tuple[Region, str, int]]:
        """Return each tile over a chunk: its part inside the slide, its status and its bytes."""
        chunk = self.grid.chunk_region(*cell)
        tops = chunk.y - self.metadata.tile_size + 1, chunk.bottom
        first, last = np.searchsorted(self._numbers("y"), tops).tolist()  # ascending, as rows are
        names = ("x", "y", "width", "height", "status", "bytes")
        near = [self.table[name].slice(first, last - first).to_pylist() for name in names]
        tiles = [
            (Region(x=x, y=y, width=width, height=height), status, stored)
            for x, y, width, height, status, stored in zip(*near, strict=True)
        ]
        return [tile for tile in tiles if tile[0].intersection(chunk) is not None]

    def _numbers(self, name: str) -> NDArray[np.int64]:
        numbers: NDArray[np.int64] = self.table[name].to_numpy().astype(np.int64)
        return numbers


def read_table(folder: StoreFolder, metadata: StoreMetadata) -> "pa.Table":
    """Return the tile table of a store; its values are not compared with anything.

    Raises
    ------
    StoreError
        It is missing, damaged, or has other rows than the root says.
    """
    try:
        file = folder.open(TABLE)
    except OSError as error:
        raise folder.unread(TABLE, error) from error
    try:
        with file.stream() as stream:
            return read_parquet(stream, metadata.tile_count, TableShape.of(metadata))
    except StoreError as error:
        raise _damaged(folder, error) from error


def _damaged(folder: StoreFolder, error: StoreError) -> StoreError:
    return StoreError(f"{folder.path / TABLE} is damaged: {error}.")

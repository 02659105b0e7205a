"""How an array is cut into shards and chunks, and which of them a plan needs: pure integers."""

import itertools
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from typing import Self

import numpy as np
from numpy.typing import NDArray

from slidetile.format.codecs.codec import ChunkCodec
from slidetile.raster.region import Region

MOST_CHUNKS = 1 << 24
"""Most chunks of an array, stored or not: a million pixels a side in native tiles of 256.

It bounds what writers and readers note of each."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChunkGrid:
    """The chunks of one level's array, gathered into shards.

    Raises
    ------
    ValueError
        A length is less than 1.
    """

    width: int
    """Columns of the array, in pixels of its level."""

    height: int
    """Rows of the array, in pixels of its level."""

    chunk_width: int
    """Width of every chunk; those at the right edge reach over the array."""

    chunk_height: int
    """Height of every chunk; those at the bottom edge reach over the array."""

    chunks_across: int
    """Chunks in a row of a shard."""

    chunks_down: int
    """Chunks in a column of a shard."""

    def __post_init__(self) -> None:
        if min(getattr(self, name) for name in self.__slots__) < 1:
            raise ValueError(f"Every length of a grid is at least 1, but this one is {self!r}.")

    @classmethod
    def about(cls, size: tuple[int, int], chunk: tuple[int, int], shard_px: int) -> Self:
        """Return a grid whose shards are whole chunks, about ``shard_px`` wide and high."""
        return cls(
            width=size[0],
            height=size[1],
            chunk_width=chunk[0],
            chunk_height=chunk[1],
            chunks_across=max(1, round(shard_px / chunk[0])),
            chunks_down=max(1, round(shard_px / chunk[1])),
        )

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) of the array."""
        return self.width, self.height

    @property
    def shard_width(self) -> int:
        """Width of a shard, in pixels."""
        return self.chunk_width * self.chunks_across

    @property
    def shard_height(self) -> int:
        """Height of a shard, in pixels."""
        return self.chunk_height * self.chunks_down

    @property
    def chunks_per_shard(self) -> int:
        """Chunks in a shard."""
        return self.chunks_across * self.chunks_down

    @property
    def chunk_order(self) -> tuple[int, ...]:
        """The places of a shard's chunks in the order they lie in its file: along a Z curve."""
        return _places_along_z(self.chunks_across, self.chunks_down)

    @property
    def chunk_columns(self) -> int:
        """Chunks in a row of the array."""
        return -(-self.width // self.chunk_width)

    @property
    def chunk_rows(self) -> int:
        """Chunks in a column of the array."""
        return -(-self.height // self.chunk_height)

    @property
    def chunk_count(self) -> int:
        """Chunks of the array, stored or not."""
        return self.chunk_columns * self.chunk_rows

    @property
    def shard_columns(self) -> int:
        """Shards in a row of the array."""
        return -(-self.width // self.shard_width)

    @property
    def shard_rows(self) -> int:
        """Shards in a column of the array."""
        return -(-self.height // self.shard_height)

    def chunk_span(self, region: Region) -> Region:
        """Return the (columns × rows) of chunks that cover ``region``, itself inside the array."""
        width, height = self.chunk_width, self.chunk_height
        right, bottom = -(-region.right // width), -(-region.bottom // height)
        return Region.from_edges(region.x // width, region.y // height, right, bottom)

    def chunks_for(self, regions: Iterable[Region]) -> NDArray[np.bool_]:
        """Return which chunks any of ``regions`` touches, as bool [chunk row, chunk column]."""
        needed = np.zeros((self.chunk_rows, self.chunk_columns), np.bool_)
        width, height = self.chunk_width, self.chunk_height
        for r in regions:  # as `chunk_span` does, but faster: there may be a million
            rows = slice(r.y // height, -(-r.bottom // height))
            needed[rows, r.x // width : -(-r.right // width)] = True
        return needed

    def shards_for(self, needed: NDArray[np.bool_]) -> list["Shard"]:
        """Return the shards that hold any of the ``needed`` chunks, in row-major order."""
        down, across = self.chunks_down, self.chunks_across
        padded = np.zeros((self.shard_rows * down, self.shard_columns * across), np.bool_)
        padded[: needed.shape[0], : needed.shape[1]] = needed
        blocks = padded.reshape(self.shard_rows, down, self.shard_columns, across)
        by_shard = blocks.swapaxes(1, 2).reshape(self.shard_rows, self.shard_columns, -1)
        return [
            Shard(
                column=column, row=row, chunks=tuple(np.flatnonzero(by_shard[row, column]).tolist())
            )
            for row, column in np.argwhere(by_shard.any(axis=2)).tolist()
        ]

    def shard_region(self, shard: "Shard") -> Region:
        """Return the pixels of a shard, those outside the array included."""
        return Region(
            x=shard.column * self.shard_width,
            y=shard.row * self.shard_height,
            width=self.shard_width,
            height=self.shard_height,
        )

    def chunk_cell(self, shard: "Shard", chunk: int) -> tuple[int, int]:
        """Return the (column, row) in the array's chunk grid of a shard's ``chunk``."""
        down, across = divmod(chunk, self.chunks_across)
        return shard.column * self.chunks_across + across, shard.row * self.chunks_down + down

    def chunk_cells(self, shard: "Shard", places: Iterable[int] | None = None) -> NDArray[np.int64]:
        """Return `chunk_cell` of a shard's chunks, by default those wanted, as int64 [chunk, 2]."""
        chunks = np.fromiter(shard.chunks if places is None else places, np.int64)
        down, across = np.divmod(chunks, self.chunks_across)
        left, top = shard.column * self.chunks_across, shard.row * self.chunks_down
        return np.stack((left + across, top + down), axis=1).astype(np.int64, copy=False)

    def chunk_within_shard(self, chunk: int) -> Region:
        """Return the pixels of a shard's ``chunk``, from the shard's own corner."""
        down, across = divmod(chunk, self.chunks_across)
        return self.chunk_region(across, down)

    def chunk_region(self, column: int, row: int) -> Region:
        """Return the pixels of a chunk, those outside the array included."""
        return Region(
            x=column * self.chunk_width,
            y=row * self.chunk_height,
            width=self.chunk_width,
            height=self.chunk_height,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Shard:
    """One shard of a level and those of its chunks that are wanted."""

    column: int
    """Its column in the level's grid of shards."""

    row: int
    """Its row in the level's grid of shards."""

    chunks: tuple[int, ...]
    """The wanted chunks, by their place in the shard, row by row, ascending."""


def morton_key(shard: Shard, level: int = 0) -> int:
    """Return a shard's place on a Z curve (Morton 1966) over the finest level.

    Along this curve, at every level, the four shards that make a coarser one follow each other, so
    only a few unfinished coarser shards wait in memory.
    """
    return _z_place(shard.column, shard.row) << 2 * level


@cache
def _places_along_z(across: int, down: int) -> tuple[int, ...]:
    cells = itertools.product(range(down), range(across))
    along_z = sorted(cells, key=lambda cell: _z_place(cell[1], cell[0]))
    return tuple(row * across + column for row, column in along_z)


def _z_place(column: int, row: int) -> int:
    return _spread(column) | _spread(row) << 1


def _spread(number: int) -> int:
    return int(f"{number:b}", 4)  # each binary digit read as a base-4 one: a gap between bits


SHARD_PX = 1024
"""Approximate side of an encoded shard: one file per megapixel, whatever the tile size."""

COPIED_SHARD_PX = 4096
"""Approximate side of a shard of copied tiles, a few MB. One file per megapixel would make 20 times
as many files, and creating a file takes as long as copying its content."""

SHARDED_CHUNK_PX = 512


def is_sharded(codec: ChunkCodec) -> bool:
    """Return whether the codec's chunks are gathered in shards.

    Raw ones are not, to be mapped; those of a reference store are in no file.
    """
    return codec.name not in ("raw", "reference")


def encoded_grid(size: tuple[int, int], codec: ChunkCodec) -> ChunkGrid:
    """Return how an encoded level 0 of (width, height) pixels is cut."""
    chunk = SHARDED_CHUNK_PX if is_sharded(codec) else SHARD_PX
    return ChunkGrid.about(size, (chunk, chunk), SHARD_PX)

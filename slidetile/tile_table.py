"""The tile table: one row a tile, the proof of what a store holds."""

import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from slidetile.codecs import crc32c
from slidetile.errors import StoreError
from slidetile.layout import Grid, Shard
from slidetile.plan import TilePlan
from slidetile.quality_level import QUALITY_COLUMNS, Quality

if TYPE_CHECKING:
    import pyarrow as pa

LARGEST_TABLE_BYTES = 1 << 32
"""Bounds the memory a damaged table can take; a real one has some 60 bytes a tile."""

OK = "ok"
UNREADABLE = "unreadable"

Mpp = tuple[float, float] | None
"""Micrometres per pixel, as (x, y), or None where unknown."""

Span = tuple[slice, slice]
"""[rows, columns] of a chunk grid."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ShardRecord:
    """What became of the wanted chunks of one shard."""

    level: int
    """The level it belongs to."""

    shard: Shard
    """The shard."""

    chunks: dict[int, tuple[int, int]]
    """(bytes stored, CRC-32C of the payload) of each chunk, by its place in the shard."""

    unreadable: tuple[int, ...] = ()
    """The places of chunks whose pixels could not be read."""


class Ledger:
    """What is known of every chunk of level 0, as arrays over its chunk grid."""

    def __init__(self, grid: Grid) -> None:
        shape = grid.chunk_rows, grid.chunk_columns
        self._grid = grid
        self._stored_bytes = np.zeros(shape, np.int64)
        self._crc32c = np.zeros(shape, "<u4")
        self._unreadable = np.zeros(shape, np.bool_)

    def enter(self, record: ShardRecord) -> None:
        """Write down a shard of level 0."""
        if record.chunks:
            cells = self._cells(record.shard, record.chunks)
            self._stored_bytes[cells], self._crc32c[cells] = zip(
                *record.chunks.values(), strict=True
            )
        self._unreadable[self._cells(record.shard, record.unreadable)] = True

    def _cells(self, shard: Shard, places: Iterable[int]) -> tuple[NDArray[np.int64], ...]:
        """Return the rows and the columns of some of a shard's chunks in the chunk grid."""
        columns, rows = self._grid.chunk_cells(replace(shard, chunks=tuple(places))).T
        return rows, columns

    def tile_table(self, plan: TilePlan, quality: Quality, mpp: Mpp) -> "pa.Table":
        """Return the table of the plan's tiles; its columns are those of docs/store-format.md.

        ``quality`` was measured at ``mpp``; of tiles that could not be read it tells nothing.
        """
        import pyarrow as pa

        regions = plan.regions
        spans = [self._grid.chunk_span(region).slices for region in regions]
        ids = np.arange(len(plan), dtype=np.int32)
        status = np.array([self._status(span) for span in spans], np.object_)
        columns: dict[str, Any] = {
            "tile_id": ids,
            "column": plan.columns,
            "row": plan.rows,
            "x": np.array([region.x for region in regions], np.int32),
            "y": np.array([region.y for region in regions], np.int32),
            "width": np.array([region.width for region in regions], np.int32),
            "height": np.array([region.height for region in regions], np.int32),
            "region": plan.tissue_regions,
            "tissue_fraction": plan.tissue_fractions,
            "status": pa.array(status, pa.string()),
            "bytes": np.array([self.bytes_in(span) for span in spans], np.int64),
            "crc32c": np.array([self.checksum_of(span) for span in spans], np.uint32),
        }
        for name in QUALITY_COLUMNS:
            unknown = np.isnan(quality[name]) | (status == UNREADABLE)
            columns[name] = pa.array(quality[name], pa.float32(), mask=unknown)
        return pa.table(columns, schema=schema(mpp))

    def bytes_in(self, span: Span) -> int:
        """Return the stored length of the chunks in a span of the chunk grid."""
        return int(self._stored_bytes[span].sum())

    def checksum_of(self, span: Span) -> int:
        """Return the checksum of the chunks' checksums, row by row.

        Not of the chunks themselves: those of native and jpeg end with their own CRC-32C, and
        the CRC of data followed by their CRC no longer depends on the data.
        """
        checksums: NDArray[np.uint32] = self._crc32c[span][self._stored_bytes[span] > 0]
        return crc32c(checksums.tobytes())

    def _status(self, span: Span) -> str:
        return UNREADABLE if self._unreadable[span].any() else OK


def schema(mpp: Mpp = None) -> "pa.Schema":
    """Return the names and types of the table's columns, in their order.

    ``mpp`` is the resolution that the quality was measured at: the Laplacian's variance says it.
    """
    import pyarrow as pa

    numbers = ("tile_id", "column", "row", "x", "y", "width", "height", "region")
    types = {
        **dict.fromkeys(numbers, pa.int32()),
        "tissue_fraction": pa.float32(),
        "status": pa.string(),
        "bytes": pa.int64(),
        "crc32c": pa.uint32(),
    }
    told = {"mpp": json.dumps(mpp)}
    fields = [pa.field(name, kind) for name, kind in types.items()]
    fields += [pa.field(name, pa.float32(), metadata=told) for name in QUALITY_COLUMNS]
    return pa.schema(fields)


def write_parquet(table: "pa.Table") -> bytes:
    """Return the table as a Parquet file."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd")
    return bytes(sink.getvalue())


def read_parquet(path: Path) -> "pa.Table":
    """Read the table from its file.

    Raises
    ------
    StoreError
        It is missing, damaged, or claims too much memory.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        file = pq.ParquetFile(path)
        groups = [file.metadata.row_group(i) for i in range(file.metadata.num_row_groups)]
        if sum(group.total_byte_size for group in groups) > LARGEST_TABLE_BYTES:
            raise StoreError(f"{path} claims more than {LARGEST_TABLE_BYTES} bytes.")
        return file.read()
    except (OSError, pa.ArrowException) as error:
        raise StoreError(f"{path} could not be read: {error}.") from error

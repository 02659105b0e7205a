"""The tile table's columns, and its file."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np
from numpy.typing import NDArray

from slidetile.errors import StoreError
from slidetile.format.metadata.node import JsonNode
from slidetile.format.metadata.quality import QUALITY_MPP

if TYPE_CHECKING:
    import pyarrow as pa

QUALITY_COLUMNS = (
    *("mean_red", "mean_green", "mean_blue"),
    *("saturated_fraction", "clipped_fraction", "pen_fraction", "laplacian_variance"),
)
"""The quality columns of the tile table: float32, null where there is nothing to measure."""

Quality = dict[str, NDArray[np.float32]]
"""One value per tile, by column; NaN where there is nothing to measure."""

LARGEST_TABLE_BYTES = 1 << 32
"""Most bytes of a table in memory, in case of damage; a real one has about 60 bytes per tile."""

OK = "ok"
UNREADABLE = "unreadable"

Mpp = tuple[float, float] | None
"""Micrometres per pixel, as (x, y), or None where unknown."""


def schema(mpp: Mpp = None) -> "pa.Schema":
    """Return the names and types of the table's columns, in their order.

    ``mpp`` is the resolution at which quality was measured; the quality columns record it.
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
    measured_at = {"mpp": json.dumps(mpp)}
    fields = [pa.field(name, kind) for name, kind in types.items()]
    fields += [pa.field(name, pa.float32(), metadata=measured_at) for name in QUALITY_COLUMNS]
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
        It is missing or damaged, claims too much memory, or does not have the columns of `schema`.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with path.open("rb") as opened:  # of a path with a colon, Arrow makes an address
            file = pq.ParquetFile(opened)
            groups = [file.metadata.row_group(i) for i in range(file.metadata.num_row_groups)]
            if sum(group.total_byte_size for group in groups) > LARGEST_TABLE_BYTES:
                raise StoreError(f"{path} claims more than {LARGEST_TABLE_BYTES} bytes.")
            table = file.read()
        table.validate(full=True)
        flaw = _flaw(table)
    except (OSError, pa.ArrowException, UnicodeDecodeError) as error:  # the last for column names
        raise StoreError(f"{path} could not be read: {error}.") from error
    if flaw is not None:
        raise StoreError(f"{path} is damaged: {flaw}.")
    return table


def quality_mpp(table: "pa.Table") -> Mpp:
    """Return the recorded resolution at which a table's quality was measured.

    Raises
    ------
    StoreError
        It is missing or not valid.
    """
    field = table.schema.field("laplacian_variance")
    try:
        mpp = json.loads((field.metadata or {}).get(b"mpp", b""))
    except (ValueError, RecursionError) as error:  # as json documents
        raise StoreError(f"the mpp of its laplacian_variance is not JSON: {error}") from error
    return cast("Mpp", QUALITY_MPP.read(JsonNode(mpp, "the mpp of its laplacian_variance")))


def _flaw(table: "pa.Table") -> str | None:
    """Return how a table differs from what slidetile writes: other columns, or missing values."""
    if table.schema.remove_metadata() != schema():
        return f"its columns are {', '.join(table.column_names):.200}"
    facts = table.drop_columns(list(QUALITY_COLUMNS))
    empty = [name for name in facts.column_names if facts[name].null_count]
    return f"values of {', '.join(empty)} are missing" if empty else None

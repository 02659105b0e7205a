"""The tile table of a plan, made from the records of its chunks."""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from slidetile.format.class_columns import WINNER
from slidetile.format.ledger import Ledger
from slidetile.format.table import (
    CORE,
    SLIDE,
    UNREADABLE,
    Mpp,
    Quality,
    TableShape,
    schema,
    slide_column,
)
from slidetile.planning.labels import tell_classes
from slidetile.planning.plan import TilePlan

if TYPE_CHECKING:
    import pyarrow as pa


def tile_table(
    ledger: Ledger, plan: TilePlan, quality: Quality, mpp: Mpp, shape: TableShape
) -> "pa.Table":
    """Return the table of the plan's tiles; its columns are those of store-format.md.

    ``quality`` was measured at ``mpp``; tiles that could not be read get none. ``shape`` is that of
    the store's metadata.
    """
    import pyarrow as pa

    names = plan.core_names
    fields = schema(mpp, shape)
    left, top, right, bottom = (edge.astype(np.int32) for edge in plan.edges)
    spans = [ledger.grid.chunk_span(region).slices for region in plan.regions]
    status = [ledger.status_of(span) for span in spans]
    numbers: dict[str, NDArray[Any]] = {
        "tile_id": np.arange(len(plan), dtype=np.int32),
        "column": plan.columns,
        "row": plan.rows,
        "x": left,
        "y": top,
        "width": right - left,
        "height": bottom - top,
        "region": plan.tissue_pieces,
        "tissue_fraction": plan.tissue_fractions,
        "bytes": np.array([ledger.bytes_in(span) for span in spans], np.int64),
        "crc32c": np.array([ledger.checksum_of(span) for span in spans], np.uint32),
    }
    columns = {name: _column(values) for name, values in numbers.items()}
    columns["status"] = pa.array(status, pa.string())
    if shape.slide is not None:
        columns[SLIDE] = slide_column(shape.slide, len(plan))
    if names is not None:
        columns[CORE] = pa.array(names, pa.string())
    columns |= _class_columns(plan, shape)
    unreadable = np.array([each == UNREADABLE for each in status], np.bool_)
    for name in (name for name in fields.names if name not in columns):
        columns[name] = _column(quality[name], unknown=np.isnan(quality[name]) | unreadable)
    return pa.table(columns, schema=fields)


def _class_columns(plan: TilePlan, shape: TableShape) -> "dict[str, pa.Array]":
    """Return the columns of classes; none where there are no labels."""
    import pyarrow as pa

    if plan.labels is None:
        return {}
    shares, counts = plan.class_fractions, plan.class_counts
    assert shares is not None, "there are labels"
    assert counts is not None, "there are labels"
    tell_classes(plan.labels, shares, counts)
    names = [*plan.labels.areas.names, None]  # the last one is that of none
    winners = [names[place] for place in plan.labels.areas.winning(shares).tolist()]
    columns = {WINNER: pa.array(winners, pa.string())}
    for place, each in enumerate(shape.classes):
        columns[each.share] = _column(np.ascontiguousarray(shares[:, place]))
        if each.has_points:
            columns[each.count] = _column(counts[:, place].astype(np.int32))
    return columns


def _column(values: NDArray[Any], *, unknown: NDArray[np.bool_] | None = None) -> "pa.Array":
    """Return numbers as a column; null where they are unknown.

    Not by `pyarrow.array`, which loads numpy's masked arrays.
    """
    import pyarrow as pa

    known = None if unknown is None else pa.py_buffer(np.packbits(~unknown, bitorder="little"))
    buffers = [known, pa.py_buffer(np.ascontiguousarray(values))]
    return pa.Array.from_buffers(pa.from_numpy_dtype(values.dtype), len(values), buffers)

"""The tile table of a plan, made from the records of its chunks."""

from typing import TYPE_CHECKING, Any

import numpy as np

from slidetile.format.ledger import Ledger
from slidetile.format.table import QUALITY_COLUMNS, UNREADABLE, Mpp, Quality, schema
from slidetile.planning.plan import TilePlan

if TYPE_CHECKING:
    import pyarrow as pa


def tile_table(ledger: Ledger, plan: TilePlan, quality: Quality, mpp: Mpp) -> "pa.Table":
    """Return the table of the plan's tiles; its columns are those of store-format.md.

    ``quality`` was measured at ``mpp``; tiles that could not be read get none.
    """
    import pyarrow as pa

    regions = plan.regions
    spans = [ledger.grid.chunk_span(region).slices for region in regions]
    ids = np.arange(len(plan), dtype=np.int32)
    status = np.array([ledger.status_of(span) for span in spans], np.object_)
    columns: dict[str, Any] = {
        "tile_id": ids,
        "column": plan.columns,
        "row": plan.rows,
        "x": np.array([region.x for region in regions], np.int32),
        "y": np.array([region.y for region in regions], np.int32),
        "width": np.array([region.width for region in regions], np.int32),
        "height": np.array([region.height for region in regions], np.int32),
        "region": plan.tissue_pieces,
        "tissue_fraction": plan.tissue_fractions,
        "status": pa.array(status, pa.string()),
        "bytes": np.array([ledger.bytes_in(span) for span in spans], np.int64),
        "crc32c": np.array([ledger.checksum_of(span) for span in spans], np.uint32),
    }
    for name in QUALITY_COLUMNS:
        unknown = np.isnan(quality[name]) | (status == UNREADABLE)
        columns[name] = pa.array(quality[name], pa.float32(), mask=unknown)
    return pa.table(columns, schema=schema(mpp))

"""The columns of a tile table as so few numbers that thousands of tables fit into one page.

Of each column a few of its sorted values are kept, evenly spaced by rank: they tell how many tiles
lie above or below any number to within a thirty-second of the tiles, and exactly where there are no
more than 33. Knows arrays. Does not know pages.
"""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from slidetile.viewer.scene.columns import Column, numeric_columns, packed

if TYPE_CHECKING:
    import pyarrow as pa

KEPT = 33
"""Values that are kept of each column: 3,000 slides of ten columns are about 5 MB."""

MOST_COLUMNS = 40
"""Columns that are kept of each table, however many it has."""


def ranks(count: int) -> NDArray[np.int64]:
    """Return the ranks of the values that are kept of so many: the least, the most, and between."""
    kept = min(KEPT, count)
    return np.arange(kept, dtype=np.int64) * (count - 1) // max(1, kept - 1)


def table_quantiles(table: "pa.Table") -> list[dict[str, Any]]:
    """Return what is kept of the columns of a tile table, as JSON.

    Each has its name, how many tiles have a value, and the values at `ranks` of that number, the
    least first.
    """
    return [_facts(column) for column in numeric_columns(table)[:MOST_COLUMNS]]


def _facts(column: Column) -> dict[str, Any]:
    values = column.values
    known = np.sort(values[~np.isnan(values)])
    kept = Column(column.name, known[ranks(len(known))])
    return {
        "name": column.name,
        "known": len(known),
        "type": kept.values.dtype.str[1:],
        "data": packed(kept.values),
    }

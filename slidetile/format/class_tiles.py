"""Which tiles have any of a class, as the tile table tells."""

from typing import TYPE_CHECKING

from slidetile.format.class_columns import ClassColumn

if TYPE_CHECKING:
    import pyarrow as pa


def tiles_with_any(tiles: "pa.Table", column: ClassColumn) -> int:
    """Return how many tiles have any of a class: a share of it, or one of its points."""
    has_any = tiles[column.share].to_numpy() > 0
    if column.has_points:
        has_any |= tiles[column.count].to_numpy() > 0
    return int(has_any.sum())

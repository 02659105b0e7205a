"""Whether each row of a tile table can be a tile of its store."""

import itertools
from collections.abc import Collection, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from slidetile.errors import StoreError
from slidetile.format.class_columns import WINNER, ClassColumn
from slidetile.format.table import CORE, OK, UNREADABLE, quality_names
from slidetile.raster.grid import TileGrid

if TYPE_CHECKING:
    import pyarrow as pa

LARGEST_TILE_BYTES = 1 << 40
"""More than the chunks of any tile take; sums of a billion such numbers stay exact."""


def check_rows(
    table: "pa.Table",
    grid: TileGrid,
    cores: Collection[str] = (),
    classes: Sequence[ClassColumn] = (),
) -> None:
    """Check that every row is a tile of the grid, and that each of its values is possible.

    Whether the values are true is not checked: `slidetile.verify` compares them with the chunks.

    Parameters
    ----------
    table
        The table, as `read_parquet` returns it.
    grid
        Where tiles lie.
    cores
        The names of the cores, where tiles are named by them.
    classes
        The columns of the classes, where there are some.

    Raises
    ------
    StoreError
        One is not. The message is about "its tile N".
    """
    rules = itertools.chain(_rules(table, grid, frozenset(cores)), _class_rules(table, classes))
    for name, is_right, wanted in rules:
        if not is_right.all():
            tile = int(np.argmin(is_right))
            found = table[name][tile].as_py()
            raise StoreError(f"its tile {tile} has the {name} {found!r:.40}, but {wanted}")


def _rules(
    table: "pa.Table", grid: TileGrid, cores: frozenset[str]
) -> Iterator[tuple[str, NDArray[np.bool_], str]]:
    """Yield, for each column, which rows are right and what the others should be."""
    whole = {
        name: table[name].to_numpy().astype(np.int64)
        for name in ("tile_id", "column", "row", "x", "y", "width", "height", "region", "bytes")
    }
    columns, rows, x, y = (whole[name] for name in ("column", "row", "x", "y"))
    yield "tile_id", whole["tile_id"] == np.arange(len(table)), "tiles are numbered from 0"
    for name, count in (("column", grid.columns), ("row", grid.rows)):
        yield name, _within(whole[name], 0, count - 1), f"the slide has {count} {name}s of tiles"
    place = rows * (1 << 31) + columns
    yield "column", np.diff(place, prepend=-1) > 0, "tiles follow each other row by row"
    what = "its column and row say another"
    yield "x", x == grid.lefts(columns), what
    yield "y", y == grid.tops(rows), what
    what = f"tiles have {grid.size} px and end with the slide"
    yield "width", whole["width"] == np.minimum(grid.size, grid.width - x), what
    yield "height", whole["height"] == np.minimum(grid.size, grid.height - y), what
    yield "region", whole["region"] >= 0, "pieces of tissue are numbered from 1"
    yield "bytes", _within(whole["bytes"], 0, LARGEST_TILE_BYTES), "no tile takes that"
    share = table["tissue_fraction"].to_numpy()
    yield "tissue_fraction", _within(share, 0, 1), "a share lies within 0–1"
    # Arrow's own search, like its `cast` and `is_null`, would load all of its functions, which
    # takes as long as opening a store.
    statuses = table["status"].to_pylist()
    known = np.fromiter((each in (OK, UNREADABLE) for each in statuses), np.bool_, len(statuses))
    yield "status", known, f"a status is {OK!r} or {UNREADABLE!r}"
    if CORE in table.column_names:
        names = [name is None or name in cores for name in table[CORE].to_pylist()]
        yield CORE, np.array(names, np.bool_), "the store's cores have other names"
    for name in quality_names(table):
        values = table[name].to_numpy()
        is_nan = np.isnan(values)  # as nulls are, too
        are_nulls = is_nan & (np.count_nonzero(is_nan) == table[name].null_count)
        yield name, np.isfinite(values) | are_nulls, "what was measured is finite"


def _class_rules(
    table: "pa.Table", classes: Sequence[ClassColumn]
) -> Iterator[tuple[str, NDArray[np.bool_], str]]:
    """Yield the same for the columns of classes."""
    if not classes:
        return
    known = {None, *(each.name for each in classes)}
    names = [name in known for name in table[WINNER].to_pylist()]
    yield WINNER, np.array(names, np.bool_), "the store's classes have other names"
    for each in classes:
        yield each.share, _within(table[each.share].to_numpy(), 0, 1), "a share lies within 0–1"
        if each.has_points:
            counts = table[each.count].to_numpy()
            yield each.count, counts >= 0, "points are counted from 0"


def _within(values: NDArray[Any], least: int, most: int) -> NDArray[np.bool_]:
    is_right: NDArray[np.bool_] = (values >= least) & (values <= most)
    return is_right

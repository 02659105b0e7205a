"""A row of a cohort's table: its columns, as values, as JSON and as Arrow.

Knows columns. Does not know files.
"""

import contextlib
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from slidetile.cohort.result import SlideResult

if TYPE_CHECKING:
    import pyarrow as pa

VERSION = 1
"""Version of the table, in the metadata of its Parquet files and before the rows in JSON."""

KEY, ENDED = "key", "ended"
"""The latest row of a key is what became of its slide."""

Row = dict[str, Any]

_TEXT, _WHOLE, _NUMBER, _TEXTS = "string", "int64", "float64", "list<string>"

COLUMNS = {
    "key": _TEXT,
    "slide": _TEXT,
    "status": _TEXT,
    "store": _TEXT,
    "error_type": _TEXT,
    "reason": _TEXT,
    "note": _TEXT,
    "warnings": _TEXTS,
    "codec": _TEXT,
    "not_native": _TEXT,
    "mpp": _NUMBER,
    "mpp_source": _TEXT,
    "tiles": _WHOLE,
    "unreadable": _WHOLE,
    "tile_bytes": _WHOLE,
    "tissue_pieces": _WHOLE,
    "tissue_area_mm2": _NUMBER,
    "slide_area_mm2": _NUMBER,
    "left_out": _TEXT,
    "seconds": _NUMBER,
    "peak_memory_bytes": _WHOLE,
    "attempts": _WHOLE,
    "settings": _TEXT,
    "root": _TEXT,
    "log": _TEXT,
    "run": _TEXT,
    "ended": _TEXT,
}
"""The columns of every row, and their types; a manifest's other columns follow them, as text."""


def row_of(
    result: SlideResult, *, slide: str, store: str | None, run: str, after: str | None = None
) -> Row:
    """Return a result as a row.

    Parameters
    ----------
    result
        What became of a slide that ended now.
    slide, store
        Its paths, absolute: they mean the same to whoever reads them.
    run
        The name of the run.
    after
        When the slide's row before ended, by whichever host's clock: this one counts as later.
    """
    row = {name: getattr(result, name, None) for name in COLUMNS}
    row |= {"slide": slide, "store": store, "run": run, ENDED: _now(after)}
    row["warnings"] = list(result.warnings)
    return {**{name: _as_text(value) for name, value in row.items()}, **result.columns}


def _as_text(value: Any) -> Any:
    """Return a value whose text can be written: a path may hold bytes that are none."""
    if isinstance(value, list):
        return [_as_text(each) for each in value]
    return value.encode(errors="backslashreplace").decode() if isinstance(value, str) else value


def _now(after: str | None) -> str:
    now = datetime.now(UTC)
    with contextlib.suppress(ValueError):
        if after:
            now = max(now, datetime.fromisoformat(after) + timedelta(microseconds=1))
    return now.isoformat(timespec="microseconds").replace("+00:00", "Z")


def arrow_of(rows: Sequence[Mapping[str, Any]]) -> "pa.Table":
    """Return rows as an Arrow table, with the columns that any of them has."""
    import pyarrow as pa

    types = {_TEXT: pa.string(), _WHOLE: pa.int64(), _NUMBER: pa.float64()}
    types[_TEXTS] = pa.list_(pa.string())
    fields = [pa.field(name, types[kind]) for name, kind in COLUMNS.items()]
    fields += [pa.field(name, pa.string()) for name in _others(rows)]
    schema = pa.schema(fields, metadata={"slidetile_table": str(VERSION)})
    return pa.Table.from_pylist(list(rows), schema)


def _others(rows: Iterable[Mapping[str, Any]]) -> list[str]:
    names = dict.fromkeys(name for row in rows for name in row)
    return [name for name in names if name not in COLUMNS]


def latest(table: "pa.Table") -> "pa.Table":
    """Return the latest row of each key, in the order of the keys."""
    import numpy as np
    import pyarrow.compute as pc

    if not table.num_rows:
        return table
    # Places are sorted, not rows: of a large table no second one is made.
    places = pc.sort_indices(table, sort_keys=[(KEY, "ascending"), (ENDED, "ascending")])
    keys = table[KEY].take(places).combine_chunks().dictionary_encode()
    codes = keys.indices.to_numpy(zero_copy_only=False)
    is_last = np.append(codes[1:] != codes[:-1], True)
    return table.take(places.filter(is_last))

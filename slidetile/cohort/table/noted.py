"""What earlier runs have noted of a cohort's slides, held as a table: a few hundred bytes a slide.

Knows rows and their keys. Does not know files.
"""

from collections.abc import Collection, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from slidetile.cohort.table.rows import KEY

if TYPE_CHECKING:
    import pyarrow as pa


class NotedRows(Mapping[str, Mapping[str, Any]]):
    """Rows by their keys, each made a dict when it is asked for.

    Parameters
    ----------
    table
        A row for each key.
    keys
        The keys whose rows are kept.
    moved
        Where slides are now that lay elsewhere when their row was written, by their keys.
    """

    def __init__(
        self, table: "pa.Table", keys: Collection[str], moved: Mapping[str, str] | None = None
    ) -> None:
        import pyarrow as pa

        found = table[KEY].to_pylist()
        self._table = table.filter(
            pa.array([key in keys for key in found], pa.bool_())
        ).combine_chunks()
        self._places = {key: n for n, key in enumerate(key for key in found if key in keys)}
        self._moved = {key: path for key, path in (moved or {}).items() if key in keys}

    def __getitem__(self, key: str) -> Mapping[str, Any]:
        (row,) = self._table.slice(self._places[key], 1).to_pylist()
        if key in self._moved:
            row["slide"] = self._moved[key]
        found: Mapping[str, Any] = row
        return found

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)

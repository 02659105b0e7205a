"""The columns of a tile table, packed for a browser: a million tiles are a few megabytes.

Knows arrays and names. Does not know where they come from, nor what is shown of them.
"""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from slidetile.format.table import OK

if TYPE_CHECKING:
    import pyarrow as pa

NOT_FILTERED = frozenset(
    {"tile_id", "column", "row", "x", "y", "width", "height", "crc32c", "status"}
)
"""Columns that say where a tile is and not what it is like; no slider is made of them."""

Scores = Mapping[str, Sequence[float] | NDArray[Any]]
"""Numbers of tiles that no store holds, such as what a network says of them, by their name."""

_TYPES = ("u1", "i4", "f4", "f8")
"""What a browser's typed arrays hold, little-endian."""


@dataclass(frozen=True, slots=True, eq=False)
class Column:
    """The values of one column, one for each tile.

    Raises
    ------
    TypeError
        The array's type is none that a browser has.
    """

    name: str
    """Its name in the table."""

    values: NDArray[Any]
    """uint8, int32, float32 or float64; NaN where a value is missing."""

    def __post_init__(self) -> None:
        if self._type not in _TYPES:
            raise TypeError(f"A column holds {', '.join(_TYPES)}, but {self.name} {self._type}.")

    @property
    def facts(self) -> dict[str, Any]:
        """The column as JSON: its type, its limits, and its values in base64."""
        known = self.values[~np.isnan(self.values)]
        limits = [float(known.min()), float(known.max())] if len(known) else None
        return {
            "name": self.name,
            "type": self._type,
            "limits": limits,
            "missing": len(self.values) - len(known),
            "data": packed(self.values),
        }

    @property
    def _type(self) -> str:
        return self.values.dtype.str[1:]


def packed(values: NDArray[Any]) -> str:
    """Return the base64 of an array's bytes, little-endian."""
    little = np.ascontiguousarray(values, values.dtype.newbyteorder("<"))
    return base64.b64encode(little.data).decode()


def numeric_columns(table: "pa.Table") -> tuple[Column, ...]:
    """Return the columns of a tile table that can be filtered and coloured by, in its order."""
    import pyarrow as pa

    kinds = pa.types.is_integer, pa.types.is_floating, pa.types.is_boolean
    found = []
    for name in table.column_names:
        is_number = any(is_kind(table.schema.field(name).type) for is_kind in kinds)
        if is_number and name not in NOT_FILTERED:
            found.append(Column(name, as_browser_type(table[name].to_numpy())))
    return tuple(found)


def scored(table: "pa.Table", scores: Scores) -> "pa.Table":
    """Return a tile table with more columns of numbers.

    Raises
    ------
    ValueError
        There is not one number for each tile, or the table has a column of that name.
    """
    for name, values in scores.items():
        numbers = np.asarray(values, np.float64).reshape(-1)
        if len(numbers) != len(table):
            raise ValueError(
                f"The scores {name} are {len(numbers)}, but there are {len(table)} tiles: give one "
                "for each, NaN where there is none."
            )
        if name in table.column_names:
            raise ValueError(f"The tile table has a column {name} already: name the scores anew.")
        table = table.append_column(name, [numbers])
    return table


def unreadable_column(table: "pa.Table") -> NDArray[np.uint8]:
    """Return 1 for each tile that could not be read from the slide, uint8."""
    statuses = table["status"].to_pylist()
    return np.fromiter((each != OK for each in statuses), np.uint8, len(statuses))


def as_browser_type(values: NDArray[Any]) -> NDArray[Any]:
    """Return numbers in a type that a browser has, without loss below 2⁵³."""
    if values.dtype.str[1:] in _TYPES:
        return values
    if values.dtype.kind in "iu" and (not len(values) or abs(values).max() < 1 << 31):
        return values.astype(np.int32)
    return values.astype(np.float64)


def row_facts(table: "pa.Table", index: int) -> list[list[Any]]:
    """Return a row of a table as [name, value] pairs, in its order.

    Raises
    ------
    IndexError
        The table has no such row.
    """
    if not 0 <= index < len(table):
        raise IndexError(f"There are {len(table)} tiles, so there is no tile {index}.")
    row: Mapping[str, Any] = table.slice(index, 1).to_pylist()[0]
    return [[name, json_number(value)] for name, value in row.items()]


def json_number(value: Any) -> Any:
    """Return a value as JSON has it: None for what is no number."""
    return None if isinstance(value, float) and not np.isfinite(value) else value

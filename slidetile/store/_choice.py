"""Which tiles are meant: what a caller gives as their choice, as ids.

Knows the forms a choice has, and what else is tried. Does not know where tiles lie.
"""

import re
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from slidetile.counts import nearest_first
from slidetile.store._picked import picked
from slidetile.store.selection import TileReader, TileSelection

if TYPE_CHECKING:
    import pyarrow.compute as pc

_COMPARED = re.compile(r"\s*(\w+)\s*(<=|>=|==|!=|<|>)\s*([^<>=&|]+?)\s*")
"""A comparison that somebody has written as text."""

_EXAMPLE = 'pc.field("tissue_fraction") > 0.5'


def chosen_ids(choice: Any, store: TileReader) -> NDArray[Any]:
    """Return the ids of the tiles that are chosen, which the store may not have.

    Parameters
    ----------
    choice
        An expression over the columns of the store's table, ids, a mask of all tiles, or a
        selection of this store.
    store
        The store.

    Raises
    ------
    TypeError
        It is none of these; the message has the form that is meant.
    ValueError
        The expression names a column that the table does not have, or the selection is of another
        store.
    IndexError
        A mask has another length.
    """
    import pyarrow.compute as pc

    if isinstance(choice, pc.Expression):
        return _that_fulfil(choice, store)
    if isinstance(choice, TileSelection):
        if choice.store is not store:
            raise ValueError(
                "These tiles were selected from another store: a selection chooses tiles of its "
                "own store alone. An expression is for all."
            )
        return choice.tile_ids
    if isinstance(choice, str | bytes):
        raise TypeError(
            f"Tiles are chosen by an expression, not by the text {choice!r}: import "
            f"pyarrow.compute as pc, then {_meant(str(choice))}."
        )
    ids = np.asarray([] if choice is None or callable(choice) else choice)
    if (ids.dtype.kind not in "iub" and ids.size) or choice is None or callable(choice):
        given = f"{type(choice).__name__} of {ids.dtype}" if ids.size else type(choice).__name__
        raise TypeError(
            f"Tiles are chosen by an expression such as {_EXAMPLE} (pc is pyarrow.compute), by "
            f"their ids, which are integers, or by a mask, but this is {given}."
        )
    return picked(ids, len(store), "tiles") if ids.dtype.kind == "b" else ids


def _that_fulfil(expression: "pc.Expression", store: TileReader) -> NDArray[Any]:
    import pyarrow as pa

    table = store.tiles
    try:
        found = table.filter(expression)
    except pa.ArrowTypeError as error:
        raise TypeError(f"{expression} does not choose tiles: {error}") from error
    except pa.ArrowInvalid as error:
        unknown = re.search(r"FieldRef\.Name\((.*?)\)", str(error))
        if unknown is None:
            raise ValueError(f"{expression} does not choose tiles: {error}") from error
        raise ValueError(
            f"The tile table has no column {unknown[1]}, but, the most alike first, "
            f"{', '.join(nearest_first(unknown[1], table.column_names))}."
        ) from error
    ids: NDArray[Any] = found["tile_id"].to_numpy()
    return ids


def _meant(text: str) -> str:
    """Return the expression that a text means; an example where that is not plain."""
    found = _COMPARED.fullmatch(text)
    if found is None:
        return _EXAMPLE
    column, sign, value = found.groups()
    return f'pc.field("{column}") {sign} {value}'

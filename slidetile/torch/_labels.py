"""The label of each window: the value of a column of the tile table, or its share of each class.

Knows tables and where windows lie. Does not know how tiles were labelled.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from slidetile.counts import how_many, nearest_first
from slidetile.format.class_columns import WINNER
from slidetile.raster.class_areas import NO_CLASS, ClassAreas, winning
from slidetile.raster.region import Region
from slidetile.store.store import TileStore
from slidetile.store.window_source import WindowSource
from slidetile.torch._labelled import Labels


@runtime_checkable
class ClassFractions(Protocol):
    """What knows the classes of a slide."""

    @property
    def names(self) -> Sequence[str]:
        """The names of the classes."""
        ...

    def fractions(self, regions: Sequence[Region]) -> NDArray[np.float64]:
        """Return the share of each class in each region of level-0 pixels: [region, class]."""
        ...


SHARES = "classes"
"""What chooses each window's share of each class that its store has; no column has this name."""

LabelChoice = str | Sequence[str] | ClassFractions | Mapping[str, ClassFractions]
"""The name of a column, those of several, or what knows the classes of the slide, or of each."""


def labels_of(
    choice: LabelChoice, stores: Mapping[str, TileStore], sources: Sequence[WindowSource]
) -> Labels:
    """Return the label of each window of some stores, one store after another.

    Raises
    ------
    ValueError
        A store does not have what was chosen, no tile or window has a class, or stores differ.
    """
    pairs = list(zip(stores, stores.values(), sources, strict=True))
    if choice in (SHARES, WINNER) and any(store.metadata.labels for store in stores.values()):
        shares = _shares(_recorded(stores), stores, sources)
        return _single(shares) if choice == SHARES else _winning(shares)
    if isinstance(choice, str):
        parts = [
            _column(name, store, choice)[tiles_under(store, source)]
            for name, store, source in pairs
        ]
        return _words(parts, choice) if parts[0].dtype == np.object_ else _numbers(parts, [choice])
    if isinstance(choice, Mapping | ClassFractions):
        return _single(_shares(choice, stores, sources))
    columns = list(choice)
    if not columns:
        raise ValueError("labels names no column of the tile table: name one, or leave it out.")
    tables = [
        np.stack([_number(name, store, column) for column in columns], axis=1)[
            tiles_under(store, source)
        ]
        for name, store, source in pairs
    ]
    return _numbers(tables, columns)


def _numbers(parts: Sequence[NDArray[Any]], columns: Sequence[str]) -> Labels:
    values = np.concatenate(parts).astype(np.float32)
    is_any = (np.nan_to_num(values) != 0).reshape(len(values), -1).any(axis=0)
    absent = [name for name, is_there in zip(columns, is_any, strict=True) if not is_there]
    if absent:
        raise ValueError(
            f"No window has any of {', '.join(absent)}: in the tiles under them it is 0 or missing."
        )
    return Labels(values=values, names=tuple(columns))


def _words(parts: Sequence[NDArray[Any]], column: str) -> Labels:
    """Return words as the places of the classes there are, in their order."""
    words = np.concatenate(parts)
    names = sorted({word for word in words.tolist() if word is not None})
    if not names:
        raise ValueError(f"No window lies on a tile that has a value of the column {column}.")
    places = {name: place for place, name in enumerate(names)} | {None: NO_CLASS}
    values = np.array([places[word] for word in words.tolist()], np.int64)
    return Labels(values=values, names=tuple(names))


def _number(name: str, store: TileStore, column: str) -> NDArray[np.float32]:
    values = _column(name, store, column)
    if values.dtype == np.object_:
        raise ValueError(
            f"The column {column} of {name} holds words, so it is a label by itself only, not one "
            "of several."
        )
    return values.astype(np.float32)


def _column(name: str, store: TileStore, column: str) -> NDArray[Any]:
    """Return the value of each tile: float64, or words as objects."""
    import pyarrow as pa

    table = store.tiles
    if column not in table.column_names:
        lacking = "" if column != SHARES else " Its slide was tiled without labels."
        raise ValueError(
            f"The tile table of {name} has no column {column}; it has, the most alike first, "
            f"{', '.join(nearest_first(column, table.column_names))}.{lacking}"
        )
    values = table[column].to_pylist()
    kinds = pa.types.is_string, pa.types.is_large_string, pa.types.is_dictionary
    is_words = any(is_kind(table[column].type) for is_kind in kinds)
    return np.array(values, np.object_ if is_words else np.float64)  # None becomes NaN


def tiles_under(store: TileStore, source: WindowSource) -> NDArray[np.intp]:
    """Return the tile under the centre of each window, by its row; of several, the last one.

    Tiles overlap at a slide's edges only. A centre beyond the slide counts as on its edge.
    """
    table, size = store.tiles, np.array(store.levels[0].size)
    corners = np.stack([table[name].to_numpy().astype(np.int64) for name in ("x", "y")], axis=1)
    half = np.array(source.downsample) * source.spec.size / 2
    centres = np.minimum(np.floor(source.plan.coordinates + half).astype(np.int64), size - 1)
    starts = [np.unique(corners[:, axis]) for axis in (0, 1)]
    keys = np.searchsorted(starts[1], corners[:, 1]) * len(starts[0])
    keys += np.searchsorted(starts[0], corners[:, 0])
    order = np.argsort(keys, kind="stable")
    in_order = keys[order]
    found = np.full(len(centres), -1, np.intp)
    for back_y, back_x in ((1, 1), (1, 0), (0, 1), (0, 0)):  # the last one wins
        column = np.searchsorted(starts[0], centres[:, 0], side="right") - 1 - back_x
        row = np.searchsorted(starts[1], centres[:, 1], side="right") - 1 - back_y
        key = row * len(starts[0]) + column
        place = np.minimum(np.searchsorted(in_order, key), len(order) - 1)
        tile = order[place]
        is_there = (keys[tile] == key) & (row >= 0) & (column >= 0)
        is_over = (centres - corners[tile] < store.tile_size).all(axis=1)
        found[is_there & is_over] = tile[is_there & is_over]
    assert (found >= 0).all(), "windows lie on tiles"
    return found


def _shares(
    choice: ClassFractions | Mapping[str, ClassFractions],
    stores: Mapping[str, TileStore],
    sources: Sequence[WindowSource],
) -> Labels:
    """Return the share of each class in each window."""
    if isinstance(choice, ClassFractions):
        if len(stores) > 1:
            raise ValueError(
                f"One slide's classes do not fit {len(stores)} stores: give a mapping, "
                "{name of the store: its classes}."
            )
        choice = dict.fromkeys(stores, choice)
    lacking = [name for name in stores if name not in choice]
    if lacking:
        raise ValueError(f"Nothing knows the classes of {', '.join(lacking)}.")
    names = tuple(sorted({name for each in stores for name in choice[each].names}))
    values = np.zeros((sum(map(len, sources)), len(names)))
    first = 0
    for each, source in zip(stores, sources, strict=True):
        columns = [names.index(name) for name in choice[each].names]
        values[first : first + len(source), columns] = _fractions(choice[each], source)
        first += len(source)
    if not values.any():
        raise ValueError(f"No window has any of the classes {', '.join(names)}.")
    return Labels(values=values, names=names)


def _fractions(classes: ClassFractions, source: WindowSource) -> NDArray[np.float64]:
    edges = source.level_0
    if isinstance(classes, ClassAreas):
        return classes.fractions(edges)
    return classes.fractions([Region.from_edges(*each) for each in edges.tolist()])


def _recorded(stores: Mapping[str, TileStore]) -> dict[str, ClassFractions]:
    """Return the classes that stores were labelled with.

    Raises
    ------
    ValueError
        One was not.
    """
    found = {name: store.class_areas for name, store in stores.items()}
    lacking = [name for name, areas in found.items() if areas is None]
    if lacking:
        raise ValueError(
            f"{', '.join(lacking)} of the {how_many(len(stores), 'stores')} has no labels: tile "
            "its slide with them, or leave it out."
        )
    return {name: areas for name, areas in found.items() if areas is not None}


def _single(shares: Labels) -> Labels:
    """Return shares as what networks count in."""
    return Labels(values=shares.values.astype(np.float32), names=shares.names)


def _winning(shares: Labels) -> Labels:
    """Return the class with the largest share of each window; of equal ones the first by name."""
    return Labels(values=winning(shares.values).astype(np.int64), names=shares.names)

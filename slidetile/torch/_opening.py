"""From what a caller names to open stores, each by a name of its own."""

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TypeAlias

from slidetile.cloud.address import Address, locate
from slidetile.format.names import is_passing
from slidetile.store.listed import stores_at
from slidetile.store.location import stores_in
from slidetile.store.marks import is_store
from slidetile.store.store import TileStore, open_store

OneStore: TypeAlias = TileStore | str | os.PathLike[str] | Address
Stores: TypeAlias = OneStore | Iterable[OneStore] | Mapping[str, OneStore]
"""A store or where it is; several; several by name; or a folder of stores."""


def opened(stores: Stores) -> dict[str, TileStore]:
    """Return open stores by name: that of the folder without its suffix, unless others are given.

    Raises
    ------
    ValueError
        There is none, or two have the same name.
    SlidetileError
        One cannot be opened.
    """
    if isinstance(stores, Mapping):
        named = {str(name): _opened(each) for name, each in stores.items()}
    else:
        if isinstance(stores, TileStore | str | os.PathLike | Address):
            stores = [stores]
        named = _by_name(stores)
    if not named:
        raise ValueError("A dataset needs a store at least, but there is none.")
    return named


def _by_name(stores: Iterable[OneStore]) -> dict[str, TileStore]:
    named: dict[str, TileStore] = {}
    for each in (found for given in stores for found in _in_folder(given)):
        store = _opened(each)
        name = store.path.stem or str(store.path)
        if name in named:
            raise ValueError(
                f"Two stores are called {name}: {named[name].path} and {store.path}. Tell them "
                "apart by a mapping, {name: store}."
            )
        named[name] = store
    return named


def _opened(store: OneStore) -> TileStore:
    return store if isinstance(store, TileStore) else open_store(store)


def _in_folder(given: OneStore) -> list[OneStore]:
    """Return the stores of a folder of stores; of all else, what was given."""
    if isinstance(given, TileStore):
        return [given]
    place = locate(given)
    if isinstance(place, Address):
        found: list[Address] = [] if is_store(place) else stores_at(place)
        return [*found] or [given]
    if not place.is_dir() or is_store(place):
        return [given]
    held: list[Path] = sorted(path for path in stores_in(place) if not is_passing(path))
    return [*held] or [given]

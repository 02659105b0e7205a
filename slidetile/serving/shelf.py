"""The stores that are served, by the names they have in addresses.

Knows names and places. Does not know requests.
"""

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from slidetile.cloud.address import Address, Location
from slidetile.errors import StoreError
from slidetile.format.names import is_passing
from slidetile.runtime.byte_cache import ByteCache
from slidetile.serving.plain import PlainCodec, PlainPyramid
from slidetile.store.listed import stores_at
from slidetile.store.location import stores_in
from slidetile.store.marks import is_store
from slidetile.store.store import open_store

ESCAPE = "~"
"""Stands before and behind the number of a letter that no address can show."""


class StoreShelf:
    """A store, or those directly in a folder, each opened when it is first asked for.

    A store that is finished later is served, too. One that is replaced while it is served is an
    error from then on, since its readers would mix the old one's metadata with the new one's
    pixels. A name that no address can show has its letters escaped. Nothing outside the folder is
    opened, nor what symbolic links in it lead to. Safe for several threads.

    Parameters
    ----------
    place
        A store, or a folder of stores.
    codec
        How chunks are encoded.

    Raises
    ------
    StoreError
        Neither is there.
    """

    def __init__(self, place: Location, *, codec: PlainCodec = "zstd") -> None:
        self._place = place
        self._codec: PlainCodec = codec
        self._kept: ByteCache[NDArray[Any]] = ByteCache()
        self._opened: dict[str, PlainPyramid] = {}
        self._lock = threading.Lock()
        self._is_folder = not is_store(place) and _is_folder(place)
        if not self._is_folder:
            self._opened[_name(place)] = self._open(place)

    @property
    def names(self) -> list[str]:
        """The names of the stores that are there now, as addresses have them, sorted."""
        if not self._is_folder:
            return list(self._opened)
        return sorted(self._found())

    @property
    def escaped(self) -> dict[str, str]:
        """The stores in a folder that are called otherwise in addresses: their own names, by that.

        A name that is escaped is passed over where another store is called so; it is not here.
        """
        found = self._found() if self._is_folder else {}
        return {name: own for name, own in sorted(found.items()) if name != own}

    @property
    def passed_over(self) -> list[str]:
        """The names of stores in a folder that others have in addresses."""
        if not self._is_folder:
            return []
        found = set(self._found().values())
        return sorted(
            each for each in self._in_folder() if self._is_there(each) and each not in found
        )

    def pyramid(self, name: str) -> PlainPyramid | None:
        """Return the store of a name; None where there is none that is finished.

        Raises
        ------
        StoreError
            It is damaged.
        """
        with self._lock:
            found = self._opened.get(name)
            own = self._own(name) if found is None and self._is_folder else None
            if own is not None:
                found = self._opened[name] = self._open(self._place / own)
        return found

    def _own(self, name: str) -> str | None:
        """Return what a store is called that addresses call so; None where there is none."""
        if _can_be_shown(name) and self._is_there(name):
            return name
        return self._found().get(name) if ESCAPE in name else None

    def _found(self) -> dict[str, str]:
        """Return the stores of a folder that are finished: their names by those in addresses."""
        own = [name for name in self._in_folder() if self._is_there(name)]
        escaped = {shown_name(name): name for name in sorted(own, reverse=True)}
        return escaped | {name: name for name in own if _can_be_shown(name)}

    def _open(self, place: Location) -> PlainPyramid:
        return PlainPyramid(open_store(place), codec=self._codec, kept=self._kept)

    def _in_folder(self) -> Iterator[str]:
        if isinstance(self._place, Address):
            yield from (each.name for each in stores_at(self._place))
        else:
            yield from (each.name for each in stores_in(self._place))

    def _is_there(self, name: str) -> bool:
        """Return whether a finished store of this name lies directly in the folder."""
        if name in ("", ".", "..") or "/" in name:
            return False
        place = self._place / name
        return not is_passing(place) and is_store(place)


def _name(place: Location) -> str:
    name = place.name if isinstance(place, Address) else Path(place).resolve().name
    return shown_name(name) or "store"


def shown_name(name: str) -> str:
    """Return a store's name as addresses have it: of what cannot be shown, the number in hex."""
    return "".join(
        each if _can_be_shown(each) else f"{ESCAPE}{ord(each):02x}{ESCAPE}" for each in name
    )


def _can_be_shown(name: str) -> bool:
    """Return whether a name is text without control characters, and of one part for any program."""
    return name.isprintable() and "\\" not in name


def _is_folder(place: Location) -> bool:
    """Return whether a place is a folder of stores and no store, finished or not."""
    if isinstance(place, Address):
        return bool(stores_at(place))
    if not place.is_dir():
        return False
    try:
        return not (place / "zarr.json").exists() and any(True for _ in stores_in(place))
    except OSError as error:
        raise StoreError(f"{place} could not be read: {error.strerror or error}.") from error

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
from slidetile.runtime.files import as_text
from slidetile.serving.plain import PlainCodec, PlainPyramid
from slidetile.store.listed import stores_at
from slidetile.store.location import stores_in
from slidetile.store.marks import is_store
from slidetile.store.store import open_store


class StoreShelf:
    """A store, or those directly in a folder, each opened when it is first asked for.

    A store that is finished later is served, too. One that is replaced while it is served is an
    error from then on, since its readers would mix the old one's metadata with the new one's
    pixels. Nothing outside the folder is opened, nor what symbolic links in it lead to. Safe for
    several threads.

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
        """The names of the stores that are there now, sorted."""
        if not self._is_folder:
            return list(self._opened)
        return sorted(name for name in self._in_folder() if self._is_one(name))

    def pyramid(self, name: str) -> PlainPyramid | None:
        """Return the store of a name; None where there is none that is finished.

        Raises
        ------
        StoreError
            It is damaged.
        """
        with self._lock:
            found = self._opened.get(name)
            if found is None and self._is_folder and self._is_one(name):
                found = self._opened[name] = self._open(self._place / name)
        return found

    def _open(self, place: Location) -> PlainPyramid:
        return PlainPyramid(open_store(place), codec=self._codec, kept=self._kept)

    def _in_folder(self) -> Iterator[str]:
        if isinstance(self._place, Address):
            yield from (each.name for each in stores_at(self._place))
        else:
            yield from (each.name for each in stores_in(self._place))

    def _is_one(self, name: str) -> bool:
        """Return whether a finished store of this name lies directly in the folder."""
        if not name or name in (".", "..") or not name.isprintable() or set(name) & set("/\\"):
            return False
        place = self._place / name
        return not is_passing(place) and is_store(place)


def _name(place: Location) -> str:
    name = place.name if isinstance(place, Address) else Path(place).resolve().name
    is_text = name == as_text(name)  # addresses have no other
    return name if name and is_text else "store"


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

"""A folder of stores as a page of cards, each of which leads to the page of its store.

Knows cards, views and where stores lie. Does not know pages.
"""

import threading
from collections.abc import Mapping, Sequence
from typing import Any

from slidetile.cloud.address import Location
from slidetile.cohort.report.picture import slide_picture
from slidetile.errors import SlidetileError
from slidetile.store.recorded import StoreRecord
from slidetile.viewer.cards.cards import read_cards
from slidetile.viewer.pictures.encoding import JPEG, EncodedTile
from slidetile.viewer.views.view import View

_NO_CARD: Mapping[str, Any] = {
    "status": "ok",
    "problem": None,
    "warnings": [],
    "codec": None,
    "columns": [],
    "tile_columns": [],
}


class FolderCards:
    """The cards of a folder, read when they are first asked for. Safe for several threads.

    Parameters
    ----------
    folder
        A folder of stores, such as `tile_slides` writes, or a prefix of a bucket.
    places
        Where the things are that can be looked at, in the order of their numbers.
    views
        Those things.
    """

    def __init__(self, folder: Location, places: Sequence[Location], views: Sequence[View]) -> None:
        self._folder, self._views = folder, views
        self._numbers = {place: number for number, place in enumerate(places)}
        self._stores = {number: place for place, number in self._numbers.items()}
        self._lock = threading.Lock()
        self._read: list[dict[str, Any]] | None = None

    def cards(self) -> list[dict[str, Any]]:
        """Return the cards as JSON: failures first, then warnings, then what is no store.

        Raises
        ------
        SlidetileError, OSError
            The folder, or its table, cannot be read.
        """
        with self._lock:
            if self._read is None:
                self._read = self._cards()
            return self._read

    def picture(self, number: int) -> EncodedTile | None:
        """Return the picture of a thing's card; None where it has none."""
        place = self._stores.get(number)
        if place is None or self._views[number].kind != "store":
            return None
        try:
            return EncodedTile(JPEG, slide_picture(StoreRecord(place)))
        except (SlidetileError, OSError):  # its card says what is wrong
            return None

    def _number(self, place: Location | None) -> int | None:
        return None if place is None else self._numbers.get(place)

    def _cards(self) -> list[dict[str, Any]]:
        found = read_cards(self._folder)
        cards = [{**card.facts, "view": self._number(card.path)} for card in found]
        told = {card["view"] for card in cards}
        numbers = dict.fromkeys(cards[0]["numbers"])
        return cards + [
            {**_NO_CARD, "key": view.name, "name": view.name, "numbers": numbers, "view": number}
            for number, view in enumerate(self._views)
            if number not in told and view.kind != "store"
        ]

"""A folder of stores as cards: what the report of a cohort says of each slide, warnings first.

Knows reports of cohorts. Does not know pages.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from slidetile.cloud.address import Address, Location
from slidetile.cloud.objects import IN_FLIGHT
from slidetile.cohort.report.facts import SlideFacts, cohort_facts
from slidetile.cohort.report.reading import find_cohort, read_cohort
from slidetile.cohort.report.slide import ReportedSlide
from slidetile.errors import SlidetileError
from slidetile.runtime.cpus import worker_count
from slidetile.runtime.threads import map_in_order
from slidetile.store.recorded import StoreRecord
from slidetile.viewer.cards.quantiles import table_quantiles

_NUMBERS = (
    "tiles",
    "unreadable",
    "tissue_area_mm2",
    "tissue_share",
    "tissue_pieces",
    "mpp_um",
    "sharpness",
    "tiles_with_pen",
    "tile_bytes",
)
"""What slides can be chosen by, in the order of a page."""

_RECORDED = ("seconds", "peak_memory_bytes", "attempts")
"""The same, of what the last run recorded."""

OnPicture = Callable[[str, bytes], None]
"""Takes the key of a slide and its picture, a JPEG file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """A slide of a folder."""

    key: str
    """What tells it from the others."""

    path: Location | None
    """Its store; None where there is none that can be opened."""

    facts: dict[str, Any]
    """The card as JSON, whose text is untrusted."""


def read_cards(
    folder: Location, on_picture: OnPicture | None = None, *, only: str | None = None
) -> list[Card]:
    """Return the slides of a folder: failures first, then those with warnings.

    Parameters
    ----------
    folder
        A folder of stores, such as `tile_slides` writes, or a prefix of a bucket.
    on_picture
        Is given each picture as it is made; None keeps none.
    only
        The name of the one store that is wanted; None wants all.

    Raises
    ------
    SlidetileError
        It is no folder, holds nothing, or its table is damaged.
    OSError
        It cannot be read.
    """
    found = [
        each
        for each in find_cohort(folder)
        if only is None or (each.path is not None and each.path.name == only)
    ]
    slides: list[ReportedSlide] = []
    for read in read_cohort(found, workers=worker_count(None)):
        slides.append(read.slide)
        if on_picture is not None and read.picture is not None:
            on_picture(read.slide.key, read.picture)
    places = {each.key: each.path for each in found}
    told = cohort_facts(slides, lambda _: None)["slides"]
    stores = [places.get(each["key"]) if each["store"] is not None else None for each in told]
    is_remote = isinstance(folder, Address)
    columns = map_in_order(_columns, stores, workers=IN_FLIGHT if is_remote else worker_count(None))
    return [
        Card(key=slide["key"], path=path, facts=card_facts(slide) | {"tile_columns": kept})
        for slide, path, kept in zip(told, stores, columns, strict=True)
    ]


def _columns(store: Location | None) -> list[dict[str, Any]]:
    """Return what tiles of a store can be chosen by; nothing where its table cannot be read."""
    if store is None:
        return []
    try:
        return table_quantiles(StoreRecord(store).tiles)
    except (SlidetileError, OSError, MemoryError):  # its card says what is wrong
        return []


def card_facts(slide: SlideFacts) -> dict[str, Any]:
    """Return a card as JSON: texts, warnings, and the numbers that slides are chosen by."""
    store, recorded = slide["store"], slide["recorded"]
    numbers: dict[str, float | None] = {}
    for names, source in ((_NUMBERS, store), (_RECORDED, recorded)):
        given: Any = source or {}
        numbers |= {name: given.get(name) for name in names}
    return {
        "key": slide["key"],
        "name": slide["name"],
        "status": slide["status"],
        "problem": slide["problem"],
        "warnings": slide["warnings"],
        "codec": None if store is None else store["codec"],
        "columns": [] if recorded is None else recorded["columns"],
        "numbers": numbers,
    }

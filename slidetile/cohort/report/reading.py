"""Reading a cohort's folder for its report: the rows, and every store, in any state.

Knows what lies in a folder, and reads stores a few at a time. Does not judge what it finds.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from slidetile.cloud.address import Address, Location
from slidetile.cloud.objects import IN_FLIGHT
from slidetile.cohort.report.picture import slide_picture
from slidetile.cohort.report.row import CohortRow, recorded_rows
from slidetile.cohort.report.slide import ReportedSlide, SlideStatus
from slidetile.cohort.report.stored import StoredFacts
from slidetile.errors import IncompleteStoreError, SlideError, SlidetileError, explain
from slidetile.format.names import PARTIAL_SUFFIX, STORE_SUFFIX, is_passing, partial_path
from slidetile.runtime.files import as_text
from slidetile.runtime.threads import map_in_order
from slidetile.store.listed import stores_at
from slidetile.store.location import stores_in
from slidetile.store.marks import is_unfinished
from slidetile.store.recorded import StoreRecord

_GIVE = "give the folder that `slidetile batch` wrote into (-o), or a folder of stores"

MOST_WORKERS = 4
"""Stores that are read at a time, at most: each takes some tens of megabytes meanwhile."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundSlide:
    """A slide of which a row, a store, or both are there."""

    key: str
    """Its key."""

    row: CohortRow | None
    """What was recorded of it."""

    path: Location | None
    """Where its store is; None where there is none."""

    is_unfinished: bool = False
    """Whether only an unfinished store is there; in a bucket, reading it tells."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadSlide:
    """A slide as it was read."""

    slide: ReportedSlide
    """What is known of it."""

    picture: bytes | None
    """Its picture, a JPEG file; None where there is none."""


def find_cohort(folder: Location) -> list[FoundSlide]:
    """Return the slides of a folder, in the order of their keys.

    Raises
    ------
    SlideError
        It is no folder, or there are none.
    SlidetileError
        The folder's table is damaged.
    OSError
        The folder cannot be read.
    """
    if isinstance(folder, Path) and not folder.is_dir():
        raise SlideError(f"{folder} is no folder: {_GIVE}.")
    rows = {row.key: row for row in recorded_rows(folder)}
    stores = {as_text(path.name).removesuffix(STORE_SUFFIX): path for path in _stores_in(folder)}
    unfinished = _unfinished_in(folder) if isinstance(folder, Path) else set[str]()
    keys = sorted({*rows, *stores, *unfinished})
    if not keys:
        raise SlideError(
            f"{folder} holds no stores and no table of a batch, so there is nothing to report: "
            f"{_GIVE}."
        )
    return [
        FoundSlide(
            key=key,
            row=rows.get(key),
            path=stores.get(key),
            is_unfinished=key not in stores and key in unfinished,
        )
        for key in keys
    ]


def _stores_in(folder: Location) -> list[Location]:
    if isinstance(folder, Address):
        return [*stores_at(folder)]
    return [path for path in stores_in(folder) if not is_passing(path)]


def read_cohort(found: list[FoundSlide], *, workers: int) -> Iterator[ReadSlide]:
    """Yield each slide, in the order given; a few are read at a time, in buckets some more.

    Whatever is wrong with a store is told in the slide's place, and ends nothing.
    """
    is_remote = any(isinstance(each.path, Address) for each in found)
    most = IN_FLIGHT if is_remote else max(1, min(workers, MOST_WORKERS))
    yield from map_in_order(_read, found, workers=most)


def _unfinished_in(folder: Path) -> set[str]:
    ending = STORE_SUFFIX + PARTIAL_SUFFIX
    with os.scandir(folder) as entries:
        names = [as_text(entry.name) for entry in entries if entry.is_dir()]
    return {name.removesuffix(ending) for name in names if name.endswith(ending)}


def _unfinished_at(store: Address) -> str | None:
    """Return the name of the unfinished store of an address; None where there is none."""
    try:
        return next(
            (each.name for each in (partial_path(store), store) if is_unfinished(each)), None
        )
    except OSError:
        return None


def _read(found: FoundSlide) -> ReadSlide:
    reading = _Reading(found.path)
    status, problem = _standing(found, reading)
    slide = ReportedSlide(
        key=found.key, status=status, row=found.row, stored=reading.facts, problem=problem
    )
    return ReadSlide(slide=slide, picture=reading.picture)


class _Reading:
    """What can be read of a store, and the first thing that cannot."""

    def __init__(self, path: Location | None) -> None:
        self.facts: StoredFacts | None = None
        self.picture: bytes | None = None
        self.problem: str | None = None
        self.unfinished: str | None = None
        if path is not None:
            self._read(path)

    def _read(self, path: Location) -> None:
        try:
            record = StoreRecord(path)
            self.facts = StoredFacts.of(record)
            self.picture = slide_picture(record)
            record.check_levels()
        except (SlidetileError, OSError, MemoryError) as error:
            # The same wherever the folder lies.
            self.problem = explain(error).replace(f"{path.parent}/", "")
            if isinstance(error, IncompleteStoreError) and isinstance(path, Address):
                self.unfinished = _unfinished_at(path)
        except Exception as error:  # noqa: BLE001  a fault of ours ends no report of the others
            self.problem = (
                f"{path.name} could not be read, which is a fault of slidetile's: "
                f"{type(error).__name__}: {explain(error)}"
            )


def _standing(found: FoundSlide, reading: _Reading) -> tuple[SlideStatus, str | None]:
    """Return how a slide stands, and why."""
    row = found.row
    if row is not None and row.has_failed:
        return "failed", row.reason or row.error_type or "the run gave no reason"
    store = f"{found.key}{STORE_SUFFIX}"
    unfinished = f"{store}{PARTIAL_SUFFIX}" if found.is_unfinished else reading.unfinished
    if unfinished is not None:
        return "unfinished", (
            f"{unfinished} is an unfinished store: run the command that began it once more, if it "
            "is not running now"
        )
    if reading.problem is not None:
        return "damaged store", reading.problem
    if found.path is None:
        return "missing store", (
            f"{store} is not in the folder, though a run recorded it: run the batch again, or copy "
            "the store back"
        )
    is_whole = reading.facts is not None and not reading.facts.unreadable
    return ("ok" if is_whole else "unreadable tiles"), None

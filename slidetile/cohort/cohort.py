"""A cohort: the slides of a run with their keys, and the folder of their stores.

Knows which slides there are and what they are called. Does not know what becomes of them.
"""

import os
from collections.abc import Iterable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple, Self

from slidetile.cloud.address import Address, absolute, locate
from slidetile.cohort.alike import names_alike
from slidetile.cohort.files import make_folder
from slidetile.cohort.inputs.collecting import collect
from slidetile.cohort.inputs.entry import Entry
from slidetile.cohort.inputs.keys import as_known, with_keys
from slidetile.cohort.layout import CohortFolder
from slidetile.cohort.moved import has_moved, moved_keys, tell_left_behind
from slidetile.cohort.part import Part
from slidetile.cohort.result import Status
from slidetile.cohort.table.earlier import take_over
from slidetile.cohort.table.kept_rows import put_kept_rows
from slidetile.cohort.table.key_book import KeyBook, NotedKey, opened_book
from slidetile.cohort.table.noted import NotedRows
from slidetile.cohort.table.reading import known_slides
from slidetile.cohort.table.summary import check_summary
from slidetile.writing.destination import check_place

if TYPE_CHECKING:
    import pyarrow as pa

_CARRIED = ("warnings", "seconds", "peak_memory_bytes", "log")
"""What a row of a slide that is done keeps of the row before."""

_NOTED = ("slide", "store", "codec", "mpp_source", "settings", "root", *_CARRIED)

_NOTHING: Mapping[str, Any] = MappingProxyType({})


class _Keyed(NamedTuple):
    """Slides with their keys."""

    entries: list[Entry]

    moved: dict[str, str]
    """Where slides are now that lay elsewhere before, by their keys."""


def _keyed(
    slides: Sequence[Entry], rows: Sequence[Mapping[str, Any]], book: KeyBook, *, writes: bool
) -> _Keyed:
    """Return slides with their keys, once these are noted for all runs to come."""
    owners = {row["key"].casefold(): row for row in rows if row["slide"] is not None}
    noted = {key: {"key": each.key, "slide": each.slide} for key, each in book.noted.items()}
    known = {each["slide"]: each["key"] for each in (owners | noted).values()}
    asked_for = {entry.id.casefold() for entry in slides if entry.id is not None}
    given = {as_known(_absolute(entry)) for entry in slides}
    # What the run has where it was has not moved; nor has what a manifest calls by an id now.
    before = {p: k for p, k in known.items() if p not in given and k.casefold() not in asked_for}
    local = (entry for entry in slides if not isinstance(entry.slide, Address))
    new = [Path(path) for entry in local if (path := _new_path(entry, known)) is not None]
    moved = moved_keys(new, before, book.folder)
    others = [*(row["key"] for row in rows), *book.noted]
    listed = with_keys(slides, known | moved, others)
    for entry in listed:
        _check_id(entry, book)
    if writes:
        book.note(_noted(entry) for entry in listed)
    return _Keyed(listed, {key: path for path, key in moved.items()})


def _new_path(entry: Entry, known: Mapping[str, str]) -> str | None:
    """Return where a slide is that nothing is known of, and that no manifest gives an id."""
    path = _absolute(entry)
    return path if entry.id is None and as_known(path) not in known else None


def _check_id(entry: Entry, book: KeyBook) -> None:
    """Check that an entry's id, if it has one, is not what another slide is called."""
    path, is_local = _absolute(entry), not isinstance(entry.slide, Address)

    def is_this(noted: NotedKey) -> bool:
        return is_local and has_moved(noted.slide, Path(path), book.folder.store(noted.key))

    if entry.id is not None:
        book.check_id(entry.id, as_known(path), is_this)


def _noted(entry: Entry) -> NotedKey:
    path = as_known(_absolute(entry))
    return NotedKey(key=entry.key, slide=path, is_id=entry.id is not None)


def _absolute(entry: Entry) -> str:
    return absolute(entry.slide)


def _highest_peak(table: "pa.Table") -> int | None:
    import pyarrow.compute as pc

    if "peak_memory_bytes" not in table.column_names:  # earlier versions have not measured it
        return None
    peak: int | None = pc.max(table["peak_memory_bytes"]).as_py()
    return peak or None


def _left_behind(
    entries: Iterable[Entry], rows: Iterable[Mapping[str, Any]], moved: Mapping[str, str]
) -> list[str]:
    """Return the keys that slides of a run had before, and no slide of it has now."""
    keys = {entry.key.casefold(): as_known(_absolute(entry)) for entry in entries}
    paths = set(keys.values())
    return [
        row["key"]
        for row in rows
        if moved.get(row["key"], row["slide"]) in paths and row["key"].casefold() not in keys
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cohort:
    """The slides of a run, and the folder of their stores."""

    folder: CohortFolder
    """The folder, as given."""

    entries: tuple[Entry, ...]
    """The slides, with their keys."""

    total: int
    """Slides of the cohort, of which ``entries`` may be a part."""

    part: Part | None = None
    """Which part of the cohort ``entries`` are; None is all."""

    rows: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """What earlier runs have noted of the cohort's slides, by their keys."""

    peak_bytes: int | None = None
    """The most memory that a slide's process has needed in earlier runs; None where unknown."""

    alike: tuple[str, ...] = ()
    """The names of slides that share them, of this run or an earlier one; see `names_alike`."""

    @classmethod
    def of(
        cls,
        inputs: Iterable[str | os.PathLike[str] | Address],
        out: str | os.PathLike[str] | Address,
        *,
        part: Part | None = None,
        writes: bool = True,
    ) -> Self:
        """Return the slides that inputs stand for, with the keys that they have in a folder.

        Parameters
        ----------
        inputs
            As in `collect`.
        out
            The folder of the stores, or where they lie in a bucket.
        part
            Which part of the slides; None is all.
        writes
            Whether the folder is made, and tables of an earlier version are taken over.

        Raises
        ------
        CohortError
            A manifest cannot be used, nothing matches a glob, or the folder's table cannot be read.
        SlideError
            The whole file system was to be searched.
        StoreError, OSError
            The folder cannot be made or written, or has a summary that is another's.
        """
        folder = CohortFolder(locate(out))
        check_place(folder.summary)
        check_summary(folder)
        slides = collect(inputs)
        if writes:
            make_folder(folder.path)
            take_over(folder)
            put_kept_rows(folder)
        with opened_book(folder) if writes else nullcontext(KeyBook.of(folder)) as book:
            table = known_slides(folder, columns=_NOTED)
            rows = table.select(["key", "slide"]).to_pylist()
            listed, moved = _keyed(slides, rows, book, writes=writes)
        tell_left_behind(_left_behind(listed, rows, moved), folder)
        paths = {row["key"]: row["slide"] or "" for row in rows}
        paths |= {entry.key: _absolute(entry) for entry in listed}
        entries = tuple(each for each in listed if part is None or part.has(each.key))
        return cls(
            folder=folder,
            entries=entries,
            total=len(listed),
            part=part,
            rows=NotedRows(table, {entry.key for entry in entries}, moved),
            peak_bytes=_highest_peak(table),
            alike=names_alike(paths.values()),
        )

    def owns(self, entry: Entry, here: Path) -> bool:
        """Return whether the store of an entry's key was made of this very slide, by the table."""
        path = absolute(here / entry.slide)
        row = self.row(entry)
        return row.get("store") is not None and row.get("slide") == as_known(path)

    def carried(self, entry: Entry, status: Status, here: Path) -> dict[str, Any]:
        """Return what a new row of a slide keeps of the row before.

        Of a slide that is done, how it was made; of one that failed, the store of an earlier run,
        which stays.
        """
        row = self.row(entry)
        if status == "already done":
            return {name: row[name] for name in _CARRIED if row.get(name) is not None}
        if status == "failed" and self.owns(entry, here):
            return {"store": row["store"]}
        return {}

    def row(self, entry: Entry) -> Mapping[str, Any]:
        """Return what earlier runs have noted of a slide; nothing where they have not had it."""
        return self.rows.get(entry.key, _NOTHING)

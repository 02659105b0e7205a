"""What the runs into a folder recorded of each slide, as the report shows it.

Knows the names of the columns. Does not know how the tables are kept.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Any, Self

from slidetile.cloud.address import Location
from slidetile.cohort.layout import CohortFolder
from slidetile.cohort.table.earlier import earlier_rows
from slidetile.cohort.table.reading import known_slides
from slidetile.errors import SlidetileError

FAILED = "failed"
"""The status of a slide that failed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CohortRow:
    """What the last run recorded of a slide; None where it did not know."""

    key: str
    """The name of the slide's store, without its suffix; unique in a folder."""

    slide: str | None = None
    """Path of the slide."""

    status: str | None = None
    """How the slide ended: "ok", "unreadable tiles", "already done" or "failed"."""

    reason: str | None = None
    """Why it failed, in one line."""

    error_type: str | None = None
    """Class of the error."""

    note: str | None = None
    """What to know of a slide that did not fail."""

    warnings: tuple[str, ...] = ()
    """What was warned of while it was tiled."""

    mpp_source: str | None = None
    """Where the mpp comes from."""

    seconds: float | None = None
    """Time that it took."""

    peak_memory_bytes: int | None = None
    """Most memory that its process held, in bytes."""

    attempts: int | None = None
    """How often it was tried."""

    log: str | None = None
    """Path of its log, below the folder."""

    run: str | None = None
    """Name of the run that recorded it."""

    ended: str | None = None
    """When it ended: ISO 8601, UTC."""

    more: tuple[tuple[str, str], ...] = ()
    """The other columns of the manifest: name and text."""

    @property
    def has_failed(self) -> bool:
        """Whether the slide failed."""
        return self.status == FAILED

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> Self:
        """Return a row of a table, of which any value may be missing or of another type."""
        return cls(
            key=_text(row.get("key")) or "",
            warnings=_texts(row.get("warnings")),
            seconds=_number(row.get("seconds")),
            peak_memory_bytes=_whole(row.get("peak_memory_bytes")),
            attempts=_whole(row.get("attempts")),
            more=tuple(
                (str(name), str(value))
                for name, value in row.items()
                if name not in _KNOWN and value not in (None, "")
            ),
            **{name: _text(row.get(name)) for name in _TEXTS},
        )


_TEXTS = (
    *("slide", "status", "reason", "error_type", "note", "mpp_source", "log", "run", "ended"),
)

_OF_STORES = (
    *("store", "codec", "not_native", "mpp", "tiles", "unreadable", "tile_bytes", "left_out"),
    *("tissue_pieces", "tissue_area_um2", "tissue_area_mm2", "slide_area_mm2", "may_pass"),
)
"""What the stores themselves tell."""

_KNOWN = {*(field.name for field in fields(CohortRow)), *_OF_STORES}


def recorded_rows(folder: Location) -> list[CohortRow]:
    """Return what was recorded of each slide of a folder, in no order; none where nothing was.

    Raises
    ------
    SlidetileError
        The table is damaged.
    OSError
        It cannot be read.
    """
    return [CohortRow.of(row) for row in _latest_rows(folder)]


def _latest_rows(folder: Location) -> Iterable[Mapping[str, Any]]:
    """Return the latest row of each slide, with its key, from the folder's tables."""
    rows: list[Mapping[str, Any]] = known_slides(CohortFolder(folder)).to_pylist()
    if rows:
        return rows
    try:
        return earlier_rows(CohortFolder(folder))
    except FileExistsError as error:
        raise SlidetileError(str(error)) from error


def _text(value: object) -> str | None:
    return None if value is None or value == "" else str(value)


def _texts(value: object) -> tuple[str, ...]:
    if isinstance(value, str):
        return (value,) if value else ()
    return tuple(map(str, value)) if isinstance(value, Iterable) else ()


def _number(value: object) -> float | None:
    try:
        number = float(str(value))
    except ValueError:
        return None
    return number if 0 <= number < float("inf") else None


def _whole(value: object) -> int | None:
    number = _number(value)
    return None if number is None else round(number)

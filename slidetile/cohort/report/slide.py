"""A slide of a report: what was recorded of it, what its store says, and what is wrong."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from slidetile.cohort.report.row import CohortRow
from slidetile.cohort.report.stored import StoredFacts

SlideStatus = Literal[
    "failed", "damaged store", "missing store", "unfinished", "unreadable tiles", "ok"
]
"""How a slide stands, worst first."""

STATUSES: tuple[SlideStatus, ...] = (
    *("failed", "damaged store", "missing store", "unfinished", "unreadable tiles", "ok"),
)
"""All of them."""

FAILURES = frozenset(STATUSES[:4])
"""Those of slides without a store that can be used."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportedSlide:
    """A slide of a cohort's folder.

    Raises
    ------
    ValueError
        It has failed, but does not say why.
    """

    key: str
    """What tells it from the others: the name of its store, without the suffix."""

    status: SlideStatus
    """How it stands."""

    row: CohortRow | None = None
    """What the runs recorded; None where none did."""

    stored: StoredFacts | None = None
    """What its store says; None where there is none, or it does not say."""

    problem: str | None = None
    """Why it failed, or what is wrong with its store, in one line."""

    def __post_init__(self) -> None:
        if self.status in FAILURES and not self.problem:
            raise ValueError(f"A slide that is {self.status!r} needs a problem, but has none.")

    @property
    def has_failed(self) -> bool:
        """Whether it has no store that can be used."""
        return self.status in FAILURES

    @property
    def name(self) -> str:
        """The slide's file name, or else its key."""
        name = None if self.stored is None else self.stored.name
        slide = None if self.row is None else self.row.slide
        return name or Path(slide or "").name or self.key

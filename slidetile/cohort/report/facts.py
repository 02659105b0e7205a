"""The facts of a report, as values fit for JSON: what its page shows, and what machines read.

Longer than most, because every key is listed. docs/reference/schemas/report.json says what each
means. Knows slides and their warnings. Does not know pages.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import TypedDict

from slidetile.cohort.report.classes import ClassOnSlide
from slidetile.cohort.report.judging import CohortFigures, warnings_of
from slidetile.cohort.report.row import CohortRow
from slidetile.cohort.report.slide import STATUSES, ReportedSlide
from slidetile.cohort.report.stored import StoredFacts
from slidetile.cohort.report.warning import KINDS


class StatusFacts(TypedDict):
    """How many slides stand so."""

    status: str
    slides: int


class KindFacts(TypedDict):
    """A kind of warning."""

    kind: str
    rule: str
    slides: int


class TotalFacts(TypedDict):
    """All slides together."""

    slides: int
    failed: int
    with_warnings: int
    statuses: list[StatusFacts]
    tiles: int
    unreadable: int
    tile_bytes: int
    tissue_area_mm2: float
    seconds: float | None
    peak_memory_bytes: int | None
    ended: str | None


class WarningFacts(TypedDict):
    """A warning about a slide."""

    kind: str
    text: str


class ColumnFacts(TypedDict):
    """A column that the manifest has besides its own."""

    name: str
    text: str


class SlideClassFacts(TypedDict):
    """A class of a slide's labels."""

    name: str
    tiles: int
    tiles_of_it: int
    area_mm2: float | None
    points: int
    least_fraction: float | None


class ClassTotalFacts(TypedDict):
    """A class of any slide's labels."""

    name: str
    slides: int
    slides_without_tile: int
    tiles: int
    tiles_of_it: int
    area_mm2: float
    points: int


class StoredSlideFacts(TypedDict):
    """What a slide's store says."""

    width_px: int
    height_px: int
    tile_size_px: int
    tiles: int
    unreadable: int
    tile_bytes: int
    codec: str
    not_native: str | None
    mpp_um: float | None
    slide_mpp_um: float | None
    tissue_pieces: int | None
    tissue_share: float | None
    tissue_area_mm2: float | None
    scanned_area_mm2: float | None
    left_out: list[str]
    tiles_with_pen: int
    sharpness: float | None
    classes: list[SlideClassFacts] | None


class RecordedFacts(TypedDict):
    """What the last run recorded of a slide."""

    slide_path: str | None
    status: str | None
    error_type: str | None
    note: str | None
    mpp_source: str | None
    seconds: float | None
    peak_memory_bytes: int | None
    attempts: int | None
    log_path: str | None
    run: str | None
    ended: str | None
    columns: list[ColumnFacts]


class SlideFacts(TypedDict):
    """A slide."""

    key: str
    name: str
    status: str
    problem: str | None
    warnings: list[WarningFacts]
    store: StoredSlideFacts | None
    recorded: RecordedFacts | None
    picture_path: str | None


class CohortFacts(TypedDict):
    """What a report tells."""

    totals: TotalFacts
    warning_kinds: list[KindFacts]
    classes: list[ClassTotalFacts]
    slides: list[SlideFacts]


def cohort_facts(
    slides: Sequence[ReportedSlide], picture_path: Callable[[str], str | None]
) -> CohortFacts:
    """Return the facts of slides, failures first, then those with warnings.

    Parameters
    ----------
    slides
        All slides of a cohort.
    picture_path
        Where the picture of a key is; None where the page has it, or there is none.
    """
    cohort = CohortFigures.of(slides)
    facts = [_slide_facts(slide, cohort, picture_path(slide.key)) for slide in slides]
    facts.sort(key=_place)
    kinds = Counter(kind for each in facts for kind in {w["kind"] for w in each["warnings"]})
    return {
        "totals": _total_facts(slides, facts),
        "warning_kinds": [
            {"kind": kind.kind, "rule": kind.rule, "slides": kinds[kind.kind]} for kind in KINDS
        ],
        "classes": _class_totals(slides),
        "slides": facts,
    }


_WORST: dict[str, int] = {status: place for place, status in enumerate(STATUSES[:-2])}
_KIND_PLACES = {kind.kind: place for place, kind in enumerate(KINDS)}


def _place(facts: SlideFacts) -> tuple[int, int, int, str]:
    """Return where a slide stands: failures, then the worst and the most warnings, then names."""
    warned = [_KIND_PLACES[warning["kind"]] for warning in facts["warnings"]]
    standing = _WORST.get(facts["status"], len(_WORST))
    return standing, min(warned, default=len(KINDS)), -len(warned), facts["key"]


def _total_facts(slides: Sequence[ReportedSlide], facts: Sequence[SlideFacts]) -> TotalFacts:
    statuses = Counter(slide.status for slide in slides)
    stored = [slide.stored for slide in slides if slide.stored is not None]
    rows = [slide.row for slide in slides if slide.row is not None]
    seconds = [row.seconds for row in rows if row.seconds is not None]
    peaks = [row.peak_memory_bytes for row in rows if row.peak_memory_bytes is not None]
    return {
        "slides": len(slides),
        "failed": sum(slide.has_failed for slide in slides),
        "with_warnings": sum(bool(each["warnings"]) for each in facts),
        "statuses": [
            {"status": status, "slides": statuses[status]}
            for status in STATUSES
            if statuses[status]
        ],
        "tiles": sum(each.tiles for each in stored),
        "unreadable": sum(each.unreadable for each in stored),
        "tile_bytes": sum(each.tile_bytes for each in stored),
        "tissue_area_mm2": sum(each.tissue_mm2 or 0.0 for each in stored),
        "seconds": sum(seconds) if seconds else None,
        "peak_memory_bytes": max(peaks, default=None),
        "ended": max((row.ended for row in rows if row.ended is not None), default=None),
    }


def _class_totals(slides: Sequence[ReportedSlide]) -> list[ClassTotalFacts]:
    found: dict[str, list[ClassOnSlide]] = {}
    for slide in slides:
        for each in (slide.stored and slide.stored.classes) or ():
            found.setdefault(each.name, []).append(each)
    return [
        {
            "name": name,
            "slides": len(found[name]),
            "slides_without_tile": sum(not each.tiles for each in found[name]),
            "tiles": sum(each.tiles for each in found[name]),
            "tiles_of_it": sum(each.tiles_of_it for each in found[name]),
            "area_mm2": sum(each.area_mm2 or 0.0 for each in found[name]),
            "points": sum(each.points for each in found[name]),
        }
        for name in sorted(found)
    ]


def _slide_facts(
    slide: ReportedSlide, cohort: CohortFigures, picture_path: str | None
) -> SlideFacts:
    warnings = warnings_of(slide, cohort)
    return {
        "key": slide.key,
        "name": slide.name,
        "status": slide.status,
        "problem": slide.problem,
        "warnings": [{"kind": each.kind, "text": str(each)} for each in warnings],
        "store": None if slide.stored is None else _stored_facts(slide.stored),
        "recorded": None if slide.row is None else _recorded_facts(slide.row),
        "picture_path": picture_path,
    }


def _stored_facts(stored: StoredFacts) -> StoredSlideFacts:
    return {
        "width_px": stored.size_px[0],
        "height_px": stored.size_px[1],
        "tile_size_px": stored.tile_size_px,
        "tiles": stored.tiles,
        "unreadable": stored.unreadable,
        "tile_bytes": stored.tile_bytes,
        "codec": stored.codec,
        "not_native": stored.not_native,
        "mpp_um": _mean(stored.mpp),
        "slide_mpp_um": _mean(stored.slide_mpp),
        "tissue_pieces": stored.tissue_pieces,
        "tissue_share": stored.tissue_share,
        "tissue_area_mm2": stored.tissue_mm2,
        "scanned_area_mm2": stored.slide_mm2,
        "left_out": list(stored.left_out),
        "tiles_with_pen": stored.tiles_with_pen,
        "sharpness": stored.sharpness,
        "classes": None if stored.classes is None else list(map(_class_facts, stored.classes)),
    }


def _class_facts(found: ClassOnSlide) -> SlideClassFacts:
    return {
        "name": found.name,
        "tiles": found.tiles,
        "tiles_of_it": found.tiles_of_it,
        "area_mm2": found.area_mm2,
        "points": found.points,
        "least_fraction": found.least,
    }


def _recorded_facts(row: CohortRow) -> RecordedFacts:
    return {
        "slide_path": row.slide,
        "status": row.status,
        "error_type": row.error_type,
        "note": row.note,
        "mpp_source": row.mpp_source,
        "seconds": row.seconds,
        "peak_memory_bytes": row.peak_memory_bytes,
        "attempts": row.attempts,
        "log_path": row.log,
        "run": row.run,
        "ended": row.ended,
        "columns": [{"name": name, "text": text} for name, text in row.more],
    }


def _mean(pair: tuple[float, float] | None) -> float | None:
    return None if pair is None else sum(pair) / 2

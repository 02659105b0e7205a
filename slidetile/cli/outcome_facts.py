"""The facts about what became of slides and stores, as values fit for JSON.

Of those that were verified, exported or tiled, and of those that failed. Knows what machines read.
Does not know how it is put into sentences for people.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict

from slidetile.cli.facts import SlideFacts, StoreFacts
from slidetile.cloud.address import Location
from slidetile.errors import explain

if TYPE_CHECKING:  # what one command alone needs, another need not load
    from slidetile.cohort.result import SlideResult
    from slidetile.export.exported import Exported
    from slidetile.verify.finding import Finding


class FindingFacts(TypedDict):
    """One finding of `verify`."""

    path: str
    what: str
    tile: int | None


class VerifyFacts(TypedDict):
    """What `verify` reports."""

    store_path: str
    slide_path: str | None
    findings: list[FindingFacts]
    unreadable: int | None


class CountFacts(TypedDict):
    """How many there are of something."""

    what: str
    count: int


class ExportFacts(TypedDict):
    """What `export` reports."""

    store_path: str
    kind: str
    output_path: str
    output_bytes: int
    counts: list[CountFacts]
    left_out: list[CountFacts]
    notes: list[str]
    already_done: bool
    seconds: float


class ErrorFacts(TypedDict):
    """Why something failed."""

    type: str
    message: str


class FailureFacts(TypedDict):
    """A path of several that could not be dealt with."""

    path: str
    error: ErrorFacts


class SeveralFacts(TypedDict):
    """What `info` reports about several slides and stores."""

    slides: list[SlideFacts]
    stores: list[StoreFacts]
    failed: list[FailureFacts]


class SeveralVerifiedFacts(TypedDict):
    """What `verify` reports about several stores."""

    stores: list[VerifyFacts]
    failed: list[FailureFacts]


class SeveralExportedFacts(TypedDict):
    """What `export` reports about several stores."""

    stores: list[ExportFacts]
    failed: list[FailureFacts]


class ResultFacts(TypedDict):
    """The result of one slide of a batch."""

    key: str
    slide_path: str
    status: str
    store_path: str | None
    codec: str | None
    not_native: str | None
    mpp_um: float | None
    mpp_source: str | None
    tiles: int
    unreadable: int
    tile_bytes: int
    seconds: float
    peak_memory_bytes: int | None
    attempts: int
    tissue_pieces: int | None
    tissue_area_mm2: float | None
    slide_area_mm2: float | None
    left_out: str | None
    error: ErrorFacts | None
    note: str | None
    warnings: list[str]
    log: str | None
    columns: dict[str, str]


class BatchFacts(TypedDict):
    """What `batch` reports."""

    summary_path: str
    slides: list[ResultFacts]


def verify_facts(
    store_path: Path,
    slide_path: Path | None,
    findings: "Sequence[Finding]",
    unreadable: int | None,
) -> VerifyFacts:
    """Return what `verify` found; ``unreadable`` is None if the store's own count may be wrong."""
    return {
        "store_path": str(store_path),
        "slide_path": None if slide_path is None else str(slide_path),
        "findings": [{"path": f.path, "what": f.what, "tile": f.tile} for f in findings],
        "unreadable": unreadable,
    }


def several_facts(
    paths: Sequence[Location], outcomes: Sequence[SlideFacts | StoreFacts | Exception]
) -> SeveralFacts:
    """Return the facts about several slides and stores, and why others could not be read."""
    known = [outcome for outcome in outcomes if not isinstance(outcome, Exception)]
    return {
        "slides": [facts for facts in known if facts["kind"] == "slide"],
        "stores": [facts for facts in known if facts["kind"] == "store"],
        "failed": _failures(paths, outcomes),
    }


def several_verified_facts(
    paths: Sequence[Location], outcomes: Sequence[VerifyFacts | Exception]
) -> SeveralVerifiedFacts:
    """Return what `verify` found in several stores, and why others could not be verified."""
    return {
        "stores": [outcome for outcome in outcomes if not isinstance(outcome, Exception)],
        "failed": _failures(paths, outcomes),
    }


def several_exported_facts(
    paths: Sequence[Location], outcomes: Sequence[ExportFacts | Exception]
) -> SeveralExportedFacts:
    """Return what was exported of several stores, and why others could not be."""
    return {
        "stores": [outcome for outcome in outcomes if not isinstance(outcome, Exception)],
        "failed": _failures(paths, outcomes),
    }


def _failures(paths: Sequence[Location], outcomes: Sequence[object]) -> list[FailureFacts]:
    return [
        {"path": str(path), "error": {"type": type(error).__name__, "message": explain(error)}}
        for path, error in zip(paths, outcomes, strict=True)
        if isinstance(error, Exception)
    ]


def export_facts(store_path: Location, exported: "Exported", seconds: float) -> ExportFacts:
    """Return the facts about what was exported."""
    return {
        "store_path": str(store_path),
        "kind": exported.kind,
        "output_path": str(exported.path),
        "output_bytes": exported.size_bytes,
        "counts": _counts(exported.counts),
        "left_out": _counts(exported.left_out),
        "notes": list(exported.notes),
        "already_done": exported.already_done,
        "seconds": seconds,
    }


def _counts(counts: Mapping[str, int]) -> list[CountFacts]:
    return [{"what": what, "count": count} for what, count in counts.items()]


def batch_facts(results: "Sequence[SlideResult]", summary_path: Location) -> BatchFacts:
    """Return the result of each slide of a batch."""
    return {
        "summary_path": str(summary_path),
        "slides": [_result(result) for result in results],
    }


def _result(result: "SlideResult") -> ResultFacts:
    return {
        "key": result.key,
        "slide_path": result.slide,
        "status": result.status,
        "store_path": result.store,
        "codec": result.codec,
        "not_native": result.not_native,
        "mpp_um": result.mpp,
        "mpp_source": result.mpp_source,
        "tiles": result.tiles,
        "unreadable": result.unreadable,
        "tile_bytes": result.tile_bytes,
        "seconds": result.seconds,
        "peak_memory_bytes": result.peak_memory_bytes,
        "attempts": result.attempts,
        "tissue_pieces": result.tissue_pieces,
        "tissue_area_mm2": result.tissue_area_mm2,
        "slide_area_mm2": result.slide_area_mm2,
        "left_out": result.left_out,
        "error": None
        if result.error_type is None
        else {"type": result.error_type, "message": result.reason or ""},
        "note": result.note,
        "warnings": list(result.warnings),
        "log": result.log,
        "columns": dict(result.columns),
    }

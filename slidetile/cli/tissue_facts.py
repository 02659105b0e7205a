"""The facts about tissue, and what filters dropped of it, as values fit for JSON.

Knows what machines read. Does not know how it is put into sentences for people.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict

from slidetile.tissue.found import FoundTissue
from slidetile.tissue.left_out import LeftOut

if TYPE_CHECKING:  # what one command alone needs, another need not load
    from slidetile.slides.slide import Slide
    from slidetile.tissue.mask import TissueMask


class FoundFacts(TypedDict):
    """What a detector found, and what was added to it."""

    pieces: int
    area_px: int
    area_um2: float | None
    widened_px: int
    widened_um2: float | None
    holes: int
    filled_px: int
    filled_um2: float | None


class LeftOutFacts(TypedDict):
    """What one filter dropped."""

    what: str
    reason: str
    count: int
    of: int | None
    area_px: int | None
    area_um2: float | None
    option: str | None
    limit: float | str | None
    message: str


class OutcomeFacts(TypedDict):
    """What one detector makes of a slide."""

    detector: str
    found_by: str
    tissue_pieces: int
    tissue_fraction: float
    tissue_area_px: int
    tissue_area_um2: float | None
    found_tissue: FoundFacts | None
    left_out: list[LeftOutFacts]
    note: str | None


class TissueFacts(TypedDict):
    """What `tissue` reports."""

    slide_path: str
    width_px: int
    height_px: int
    overview_width_px: int
    overview_height_px: int
    overview_mpp_um: list[float] | None
    tissue: list[OutcomeFacts]
    preview_path: str | None


def found_facts(found: FoundTissue | None) -> FoundFacts | None:
    """Return what a detector found."""
    if found is None:
        return None
    return {
        "pieces": found.pieces,
        "area_px": found.area.px,
        "area_um2": found.area.um2,
        "widened_px": found.widened.px,
        "widened_um2": found.widened.um2,
        "holes": found.holes,
        "filled_px": found.filled.px,
        "filled_um2": found.filled.um2,
    }


def left_out_facts(left_out: Sequence[LeftOut]) -> list[LeftOutFacts]:
    """Return what filters dropped."""
    return [
        {
            "what": each.what,
            "reason": each.reason,
            "count": each.count,
            "of": each.of,
            "area_px": each.area_px,
            "area_um2": each.area_um2,
            "option": each.flag,
            "limit": each.limit,
            "message": str(each),
        }
        for each in left_out
    ]


def outcome_facts(name: str, tissue: "TissueMask") -> OutcomeFacts:
    """Return what a detector, by the name it was asked for by, makes of a slide."""
    detector = tissue.parameters["detector"]
    return {
        "detector": name,
        "found_by": str(detector["name"]),
        "tissue_pieces": len(tissue.pieces),
        "tissue_fraction": tissue.tissue_fraction,
        "tissue_area_px": tissue.area.px,
        "tissue_area_um2": tissue.area.um2,
        "found_tissue": found_facts(tissue.found),
        "left_out": left_out_facts(tissue.left_out),
        "note": _note(tissue),
    }


def _note(tissue: "TissueMask") -> str | None:
    """Return why there is no tissue; None where there is any."""
    from slidetile.cohort.no_tiles import why_no_tissue

    if tissue.pieces:
        return None
    return why_no_tissue(tissue.left_out, is_drawn=tissue.found is None)


def tissue_facts(
    slide: "Slide",
    slide_path: Path,
    tissues: dict[str, "TissueMask"],
    preview_path: Path | None,
) -> TissueFacts:
    """Return what detectors make of a slide, by the names they were asked for by."""
    overview = next(iter(tissues.values())).overview
    return {
        "slide_path": str(slide_path),
        "width_px": slide.width,
        "height_px": slide.height,
        "overview_width_px": overview.width,
        "overview_height_px": overview.height,
        "overview_mpp_um": None if overview.mpp is None else list(overview.mpp),
        "tissue": [outcome_facts(name, tissue) for name, tissue in tissues.items()],
        "preview_path": None if preview_path is None else str(preview_path),
    }

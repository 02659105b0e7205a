"""What a store records of what filters dropped, and those numbers as a plan has them.

Knows plans and metadata. Does not know how tissue is found, nor how a store is written.
"""

from slidetile.format.metadata.selection import (
    FoundFacts,
    LeftOutFacts,
    SelectionFacts,
    TissueFacts,
)
from slidetile.format.reason import as_reason
from slidetile.planning.plan import TilePlan
from slidetile.tissue.found import FoundTissue, TissueArea
from slidetile.tissue.left_out import LeftOut


def selection_of(plan: TilePlan) -> SelectionFacts:
    """Return what a store of a plan records."""
    tissue = plan.tissue
    return SelectionFacts(
        tissue=TissueFacts(
            pieces=len(tissue.pieces), area_px=tissue.area.px, area_um2=tissue.area.um2
        ),
        found=None if tissue.found is None else _found_facts(tissue.found),
        left_out=tuple(_left_out_facts(each) for each in plan.left_out if each.count),
    )


def _found_facts(found: FoundTissue) -> FoundFacts:
    return FoundFacts(
        pieces=found.pieces,
        area_px=found.area.px,
        area_um2=found.area.um2,
        widened_px=found.widened.px,
        widened_um2=found.widened.um2,
        holes=found.holes,
        filled_px=found.filled.px,
        filled_um2=found.filled.um2,
    )


def _left_out_facts(left_out: LeftOut) -> LeftOutFacts:
    limit = left_out.limit
    return LeftOutFacts(
        what=as_reason(left_out.what),
        reason=as_reason(left_out.reason),
        count=left_out.count,
        of=left_out.of,
        area_px=left_out.area_px,
        area_um2=left_out.area_um2,
        option=left_out.option,
        limit=None if isinstance(limit, str) else limit,
        choice=limit if isinstance(limit, str) else None,
    )


def found_again(facts: SelectionFacts | None) -> FoundTissue | None:
    """Return what a detector found, as a store records it."""
    found = None if facts is None else facts.found
    if found is None:
        return None
    return FoundTissue(
        pieces=found.pieces,
        area=TissueArea(found.area_px, found.area_um2),
        widened=TissueArea(found.widened_px, found.widened_um2),
        holes=found.holes,
        filled=TissueArea(found.filled_px, found.filled_um2),
    )


def left_out_again(facts: SelectionFacts | None) -> tuple[LeftOut, ...]:
    """Return what filters dropped, as a store records it: with less of a sentence."""
    recorded = () if facts is None else facts.left_out
    return tuple(
        LeftOut(
            what=each.what,
            reason=each.reason,
            count=each.count,
            of=each.of,
            area_px=each.area_px,
            area_um2=each.area_um2,
            why=f"were left out ({each.reason})",
            option=each.option,
            limit=each.limit if each.choice is None else each.choice,
            keeps="nothing keeps them" if each.option is None else "see {option}",
        )
        for each in recorded
    )

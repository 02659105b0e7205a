"""Why a slide has no tissue or no tiles, in a sentence that says what to try.

Knows the filters between a slide and its tiles, and what they dropped. Does not know how.
"""

from collections.abc import Sequence
from typing import NamedTuple

from slidetile.counts import how_large, how_many
from slidetile.store.store import TileStore
from slidetile.tissue.filters import TOO_SMALL
from slidetile.tissue.left_out import PEN, LeftOut
from slidetile.writing.selection import left_out_again


class _Why(NamedTuple):
    """Why there is none, and what to do."""

    why: str
    remedy: str


def why_no_tissue(left_out: Sequence[LeftOut], *, is_drawn: bool) -> str:
    """Return the sentence for a slide without tissue; see `why_no_tiles`."""
    found = _no_tissue(left_out, is_drawn=is_drawn)
    return f"{found.why}: {found.remedy}"


def why_no_tiles(left_out: Sequence[LeftOut], *, has_tissue: bool, is_drawn: bool) -> str:
    """Return the sentence for a slide of which no tile is stored.

    Parameters
    ----------
    left_out
        What every filter dropped, as far as it is known.
    has_tissue
        Whether the tissue mask has any tissue.
    is_drawn
        Whether annotations have replaced the tissue.
    """
    found = _no_tile(left_out) if has_tissue else _no_tissue(left_out, is_drawn=is_drawn)
    return f"{found.why}, so there are 0 tiles: {found.remedy}"


def store_note(store: TileStore) -> str | None:
    """Return why a store has no tiles; None where it has any.

    Raises
    ------
    StoreError
        The store's tissue mask is damaged.
    """
    if len(store):
        return None
    return why_no_tiles(
        left_out_again(store.metadata.selection),
        has_tissue=bool(store.tissue.any()),
        is_drawn=any(
            each.mode == "replace" for each in store.metadata.parameters.tissue.annotations
        ),
    )


def _no_tile(left_out: Sequence[LeftOut]) -> _Why:
    options = {each.option for each in left_out}
    if "edge" in options and "min_tissue_fraction" not in options:
        return _Why(
            "there is tissue, but all of it lies behind the last whole tile",
            "try --edge keep or shift (edge of a TileSpec), or a smaller --tile-size (size)",
        )
    return _Why(
        "there is tissue, but no tile holds enough of it",
        "try a smaller --min-tissue-fraction (min_tissue_fraction) or --tile-size (size of a "
        "TileSpec)",
    )


def _no_tissue(left_out: Sequence[LeftOut], *, is_drawn: bool) -> _Why:
    is_cut = any(each.reason.endswith("side the annotations") for each in left_out)
    if is_drawn or is_cut:
        return _Why(
            "no tissue is left by the annotations",
            "see --annotations-class, --annotations-mode and --annotations-origin "
            "(AnnotationsSpec), or a finer --tissue-mpp (tissue_mpp)",
        )
    by_reason = {each.reason: each for each in left_out}
    if TOO_SMALL in by_reason:
        return _all_small(by_reason[TOO_SMALL])
    if by_reason:
        return _all_taken_for(list(by_reason.values()))
    return _Why(
        "no tissue was found",
        "try another --detector (detector), a smaller --min-piece-area-um2 (min_piece_area_um2), "
        "or draw it (--annotations, annotations)",
    )


def _all_taken_for(left_out: Sequence[LeftOut]) -> _Why:
    """Return the sentence for a detector that took all for something else than tissue."""
    taken = ", ".join(
        f"{each.reason} ({how_large(each.area_um2, each.area_px)})" for each in left_out
    )
    keeps_pen = any(each.reason == PEN and each.option == "keep_pen" for each in left_out)
    keep = "if pen is tissue, --keep-pen (keep_pen) keeps it; else " if keeps_pen else ""
    return _Why(
        f"no tissue was found but what was taken for {taken}",
        f"{keep}try another --detector (detector), or draw the tissue (--annotations, annotations)",
    )


def _all_small(dropped: LeftOut) -> _Why:
    pieces = how_many(dropped.count, "pieces of tissue")
    area = how_large(dropped.area_um2, dropped.area_px)
    limit = f"{dropped.limit:,.0f}" if isinstance(dropped.limit, float | int) else "the least"
    are = "is" if dropped.count == 1 else "all are"
    was = "was" if dropped.count == 1 else "were"
    return _Why(
        f"{pieces} {was} found ({area}), but {are} smaller than {limit} µm²",
        "--min-piece-area-um2 0 (min_piece_area_um2=0) keeps every piece",
    )

"""What becomes of a detector's mask: what it took for no tissue, small pieces, margin and holes.

Knows masks and overviews. Does not know slides, nor how a detector works.
"""

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from slidetile.raster.masks import Mask, count_pieces, with_margin, without_small_pieces
from slidetile.raster.packed import PackedMask
from slidetile.slides.overview import Overview
from slidetile.tissue.found import FoundTissue, TissueArea
from slidetile.tissue.imaging import ASSUMED_MPP
from slidetile.tissue.left_out import PEN, LeftOut

_NOTABLE_SHARE = 0.01
"""A warning tells of pieces that were dropped from this share of the tissue that is left on."""

TOO_SMALL = "too small"
"""The reason of pieces that are smaller than `find_tissue` was asked to keep."""


class Cleaned(NamedTuple):
    """A detector's mask after all filters, and what they did to it."""

    mask: Mask
    """Where the tissue is, bool [row, column]."""

    found: FoundTissue
    """What there was before, and what was added."""

    left_out: tuple[LeftOut, ...]
    """What was dropped; empty where nothing was."""


def clean(
    found: Mask,
    overview: Overview,
    *,
    min_piece_area_um2: float,
    min_hole_area_um2: float,
    tissue_margin_um: float,
) -> Cleaned:
    """Drop small pieces, widen the rest and fill small holes; see `find_tissue`."""
    pixel = overview.mpp or (ASSUMED_MPP, ASSUMED_MPP)
    smallest_px = min(min_piece_area_um2 / math.prod(pixel), found.size / 1000)
    hole_px = min(min_hole_area_um2 / math.prod(pixel), found.size / 200)
    pieces = count_pieces(found)
    kept = without_small_pieces(found, smallest_px, corners=True)
    dropped = _too_small(found, kept, pieces, smallest_px * math.prod(pixel), overview)
    wide = with_margin(kept, tissue_margin_um, pixel)
    whole: Mask = ~without_small_pieces(~wide, hole_px, corners=False)
    numbers = FoundTissue(
        pieces=pieces,
        area=TissueArea.of(_count(found), overview),
        widened=TissueArea.of(_count(wide) - _count(kept), overview),
        holes=count_pieces(whole & ~wide, corners=False),
        filled=TissueArea.of(_count(whole) - _count(wide), overview),
    )
    return Cleaned(whole, numbers, dropped)


def _too_small(
    found: Mask, kept: Mask, pieces: int, limit_um2: float, overview: Overview
) -> tuple[LeftOut, ...]:
    """Return which pieces of tissue were too small; none where all were kept."""
    small: Mask = found & ~kept
    pixels = _count(small)
    if not pixels:
        return ()
    area = TissueArea.of(pixels, overview)
    assumed = "" if overview.mpp else f", if a pixel of the overview is {ASSUMED_MPP:g} µm wide"
    dropped = LeftOut(
        what="pieces of tissue",
        reason=TOO_SMALL,
        count=count_pieces(small),
        of=pieces,
        area_um2=area.um2,
        area_px=area.px,
        why=f"are smaller than {limit_um2:,.0f} µm²{assumed}",
        option="min_piece_area_um2",
        limit=limit_um2,
        is_notable=pixels > _NOTABLE_SHARE * _count(kept),
        where=PackedMask.of(small),
    )
    return (dropped,)


def not_tissue(
    areas: Mapping[str, Mask],
    found: Mask,
    overview: Overview,
    detector: Mapping[str, Any],
    *,
    is_chosen: bool,
) -> tuple[LeftOut, ...]:
    """Return what a detector left out by itself, by reason.

    Parameters
    ----------
    areas
        The masks of `ExplainingDetector.left_out`.
    found
        The mask that the detector returned: what it found after all was not left out.
    overview
        The overview of both.
    detector
        The detector's name and options, as `describe_detector` returns them.
    is_chosen
        Whether the overview has chosen the detector, so that ``keep_pen`` is an option of
        `find_tissue`, not of the detector.
    """
    left_out = []
    for reason, mask in areas.items():
        dropped: Mask = mask & ~found
        if dropped.any():
            area = TissueArea.of(_count(dropped), overview)
            left_out.append(
                LeftOut(
                    what=f"areas of {reason}",
                    reason=reason,
                    count=count_pieces(dropped),
                    area_um2=area.um2,
                    area_px=area.px,
                    why=f"are no tissue to {detector['name']}",
                    option="keep_pen" if reason == PEN and is_chosen else None,
                    keeps=_remedy(reason, detector, is_chosen=is_chosen),
                    # Ink that covers more than the tissue may be tissue of its colour.
                    is_notable=_count(dropped) > _count(found),
                    where=PackedMask.of(dropped),
                )
            )
    return tuple(left_out)


def _remedy(reason: str, detector: Mapping[str, Any], *, is_chosen: bool) -> str:
    """Return what keeps what a detector left out by itself."""
    if reason == PEN and is_chosen:
        return "if they are tissue, {option} keeps them"
    if reason == PEN and "keep_pen" in detector:
        return f"if they are tissue, {detector['name']}(keep_pen=True) keeps them"
    return f"other options of {detector['name']}, or another detector, may keep them"


def _count(mask: Mask) -> int:
    return int(np.count_nonzero(mask))

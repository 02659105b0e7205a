"""Which warnings a slide deserves, by itself and among the other slides of its cohort.

Pure: slides in, warnings out. Knows slides and thresholds. Does not know pages.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from slidetile.cohort.report.slide import ReportedSlide
from slidetile.cohort.report.stored import StoredFacts
from slidetile.cohort.report.warning import (
    BLUR_FACTOR,
    COMMON_SHARE,
    FAR_DEVIATIONS,
    FEWEST_SLIDES,
    LARGEST_MPP,
    LEAST_DEVIATION,
    ODD_FACTOR,
    PEN_AREA_SHARE,
    PEN_TILE_SHARE,
    SMALLEST_MPP,
    Blur,
    NoTissue,
    OddMpp,
    OddTissueShare,
    Pen,
    Recorded,
    SlideWarning,
    UnreadableTiles,
)

ROBUST = 1.4826
"""Standard deviations of a normal distribution per MAD."""

SAME_MPP = 1.1
"""Two resolutions that differ by less than this factor are about the same."""

Numbers = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cohort:
    """The figures of all slides that have a store, among which each is judged."""

    mpps: Numbers
    """µm per pixel of the slides that know it."""

    shares: Numbers
    """Tissue's share of the slides that have tissue."""

    sharpnesses: Numbers
    """Median sharpness of the slides where it is known."""

    sharpness_groups: Numbers
    """What sharpness was measured on, in the same order; see `_group`."""

    @classmethod
    def of(cls, slides: Sequence[ReportedSlide]) -> Self:
        """Return the figures of slides."""
        stored = [slide.stored for slide in slides if slide.stored is not None]
        sharp = [facts for facts in stored if facts.sharpness is not None]
        return cls(
            mpps=_numbers(stored, slide_mpp),
            shares=_numbers(stored, lambda facts: facts.tissue_share or None),
            sharpnesses=_numbers(sharp, lambda facts: facts.sharpness),
            sharpness_groups=_numbers(sharp, _group),
        )


def _numbers(
    stored: Sequence[StoredFacts], value: Callable[[StoredFacts], float | None]
) -> Numbers:
    found = [value(facts) for facts in stored]
    return np.array([number for number in found if number is not None], np.float64)


def _group(facts: StoredFacts) -> float:
    """Return the logarithm of the resolution of a sharpness; far off for other channels."""
    mpp = 0.0 if facts.sharpness_mpp is None else math.log(facts.sharpness_mpp)
    return mpp if facts.is_plain else mpp + 1000


def slide_mpp(facts: StoredFacts) -> float | None:
    """Return the slide's µm per pixel, the mean of both axes; None where unknown."""
    return None if facts.slide_mpp is None else sum(facts.slide_mpp) / 2


def warnings_of(slide: ReportedSlide, cohort: Cohort) -> tuple[SlideWarning, ...]:
    """Return the warnings a slide deserves, worst first."""
    return tuple(_warnings(slide, cohort))


def _warnings(slide: ReportedSlide, cohort: Cohort) -> Iterator[SlideWarning]:
    row, facts = slide.row, slide.stored
    if facts is not None and not slide.has_failed:
        if not facts.tiles:
            yield NoTissue(note=None if row is None else row.note)
        judged = (
            _unreadable(facts),
            _odd_mpp(facts, cohort),
            _pen(facts),
            _blur(facts, cohort),
            _odd_share(facts, cohort),
        )
        yield from filter(None, judged)
    if row is not None:
        yield from (Recorded(text=text) for text in row.warnings)


def _unreadable(facts: StoredFacts) -> UnreadableTiles | None:
    if not facts.unreadable:
        return None
    return UnreadableTiles(tiles=facts.unreadable, of=facts.tiles, reasons=facts.unreadable_reasons)


def _odd_mpp(facts: StoredFacts, cohort: Cohort) -> OddMpp | None:
    mpp = slide_mpp(facts)
    if mpp is None or not SMALLEST_MPP <= mpp <= LARGEST_MPP:
        return OddMpp(mpp=mpp, median=None)
    median = _unlike_the_others(mpp, cohort.mpps)
    return None if median is None else OddMpp(mpp=mpp, median=median)


def _unlike_the_others(mpp: float, mpps: Numbers) -> float | None:
    """Return the median that an mpp is far from; None where it is near, or common."""
    if len(mpps) < FEWEST_SLIDES:
        return None
    median = float(np.median(mpps))
    is_far = max(mpp / median, median / mpp) >= ODD_FACTOR
    alike = np.abs(np.log(mpps / mpp)) < math.log(SAME_MPP)
    return median if is_far and float(alike.mean()) < COMMON_SHARE else None


def _pen(facts: StoredFacts) -> Pen | None:
    on_tiles = facts.tiles_with_pen / facts.tiles if facts.tiles else 0.0
    if facts.pen_share < PEN_AREA_SHARE and on_tiles < PEN_TILE_SHARE:
        return None
    return Pen(area_share=facts.pen_share, tiles=facts.tiles_with_pen, of=facts.tiles)


def _blur(facts: StoredFacts, cohort: Cohort) -> Blur | None:
    if facts.sharpness is None:
        return None
    is_alike = np.abs(cohort.sharpness_groups - _group(facts)) < math.log(ODD_FACTOR)
    compared = cohort.sharpnesses[is_alike]
    if len(compared) < FEWEST_SLIDES:
        return None
    median = float(np.median(compared))
    if facts.sharpness >= BLUR_FACTOR * median:
        return None
    return Blur(sharpness=facts.sharpness, median=median)


def _odd_share(facts: StoredFacts, cohort: Cohort) -> OddTissueShare | None:
    share, shares = facts.tissue_share, cohort.shares
    if not share or len(shares) < FEWEST_SLIDES:
        return None
    median = float(np.median(shares))
    mad = float(np.median(np.abs(shares - median)))
    deviations = (share - median) / max(ROBUST * mad, LEAST_DEVIATION)
    if abs(deviations) <= FAR_DEVIATIONS:
        return None
    return OddTissueShare(share=share, median=median, mad=mad, deviations=deviations)

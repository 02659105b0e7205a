"""Which warnings a slide deserves, by itself and among the other slides of its cohort.

Pure: slides in, warnings out. Knows slides and thresholds. Does not know pages.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
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
    MissedClass,
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
class Spread:
    """Where numbers lie, whatever a few of them are."""

    median: float
    """Their median."""

    mad: float
    """The median of their absolute deviations from it."""

    @classmethod
    def of(cls, numbers: Numbers) -> Self | None:
        """Return the spread of numbers; None where they are too few."""
        if len(numbers) < FEWEST_SLIDES:
            return None
        median = float(np.median(numbers))
        return cls(median=median, mad=float(np.median(np.abs(numbers - median))))


@dataclass(frozen=True, slots=True, kw_only=True)
class CohortFigures:
    """The figures of all slides that have a store, among which each is judged."""

    mpps: Numbers
    """µm per pixel of the slides that know it, ascending."""

    mpp: Spread | None
    """Their spread."""

    share: Spread | None
    """That of tissue's share of the slides that have tissue."""

    sharpness: Mapping[float, Spread | None]
    """That of the sharpness of slides measured alike, for each `_group`."""

    @classmethod
    def of(cls, slides: Sequence[ReportedSlide]) -> Self:
        """Return the figures of slides."""
        stored = [slide.stored for slide in slides if slide.stored is not None]
        mpps = np.sort(_numbers(stored, slide_mpp))
        return cls(
            mpps=mpps,
            mpp=Spread.of(mpps),
            share=Spread.of(_numbers(stored, lambda facts: facts.tissue_share or None)),
            sharpness=_sharpness([facts for facts in stored if facts.sharpness is not None]),
        )


def _numbers(
    stored: Sequence[StoredFacts], value: Callable[[StoredFacts], float | None]
) -> Numbers:
    found = [value(facts) for facts in stored]
    return np.array([number for number in found if number is not None], np.float64)


def _sharpness(sharp: Sequence[StoredFacts]) -> dict[float, Spread | None]:
    values, groups = _numbers(sharp, lambda facts: facts.sharpness), _numbers(sharp, _group)
    return {
        group: Spread.of(values[np.abs(groups - group) < math.log(ODD_FACTOR)])
        for group in np.unique(groups).tolist()
    }


def _group(facts: StoredFacts) -> float:
    """Return the logarithm of the resolution of a sharpness; far off where light is emitted."""
    mpp = 0.0 if facts.sharpness_mpp is None else round(math.log(facts.sharpness_mpp), 2)
    return mpp if facts.is_brightfield else mpp + 1000


def slide_mpp(facts: StoredFacts) -> float | None:
    """Return the slide's µm per pixel, the mean of both axes; None where unknown."""
    return None if facts.slide_mpp is None else sum(facts.slide_mpp) / 2


def warnings_of(slide: ReportedSlide, cohort: CohortFigures) -> tuple[SlideWarning, ...]:
    """Return the warnings a slide deserves, worst first."""
    return tuple(_warnings(slide, cohort))


def _warnings(slide: ReportedSlide, cohort: CohortFigures) -> Iterator[SlideWarning]:
    row, facts = slide.row, slide.stored
    if facts is not None and not slide.has_failed:
        if not facts.tiles:
            yield NoTissue(note=None if row is None else row.note)
        judged = (
            _unreadable(facts),
            *_missed(facts),
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


def _missed(facts: StoredFacts) -> list[MissedClass]:
    return [
        MissedClass(name=each.name, least=each.least, area_mm2=each.area_mm2)
        for each in facts.classes or ()
        if each.is_missed and each.least is not None
    ]


def _odd_mpp(facts: StoredFacts, cohort: CohortFigures) -> OddMpp | None:
    mpp = slide_mpp(facts)
    if mpp is None or not SMALLEST_MPP <= mpp <= LARGEST_MPP:
        return OddMpp(mpp=mpp, median=None)
    if cohort.mpp is None or not _is_unlike(mpp, cohort.mpp.median, cohort.mpps):
        return None
    return OddMpp(mpp=mpp, median=cohort.mpp.median)


def _is_unlike(mpp: float, median: float, mpps: Numbers) -> bool:
    """Return whether an mpp is far from the median, and few slides have about the same."""
    if max(mpp / median, median / mpp) < ODD_FACTOR:
        return False
    first, last = np.searchsorted(mpps, (mpp / SAME_MPP, mpp * SAME_MPP)).tolist()
    return bool(last - first < COMMON_SHARE * len(mpps))


def _pen(facts: StoredFacts) -> Pen | None:
    on_tiles = facts.tiles_with_pen / facts.tiles if facts.tiles else 0.0
    if facts.pen_share < PEN_AREA_SHARE and on_tiles < PEN_TILE_SHARE:
        return None
    return Pen(area_share=facts.pen_share, tiles=facts.tiles_with_pen, of=facts.tiles)


def _blur(facts: StoredFacts, cohort: CohortFigures) -> Blur | None:
    if facts.sharpness is None:
        return None
    alike = cohort.sharpness[_group(facts)]
    if alike is None or facts.sharpness >= BLUR_FACTOR * alike.median:
        return None
    return Blur(sharpness=facts.sharpness, median=alike.median)


def _odd_share(facts: StoredFacts, cohort: CohortFigures) -> OddTissueShare | None:
    share, spread = facts.tissue_share, cohort.share
    if not share or spread is None:
        return None
    deviations = (share - spread.median) / max(ROBUST * spread.mad, LEAST_DEVIATION)
    if abs(deviations) <= FAR_DEVIATIONS:
        return None
    return OddTissueShare(share=share, median=spread.median, mad=spread.mad, deviations=deviations)

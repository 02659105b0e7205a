"""What is worth a look on a slide that has not failed: one value for each kind of warning.

Knows each kind's threshold, and how it is said with its numbers. Does not know where they come
from.
"""

from dataclasses import dataclass
from typing import ClassVar, Protocol

from slidetile.counts import how_many

FEWEST_SLIDES = 5
"""A slide is compared with the others where at least so many can be compared."""

SMALLEST_MPP, LARGEST_MPP = 0.1, 1.2
"""Usual µm per pixel of scanned slides: from beyond 80× down to beyond 10×."""

ODD_FACTOR = 1.5
"""An mpp that differs by this factor is another objective, or a mistake: the next is a factor 2."""

COMMON_SHARE = 0.25
"""An mpp that so many slides of the cohort have is not odd: the cohort is mixed."""

PEN_AREA_SHARE = 0.001
"""Share of the scanned area that is left out as pen: of less, a speck was taken for pen."""

PEN_TILE_SHARE = 0.02
"""Share of the tiles with pen on them."""

BLUR_FACTOR = 0.2
"""What a Gaussian blur of 2 µm leaves of the Laplacian's variance at 4 µm per pixel; see
docs/explanation/quality.md."""

FAR_DEVIATIONS = 3.5
"""Robust deviations, |x − median| / (1.4826 · MAD): Iglewicz and Hoaglin, "How to detect and handle
outliers" (ASQC, 1993)."""

LEAST_DEVIATION = 0.02
"""The least that such a deviation counts as, so that a cohort of equal slides has no outliers."""


def _percent(fraction: float, *, digits: int = 1) -> str:
    return f"{100 * fraction:.{digits}f} %"


class SlideWarning(Protocol):
    """A warning about one slide."""

    kind: ClassVar[str]
    """Its kind, in a few words."""

    rule: ClassVar[str]
    """When there is one, with its threshold, in a sentence."""

    def __str__(self) -> str:
        """Say what is odd, with the numbers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NoTissue:
    """The slide has a store, but no tissue or no tiles."""

    kind: ClassVar[str] = "no tissue"
    rule: ClassVar[str] = "No tissue was found, or no tile holds enough of it: the store is empty."

    note: str | None
    """Why, and what to try."""

    def __str__(self) -> str:
        """Say what is odd."""
        return self.note or "no tile is stored: no tissue was found, or no tile holds enough of it"


@dataclass(frozen=True, slots=True, kw_only=True)
class UnreadableTiles:
    """Tiles could not be read from the slide."""

    kind: ClassVar[str] = "unreadable tiles"
    rule: ClassVar[str] = "At least one tile could not be read from the slide."

    tiles: int
    """How many."""

    of: int
    """Of how many."""

    reasons: tuple[tuple[str, int], ...]
    """What is wrong with them, and how many tiles that is true of."""

    def __str__(self) -> str:
        """Say what is odd."""
        why = ", ".join(f"{reason} ({count:,})" for reason, count in self.reasons)
        told = f"{self.tiles:,} of {how_many(self.of, 'tiles')} could not be read"
        return f"{told}: {why}" if why else told


@dataclass(frozen=True, slots=True, kw_only=True)
class MissedClass:
    """No tile has anything of a class that was asked for."""

    kind: ClassVar[str] = "class without a tile"
    rule: ClassVar[str] = (
        "No tile has anything of a class of which a share was asked for (--min-class-fraction)."
    )

    name: str
    """The class."""

    least: float
    """The share of a tile that was asked for."""

    area_mm2: float | None
    """What was drawn of it on the slide; None where the mpp is unknown."""

    def __str__(self) -> str:
        """Say what is odd."""
        area = "" if not self.area_mm2 else f", though {self.area_mm2:,.3g} mm² of it are labelled"
        return f"no tile has anything of {self.name}, of which {self.least:g} was asked for{area}"


@dataclass(frozen=True, slots=True, kw_only=True)
class OddMpp:
    """The slide's mpp is not known, not usual, or not the others'."""

    kind: ClassVar[str] = "odd mpp"
    rule: ClassVar[str] = (
        f"The slide's mpp is unknown, is outside {SMALLEST_MPP:g}–{LARGEST_MPP:g} µm per pixel, or "
        f"differs by a factor of {ODD_FACTOR:g} or more from the cohort's "
        f"median, and fewer than {_percent(COMMON_SHARE, digits=0)} of the slides have it."
    )

    mpp: float | None
    """The slide's µm per pixel, the mean of both axes."""

    median: float | None
    """The cohort's median; None where the slide does not differ from it."""

    def __str__(self) -> str:
        """Say what is odd."""
        if self.mpp is None:
            return "the slide's mpp is unknown: tissue was looked for with an assumed one"
        told = f"the slide has {self.mpp:.4g} µm per pixel"
        if self.median is None:
            return f"{told}, which is outside {SMALLEST_MPP:g}–{LARGEST_MPP:g}"
        ratio = self.mpp / self.median
        factor = f"{max(ratio, 1 / ratio):.1f} times as {'coarse' if ratio > 1 else 'fine'}"
        return f"{told}, the cohort's median is {self.median:.4g}: {factor}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pen:
    """Somebody has written on the slide."""

    kind: ClassVar[str] = "pen"
    rule: ClassVar[str] = (
        f"Pen was left out on {_percent(PEN_AREA_SHARE)} or more of the scanned area, or lies on "
        f"{_percent(PEN_TILE_SHARE, digits=0)} or more of the tiles."
    )

    area_share: float
    """Share of the scanned area that was left out as pen, 0–1."""

    tiles: int
    """Tiles with pen on them."""

    of: int
    """All tiles."""

    def __str__(self) -> str:
        """Say what is odd."""
        left_out = f"pen was left out on {_percent(self.area_share)} of the scanned area"
        on_tiles = f"{self.tiles:,} of {how_many(self.of, 'tiles')} have some on them"
        return f"{left_out}; {on_tiles}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Blur:
    """The slide is much less sharp than others of the cohort."""

    kind: ClassVar[str] = "blur"
    rule: ClassVar[str] = (
        "The median sharpness of the tiles that are mostly tissue is less than "
        f"{_percent(BLUR_FACTOR, digits=0)} of the median of the slides measured at the same "
        f"resolution, as a blur of 2 µm leaves; {FEWEST_SLIDES} slides at least are compared."
    )

    sharpness: float
    """Median variance of the Laplacian."""

    median: float
    """The median of the slides compared."""

    def __str__(self) -> str:
        """Say what is odd."""
        share = self.sharpness / self.median
        return (
            f"the tiles' median sharpness is {self.sharpness:,.0f} (variance of the Laplacian), "
            f"{_percent(share, digits=0)} of the cohort's median of {self.median:,.0f}"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class OddTissueShare:
    """Tissue takes a much larger or smaller part of the slide than of the others."""

    kind: ClassVar[str] = "tissue share"
    rule: ClassVar[str] = (
        "Tissue's share of the scanned area is far from the cohort's: more than "
        f"{FAR_DEVIATIONS:g} robust deviations (1.4826 × MAD, at least "
        f"{_percent(LEAST_DEVIATION, digits=0)}) from the median; {FEWEST_SLIDES} slides at least "
        "are compared."
    )

    share: float
    """Tissue's share of the scanned area, 0–1."""

    median: float
    """The cohort's median."""

    mad: float
    """Median of the absolute deviations from it."""

    deviations: float
    """Robust deviations from the median."""

    def __str__(self) -> str:
        """Say what is odd."""
        return (
            f"tissue takes {_percent(self.share)} of the scanned area, the cohort's median is "
            f"{_percent(self.median)} (MAD {_percent(self.mad)}): {abs(self.deviations):.1f} "
            f"robust deviations {'above' if self.deviations > 0 else 'below'}"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """A warning that was given while the slide was tiled."""

    kind: ClassVar[str] = "warned while tiling"
    rule: ClassVar[str] = "The run that tiled the slide gave a warning."

    text: str
    """What it said."""

    def __str__(self) -> str:
        """Say what it said."""
        return self.text


KINDS: tuple[type[SlideWarning], ...] = (
    *(NoTissue, UnreadableTiles, MissedClass, OddMpp, Pen, Blur, OddTissueShare, Recorded),
)
"""All kinds, worst first."""

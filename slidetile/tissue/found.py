"""How much tissue a detector found, and what was added to it, in numbers.

Knows counts of an overview's pixels. Does not know how tissue is found.
"""

import math
from dataclasses import dataclass
from typing import Self

from slidetile.counts import how_large
from slidetile.slides.overview import Overview


@dataclass(frozen=True, slots=True)
class TissueArea:
    """How large a part of a slide is; as text it is in µm², mm² or pixels."""

    px: int
    """Level-0 pixels; overview pixels that reach beyond the slide count as whole."""

    um2: float | None
    """µm², or None where the slide's mpp is unknown."""

    @classmethod
    def of(cls, pixels: int, overview: Overview) -> Self:
        """Return the area of so many of an overview's pixels."""
        px = round(pixels * math.prod(overview.downsample))
        return cls(px, None if overview.mpp is None else pixels * math.prod(overview.mpp))

    def __str__(self) -> str:
        return str(how_large(self.um2, self.px))


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundTissue:
    """What a detector found, before anything was dropped, and what was added to it."""

    pieces: int
    """How many connected pieces the detector found."""

    area: TissueArea
    """Their area together."""

    widened: TissueArea
    """What ``tissue_margin_um`` added, which may join pieces."""

    holes: int
    """How many holes were filled, by ``min_hole_area_um2``."""

    filled: TissueArea
    """Their area together."""

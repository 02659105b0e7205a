"""How the tile table's quality columns were measured: ``attributes.slidetile.quality``."""

from dataclasses import dataclass
from typing import Annotated

from slidetile.format.metadata.part import JsonPart
from slidetile.format.metadata.rules import LARGEST_LENGTH_PX, Nullable, Whole, pair
from slidetile.format.metadata.source import MOST_LEVELS

QUALITY_MPP = Nullable(pair(0.01, 1000))


@dataclass(frozen=True, slots=True, kw_only=True)
class QualityFacts(JsonPart):
    """Which pixels are measured, and how pen is distinguished from tissue."""

    level: Annotated[int, Whole(0, MOST_LEVELS - 1)]
    """The store's level that is measured."""

    factor: Annotated[int, Whole(1, LARGEST_LENGTH_PX)]
    """Side of the square of pixels of the level that is averaged into one pixel."""

    mpp: Annotated[tuple[float, float] | None, QUALITY_MPP]
    """Micrometres per averaged pixel, as (x, y), or None where the slide's are unknown."""

    pen_method: Annotated[int, Whole(0, 1 << 16)]
    """Version of the method that detects pen."""

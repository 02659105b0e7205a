"""How the tile table's quality columns came about: ``attributes.slidetile.quality``."""

from dataclasses import dataclass
from typing import Annotated

from slidetile.format.metadata.part import JsonPart
from slidetile.format.metadata.rules import LARGEST_LENGTH_PX, Nullable, Whole, pair
from slidetile.format.metadata.source import MOST_LEVELS

QUALITY_MPP = Nullable(pair(0.01, 1000))


@dataclass(frozen=True, slots=True, kw_only=True)
class QualityFacts(JsonPart):
    """Which pixels are measured, and how pen is told from tissue."""

    level: Annotated[int, Whole(0, MOST_LEVELS - 1)]
    """The store's level that is measured."""

    factor: Annotated[int, Whole(1, LARGEST_LENGTH_PX)]
    """Pixels of the level to a side of what is averaged into one."""

    mpp: Annotated[tuple[float, float] | None, QUALITY_MPP]
    """Micrometres per averaged pixel, as (x, y), or None where the slide's are unknown."""

    pen_method: Annotated[int, Whole(0, 1 << 16)]
    """The number of the way in which pen is found."""

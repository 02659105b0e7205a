"""How a store's level 0 follows from the slide's levels: ``attributes.slidetile.level_0``."""

from dataclasses import dataclass
from typing import Annotated, Self

from slidetile.format.metadata.part import JsonPart
from slidetile.format.metadata.rules import LARGEST_LENGTH_PX, Nullable, Whole, pair
from slidetile.format.metadata.source import MOST_LEVELS
from slidetile.raster.averaging import LARGEST_FACTOR
from slidetile.raster.resolution import COARSEST_MPP, FINEST_MPP, Rescaling

_UNCHANGED = (1.0, 1.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Level0(JsonPart):
    """The store's level 0: a level of the slide unchanged, or averaged from one."""

    mpp: Annotated[tuple[float, float] | None, Nullable(pair(FINEST_MPP / 2, COARSEST_MPP * 2))]
    """Micrometres per pixel of the store's level 0, as (x, y), or None where unknown.

    An unchanged level keeps its own mpp, which may lie slightly outside the range that can be
    requested."""

    slide_level: Annotated[int, Whole(0, MOST_LEVELS - 1)]
    """The slide's level that level 0 is, or is averaged from."""

    factor: Annotated[tuple[float, float], pair(1, LARGEST_FACTOR)]
    """Pixels of that level per pixel of level 0, as (x, y); both 1 where it is unchanged."""

    scale: Annotated[tuple[float, float], pair(1, LARGEST_LENGTH_PX)]
    """Level-0 pixels of the slide per pixel of the store's level 0, as (x, y)."""

    @classmethod
    def of(cls, mpp: tuple[float, float] | None, rescaling: Rescaling | None) -> Self:
        """Return how the level 0 of a store of this slide is made.

        Parameters
        ----------
        mpp
            Micrometres per level-0 pixel of the slide at the store's resolution.
        rescaling
            How that slide follows from the file's; None if it is the same.
        """
        if rescaling is None:
            return cls(mpp=mpp, slide_level=0, factor=_UNCHANGED, scale=_UNCHANGED)
        x, y = rescaling.factor
        return cls(
            mpp=mpp,
            slide_level=rescaling.level,
            factor=(float(x), float(y)),
            scale=rescaling.scale,
        )

    @property
    def is_averaged(self) -> bool:
        """Whether level 0 is averaged; otherwise it is an unchanged level of the slide."""
        return self.factor != _UNCHANGED

"""How a store's level 0 follows from the slide's levels: ``attributes.slidetile.level_0``."""

from dataclasses import dataclass
from typing import Annotated, Self

from slidetile.format.metadata.part import JsonPart
from slidetile.format.metadata.rules import LARGEST_LENGTH_PX, Nullable, Whole, pair
from slidetile.format.metadata.source import MOST_LEVELS
from slidetile.raster.averaging import LARGEST_FACTOR
from slidetile.raster.resolution import COARSEST_MPP, FINEST_MPP, Rescaling

_AS_IT_IS = (1.0, 1.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Level0(JsonPart):
    """A level of the slide as it is, or averaged from one."""

    mpp: Annotated[tuple[float, float] | None, Nullable(pair(FINEST_MPP / 2, COARSEST_MPP * 2))]
    """Micrometres per pixel of the store's level 0, as (x, y), or None where unknown.

    A level that is used as it is keeps its own, which may lie a little beyond what can be asked
    for."""

    slide_level: Annotated[int, Whole(0, MOST_LEVELS - 1)]
    """The slide's level that level 0 is, or is averaged from."""

    factor: Annotated[tuple[float, float], pair(1, LARGEST_FACTOR)]
    """Pixels of that level per pixel of level 0, as (x, y); both 1 where it is used as it is."""

    scale: Annotated[tuple[float, float], pair(1, LARGEST_LENGTH_PX)]
    """Level-0 pixels of the slide per pixel of the store's level 0, as (x, y)."""

    @classmethod
    def of(cls, mpp: tuple[float, float] | None, rescaling: Rescaling | None) -> Self:
        """Return what a slide says.

        Parameters
        ----------
        mpp
            Micrometres per level-0 pixel of the slide as it is stored.
        rescaling
            How it follows from the slide of the file; None where it is that.
        """
        if rescaling is None:
            return cls(mpp=mpp, slide_level=0, factor=_AS_IT_IS, scale=_AS_IT_IS)
        x, y = rescaling.factor
        return cls(
            mpp=mpp,
            slide_level=rescaling.level,
            factor=(float(x), float(y)),
            scale=rescaling.scale,
        )

    @property
    def is_averaged(self) -> bool:
        """Whether level 0 is averaged; else it is a level of the slide as it is."""
        return self.factor != _AS_IT_IS

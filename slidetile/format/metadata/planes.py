"""Which of the slide's channels, depths and times were stored: ``parameters.planes``."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Self

from slidetile.format.metadata.part import JsonPart
from slidetile.format.metadata.rules import Absent, Items, Text, Whole
from slidetile.raster.channels import LONGEST_NAME, MOST_CHANNELS

_PLACE = Whole(0, (1 << 31) - 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaneFacts(JsonPart):
    """What was chosen of a slide."""

    channels: Annotated[
        tuple[str, ...] | None, Absent(Items(Text(1, LONGEST_NAME), 1, MOST_CHANNELS))
    ] = None
    """Names or numbers of the channels, as they were asked for; None for all."""

    z: Annotated[int | None, Absent(_PLACE)] = None
    """The depth, from 0; None where the slide has one."""

    t: Annotated[int | None, Absent(_PLACE)] = None
    """The time, from 0; None where the slide has one."""

    @classmethod
    def of(cls, channels: Sequence[str], z: int | None, t: int | None) -> Self | None:
        """Return the record of what was chosen, or None where nothing was."""
        if not channels and z is None and t is None:
            return None
        return cls(channels=tuple(channels) or None, z=z, t=t)

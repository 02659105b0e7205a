"""How much tissue there is, and what filters dropped: ``attributes.slidetile.selection``."""

from dataclasses import dataclass
from typing import Annotated

from slidetile.format.metadata.part import JsonPart, Part
from slidetile.format.metadata.rules import (
    LARGEST_LENGTH_PX,
    Absent,
    Items,
    Number,
    Text,
    Whole,
)
from slidetile.format.reason import MOST_CHARACTERS

MOST_LEFT_OUT = 256
"""Most filters of a store: fewer than that tell of what they dropped."""

_COUNT = Whole(0, (1 << 31) - 1)
_PX = Whole(0, LARGEST_LENGTH_PX**2)
_UM2 = Absent(Number(0, 1e18))


@dataclass(frozen=True, slots=True, kw_only=True)
class TissueFacts(JsonPart):
    """The tissue of the mask, all filters applied."""

    pieces: Annotated[int, _COUNT]
    """Connected pieces."""

    area_px: Annotated[int, _PX]
    """Their area together, in level-0 pixels."""

    area_um2: Annotated[float | None, _UM2] = None
    """The same in µm²; None where the slide's mpp is unknown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundFacts(JsonPart):
    """What the detector found, and what was added to it."""

    pieces: Annotated[int, _COUNT]
    """Connected pieces that the detector found."""

    area_px: Annotated[int, _PX]
    """Their area together, in level-0 pixels."""

    area_um2: Annotated[float | None, _UM2] = None
    """The same in µm²; None where the slide's mpp is unknown."""

    widened_px: Annotated[int, _PX]
    """What the margin added, in level-0 pixels."""

    widened_um2: Annotated[float | None, _UM2] = None
    """The same in µm²."""

    holes: Annotated[int, _COUNT]
    """Holes that were filled."""

    filled_px: Annotated[int, _PX]
    """Their area together, in level-0 pixels."""

    filled_um2: Annotated[float | None, _UM2] = None
    """The same in µm²."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftOutFacts(JsonPart):
    """What one filter dropped."""

    what: Annotated[str, Text(1, MOST_CHARACTERS)]
    """What was dropped, in the plural."""

    reason: Annotated[str, Text(1, MOST_CHARACTERS)]
    """Why, in a few words."""

    count: Annotated[int, Whole(1, (1 << 63) - 1)]
    """How many."""

    of: Annotated[int | None, Absent(Whole(1, (1 << 63) - 1))] = None
    """Of how many; None where that is not known."""

    area_px: Annotated[int | None, Absent(_PX)] = None
    """Their area together, in level-0 pixels; None where they have none."""

    area_um2: Annotated[float | None, _UM2] = None
    """The same in µm²; None where they have none, or the slide's mpp is unknown."""

    option: Annotated[str | None, Absent(Text(1, MOST_CHARACTERS))] = None
    """The option that decides it, as Python names it; None where none does."""

    limit: Annotated[float | None, Absent(Number(0, 1e18))] = None
    """The number that option came to; None where it has none."""

    choice: Annotated[str | None, Absent(Text(1, MOST_CHARACTERS))] = None
    """The word that option came to, such as "drop"; None where it has none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SelectionFacts(JsonPart):
    """What became of the slide's tissue on the way to the tiles."""

    tissue: Annotated[TissueFacts, Part(TissueFacts)]
    """The tissue of the mask."""

    found: Annotated[FoundFacts | None, Absent(Part(FoundFacts))] = None
    """What the detector found; None where none was asked."""

    left_out: Annotated[tuple[LeftOutFacts, ...], Items(Part(LeftOutFacts), 0, MOST_LEFT_OUT)]
    """What each filter dropped, in their order; empty where nothing was dropped."""

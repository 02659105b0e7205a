"""What of the slide was damaged when a store was made: ``attributes.slidetile.damage``."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Self

from slidetile.format.metadata.part import JsonPart, Part
from slidetile.format.metadata.rules import Items, Text, Whole
from slidetile.format.metadata.source import MOST_LEVELS

MOST_REASONS = 64

_COUNT = Whole(1, (1 << 31) - 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class UnreadableTiles(JsonPart):
    """Tiles that could not be read for the same reason."""

    reason: Annotated[str, Text(1, 200)]
    """What is wrong with them, in a few words."""

    tiles: Annotated[int, _COUNT]
    """Their number."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplacedBlocks(JsonPart):
    """Blocks of a level of the slide that are empty or do not decode."""

    level: Annotated[int, Whole(0, MOST_LEVELS - 1)]
    """The slide's level. Blocks of level 0 are background on the overview, those of others are
    averaged from the next finer level."""

    blocks: Annotated[int, _COUNT]
    """Their number."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DamageFacts(JsonPart):
    """The damage that was met, which is no damage of the store."""

    unreadable: Annotated[
        tuple[UnreadableTiles, ...], Items(Part(UnreadableTiles), 0, MOST_REASONS)
    ]
    """The tiles whose status is ``unreadable``, by reason, most tiles first."""

    replaced: Annotated[tuple[ReplacedBlocks, ...], Items(Part(ReplacedBlocks), 0, MOST_LEVELS)]
    """The blocks that were replaced, finest level first."""

    @classmethod
    def of(cls, reasons: Mapping[str, int], replaced: Mapping[int, int]) -> Self | None:
        """Return the facts, or None where nothing was damaged.

        Parameters
        ----------
        reasons
            The number of unreadable tiles, by reason.
        replaced
            The number of replaced blocks, by level.
        """
        if not reasons and not replaced:
            return None
        in_order = sorted(reasons.items(), key=lambda item: (-item[1], item[0]))
        return cls(
            unreadable=tuple(UnreadableTiles(reason=r[:200], tiles=n) for r, n in in_order),
            replaced=tuple(ReplacedBlocks(level=n, blocks=b) for n, b in sorted(replaced.items())),
        )

    @property
    def reasons(self) -> dict[str, int]:
        """The number of unreadable tiles, by reason."""
        return {each.reason: each.tiles for each in self.unreadable}

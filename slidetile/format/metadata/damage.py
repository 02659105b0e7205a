"""What of the slide was damaged when a store was made: ``attributes.slidetile.damage``."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, Self

from slidetile.format.metadata.part import JsonPart, Part
from slidetile.format.metadata.rules import Items, Text, Whole
from slidetile.format.metadata.source import MOST_LEVELS
from slidetile.format.reason import MOST_CHARACTERS, OTHERS, as_reason

MOST_REASONS, MOST_WRITTEN = 64, 32
"""Most reasons of a store, and most that are written."""

_COUNT = Whole(1, (1 << 31) - 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class UnreadableTiles(JsonPart):
    """Tiles that could not be read for the same reason."""

    reason: Annotated[str, Text(1, MOST_CHARACTERS)]
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
        counts = _in_order(_told(reasons))
        return cls(
            unreadable=tuple(UnreadableTiles(reason=reason, tiles=n) for reason, n in counts),
            replaced=tuple(ReplacedBlocks(level=n, blocks=b) for n, b in sorted(replaced.items())),
        )

    @property
    def reasons(self) -> dict[str, int]:
        """The number of unreadable tiles, by reason."""
        return dict(_summed((each.reason, each.tiles) for each in self.unreadable))


def _told(reasons: Mapping[str, int]) -> Counter[str]:
    """Return the reasons as they are recorded, the rarest as one where there are many."""
    whole = _summed((as_reason(reason), tiles) for reason, tiles in reasons.items())
    named = _in_order(whole)
    kept = MOST_WRITTEN if len(named) <= MOST_WRITTEN else MOST_WRITTEN - 1
    return _summed([*named[:kept], *((OTHERS, tiles) for _, tiles in named[kept:])])


def _summed(counts: Iterable[tuple[str, int]]) -> Counter[str]:
    total: Counter[str] = Counter()
    for reason, tiles in counts:
        total[reason] += tiles
    return total


def _in_order(counts: Mapping[str, int]) -> list[tuple[str, int]]:
    """Return the reasons with their tiles, most tiles first."""
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))

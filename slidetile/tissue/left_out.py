"""What a filter dropped on the way from a slide to its tiles, in numbers, and what keeps it.

Knows counts and the names of options. Does not know what was filtered, or how.
"""

import logging
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from slidetile.counts import how_large
from slidetile.raster.packed import PackedMask

_log = logging.getLogger(__name__)

PEN = "pen"
"""The reason of strokes of marker pen, by which detectors of one's own may name them, too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftOut:
    """What one filter dropped; as text it is a sentence with the number and the option."""

    what: str
    """What was dropped, in the plural, such as "pieces of tissue"."""

    reason: str
    """Why, in a word or a few, such as "too small": what stores, lines and pictures say."""

    count: int
    """How many."""

    of: int | None = None
    """Of how many; None where that is not known."""

    area_um2: float | None = None
    """Their area together, in µm²; None where they have none, or the slide's mpp is unknown."""

    area_px: int | None = None
    """The same area in level-0 pixels; None where they have none."""

    why: str
    """Why, as what follows "that" behind them, such as "are smaller than 16,777 µm²"."""

    option: str | None = None
    """The option that decides it, as `Recipe` and `TileSpec` name it; None where none does."""

    limit: float | str | None = None
    """What that option came to on this slide; None where none does."""

    keeps: str = "a smaller {option} keeps them"
    """What to do to keep them; ``{option}`` stands for the option."""

    is_notable: bool = False
    """Whether so much was dropped that a warning says so."""

    where: PackedMask | None = field(default=None, repr=False, compare=False)
    """The pixels of the overview that were dropped; None where they are not told."""

    @property
    def flag(self) -> str | None:
        """The option as the command line names it."""
        return None if self.option is None else f"--{self.option.replace('_', '-')}"

    @property
    def large(self) -> str | None:
        """Their area in words; None where they have none."""
        return how_large(self.area_um2, self.area_px)

    @property
    def in_numbers(self) -> "LeftOut":
        """The same without its pixels."""
        return replace(self, where=None)

    def __str__(self) -> str:
        of = "" if self.of is None else f" of {self.of:,}"
        area = "" if self.large is None else f" ({self.large} together)"
        remedy = self.keeps.replace("{option}", f"{self.flag} ({self.option})")
        return f"{self.what} that {self.why}: {self.count:,}{of}{area}; {remedy}"


def tell(left_out: Iterable[LeftOut], name: str) -> None:
    """Log what was left out of a slide of a name: as a warning where it is notable."""
    for each in left_out:
        _log.log(logging.WARNING if each.is_notable else logging.INFO, "%s: %s.", name, each)

"""A store's record of the slide it was made from: ``attributes.slidetile.source``."""

from dataclasses import dataclass
from typing import Annotated

from slidetile.format.metadata.part import JsonPart
from slidetile.format.metadata.rules import (
    LARGEST_LENGTH_PX,
    Absent,
    Box,
    Digest,
    Items,
    Name,
    Nullable,
    Number,
    Text,
    Whole,
    pair,
)
from slidetile.format.reason import MOST_CHARACTERS
from slidetile.raster.region import Region
from slidetile.raster.resolution import COARSEST_MPP, FINEST_MPP

MOST_LEVELS = 32
"""Most levels of a pyramid: each at least halves the one before."""

_OBJECTIVE = 1e6


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceFacts(JsonPart):
    """The slide itself, whatever the resolution of the store."""

    name: Annotated[str | None, Absent(Text())] = None
    """File name without folders; None in an anonymous store."""

    size_bytes: Annotated[int, Whole(0, (1 << 63) - 1)]
    """Size of the file, in bytes; of a folder, of those files that the fingerprint covers."""

    fingerprint: Annotated[str, Digest()]
    """SHA-256, in hex, over the size and the first and last MiB of the file; of a folder, over its
    metadata and its coarsest level."""

    vendor: Annotated[str | None, Absent(Text())] = None
    """The scanner's maker or the format's name, lower case; None in an anonymous store."""

    reader: Annotated[str, Name()]
    """The reader that opened it."""

    width: Annotated[int, Whole(1, LARGEST_LENGTH_PX)]
    """Columns of the slide's level 0, in pixels."""

    height: Annotated[int, Whole(1, LARGEST_LENGTH_PX)]
    """Rows of the slide's level 0, in pixels."""

    scan_area: Annotated[Region | None, Nullable(Box())]
    """The part that was scanned, in level-0 pixels of the slide; None if all of it was."""

    canvas: Annotated[Region | None, Absent(Box())] = None
    """The canvas that other programs show, in level-0 pixels of the slide; their coordinates begin
    at its corner. None where that is the slide."""

    level_downsamples: Annotated[
        tuple[float, ...], Items(Number(1, LARGEST_LENGTH_PX), 1, MOST_LEVELS)
    ]
    """Level-0 pixels of the slide per pixel of each of its levels, the mean of both axes."""

    mpp: Annotated[tuple[float, float] | None, Nullable(pair(FINEST_MPP, COARSEST_MPP))]
    """Micrometres per level-0 pixel of the slide, as (x, y), or None where unknown."""

    objective_power: Annotated[float | None, Nullable(Number(-_OBJECTIVE, _OBJECTIVE))]
    """Objective power as the scanner states it: for people to read, never for arithmetic."""

    colour_note: Annotated[str | None, Absent(Text(1, MOST_CHARACTERS))] = None
    """Where the file contradicts itself about its colours: how, and which reading was taken; None
    where it does not."""

    @property
    def is_anonymous(self) -> bool:
        """Whether the file name and the maker's free text are left out."""
        return self.name is None

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) of the slide's level 0, in pixels."""
        return self.width, self.height

    def check(self) -> None:
        """Check that an anonymous store leaves out both names."""
        if (self.name is None) != (self.vendor is None):
            missing, there = ("name", "vendor") if self.name is None else ("vendor", "name")
            raise ValueError(f"{missing} is missing, but it must be there as {there} is")

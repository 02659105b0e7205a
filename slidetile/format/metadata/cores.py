"""The cores of a microarray that tiles are named by: ``attributes.slidetile.cores``."""

from dataclasses import dataclass
from typing import Annotated

from slidetile.format.metadata.part import JsonPart, Part
from slidetile.format.metadata.rules import LARGEST_LENGTH_PX, Box, Items, OneOf, Text, Whole, pair
from slidetile.raster.grid import cell_name
from slidetile.raster.region import Region

MOST_CORES = 10_000
LONGEST_CORE_NAME = 16
"""More characters than any name of so many rows and columns has."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CoreFacts(JsonPart):
    """One core, or the place of one that is missing."""

    name: Annotated[str, Text(1, LONGEST_CORE_NAME)]
    """Its row in letters and its column from 1, such as "A-1"."""

    centre: Annotated[tuple[float, float], pair(-LARGEST_LENGTH_PX, LARGEST_LENGTH_PX)]
    """The (x, y) of its middle, in level-0 pixels."""

    bounds: Annotated[Region, Box()]
    """The smallest rectangle around its tissue, in level-0 pixels; where it is missing, one of the
    usual size."""

    is_missing: Annotated[bool, OneOf(True, False), "missing"]
    """Whether it has no tissue."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CoreGridFacts(JsonPart):
    """The grid of the cores."""

    rows: Annotated[int, Whole(0, MOST_CORES)]
    """Its rows; 0 where the slide has no tissue."""

    columns: Annotated[int, Whole(0, MOST_CORES)]
    """Its columns."""

    cores: Annotated[tuple[CoreFacts, ...], Items(Part(CoreFacts), 0, MOST_CORES)]
    """Its cores, row by row, missing ones included."""

    @property
    def missing(self) -> int:
        """How many cores are missing."""
        return sum(core.is_missing for core in self.cores)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the cores, row by row."""
        return tuple(core.name for core in self.cores)

    def check(self) -> None:
        """Check that there is a core for each row and column, by its name."""
        if len(self.cores) != self.rows * self.columns:
            raise ValueError(
                f"cores has {len(self.cores)} items, but {self.rows} rows and {self.columns} "
                f"columns take {self.rows * self.columns}"
            )
        for number, name in enumerate(self.names):
            wanted = cell_name(*divmod(number, self.columns))
            if name != wanted:
                raise ValueError(f"cores[{number}].name is {name!r}, but it must be {wanted!r}")

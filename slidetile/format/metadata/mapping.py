"""How samples were mapped onto 8 bits: ``attributes.slidetile.mapping``."""

from dataclasses import dataclass
from typing import Annotated

from slidetile.format.metadata.part import JsonPart
from slidetile.format.metadata.rules import Items, Whole
from slidetile.raster.channels import MOST_CHANNELS
from slidetile.raster.mapping import Mapping

_SAMPLE = Whole(0, (1 << 16) - 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class MappingFacts(JsonPart):
    """The window of each channel that became 0–255, so that it can be undone."""

    bits: Annotated[int, Whole(9, 16)]
    """Bits of the slide's samples."""

    windows: Annotated[tuple[tuple[int, int], ...], Items(Items(_SAMPLE, 2, 2), 1, MOST_CHANNELS)]
    """For each channel the value that became 0, and the least that became 255."""

    @classmethod
    def of(cls, mapping: Mapping) -> "MappingFacts":
        """Return the record of a mapping."""
        return cls(bits=mapping.bits, windows=mapping.windows)

    @property
    def mapping(self) -> Mapping:
        """The mapping itself."""
        return Mapping(bits=self.bits, windows=self.windows)

    @property
    def channels(self) -> int:
        """How many channels were mapped."""
        return len(self.windows)

    def check(self) -> None:
        """Check that each window goes from a lower to a higher value that the bits hold."""
        for low, high in self.windows:
            if not low < high < 1 << self.bits:
                raise ValueError(f"windows has [{low}, {high}], but samples have {self.bits} bits")

"""How a store's pixels became sRGB: ``attributes.slidetile.color``."""

from dataclasses import dataclass
from typing import Annotated, Literal, Self, get_args

from slidetile.format.metadata.part import JsonPart
from slidetile.format.metadata.rules import Absent, Base64, OneOf
from slidetile.raster.icc import Intent
from slidetile.raster.srgb import Conversion


@dataclass(frozen=True, slots=True, kw_only=True)
class ColorFacts(JsonPart):
    """The colours of the stored pixels, where they are not the slide's own."""

    space: Annotated[Literal["srgb"], OneOf("srgb")] = "srgb"
    """The colour space of the pixels of all levels, the overview's, and of the background."""

    intent: Annotated[Intent | None, Absent(OneOf(*get_args(Intent)))] = None
    """The rendering intent; None where the slide has no profile."""

    profile: Annotated[bytes | None, Absent(Base64())] = None
    """The slide's profile that was applied; None where it has none, and is taken for sRGB."""

    @classmethod
    def of(cls, conversion: Conversion | None) -> Self | None:
        """Return the facts, or None where the pixels have the slide's own colours."""
        if conversion is None:
            return None
        return cls(intent=conversion.intent, profile=conversion.profile)

    def check(self) -> None:
        """Check that a profile has its intent."""
        if (self.intent is None) != (self.profile is None):
            missing, there = ("intent", "profile") if self.intent is None else ("profile", "intent")
            raise ValueError(f"{missing} is missing, but it must be there as {there} is")

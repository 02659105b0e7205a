"""What an export has written.

Knows numbers and their names. Does not know how they came about.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from slidetile.cloud.address import Location

UNREADABLE_TILES = "unreadable tiles"
"""What `Exported.left_out` calls tiles that the slide could not give."""

UNREADABLE_WINDOWS = "windows on unreadable tiles"
"""What it calls windows that need such a tile."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Exported:
    """What an export has written, and what it left out."""

    path: Location
    """The file or the folder."""

    kind: str
    """The kind of export, such as "geojson"."""

    size_bytes: int
    """Bytes of all that was written."""

    counts: Mapping[str, int] = field(default_factory=dict)
    """Number of things written, each after its name in the plural, such as "tiles"."""

    left_out: Mapping[str, int] = field(default_factory=dict)
    """Number of things left out, each after what they are, in the plural; none that are zero."""

    notes: tuple[str, ...] = ()
    """What is worth knowing of it, each a sentence for people without its full stop."""

    already_done: bool = False
    """Whether it was there, of the same store and choices, so that nothing was written."""

    def __post_init__(self) -> None:
        if self.size_bytes < 0:
            raise ValueError(f"size_bytes must be at least 0, but it is {self.size_bytes}.")

"""Something that is wrong with a store, as a sentence."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Finding:
    """A part of a store that is not as it was written, or contradicts the rest."""

    path: str
    """The file, relative to the store's folder, with forward slashes."""

    what: str
    """What is wrong with it."""

    tile: int | None = None
    """The row of the tile table that it concerns; None if it does not concern one row."""

    def __str__(self) -> str:
        tile = "" if self.tile is None else f"tile {self.tile}: "
        line = " ".join(f"{self.path}: {tile}{self.what}".split())
        # A store from anywhere may have names that would move a terminal's cursor.
        return "".join(sign if sign.isprintable() else f"\\x{ord(sign):02x}" for sign in line)

"""What a store says of each class of its labels, in numbers.

Knows a store's record. Does not know other slides.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from slidetile.format.class_columns import WINNER
from slidetile.format.class_tiles import tiles_with_any
from slidetile.store.recorded import StoreRecord

if TYPE_CHECKING:
    pass


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassOnSlide:
    """One class of a slide's labels."""

    name: str
    """Its name."""

    tiles: int
    """Tiles that have any of it."""

    tiles_of_it: int
    """Tiles of which it is the class, as it has the largest share."""

    area_mm2: float | None
    """What was drawn of it on the slide, in tiles or not; None where the mpp is unknown."""

    points: int
    """Its points on the slide."""

    least: float | None = None
    """The share of a tile that was asked for; None where none was."""

    @property
    def is_missed(self) -> bool:
        """Whether it was asked for, and no tile has any of it."""
        return self.least is not None and not self.tiles


def classes_of(record: StoreRecord) -> tuple[ClassOnSlide, ...] | None:
    """Return the classes of a store, sorted by name; None in a store without labels.

    Raises
    ------
    StoreError
        Its table is damaged.
    """
    metadata = record.metadata
    if metadata.labels is None:
        return None
    table, least = record.tiles, dict(metadata.parameters.min_class_fractions or ())
    winners: list[str | None] = table[WINNER].to_pylist()
    mm2 = None if metadata.mpp is None else metadata.mpp[0] * metadata.mpp[1] / 1e6
    both = zip(metadata.labels.classes, metadata.labels.columns, strict=True)
    return tuple(
        ClassOnSlide(
            name=each.name,
            tiles=tiles_with_any(table, column),
            tiles_of_it=winners.count(each.name),
            area_mm2=None if mm2 is None else each.area_px * mm2,
            points=each.points,
            least=least.get(each.name),
        )
        for each, column in both
    )

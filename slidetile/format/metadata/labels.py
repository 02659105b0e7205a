"""The classes that tiles belong to, and where they were read: ``attributes.slidetile.labels``."""

from dataclasses import dataclass
from typing import Annotated, Literal, get_args

from slidetile.choices import AnnotationOrigin, AnnotationUnit
from slidetile.format.class_columns import ClassColumn, column_stems
from slidetile.format.metadata.part import JsonPart, Part
from slidetile.format.metadata.rules import (
    LARGEST_LENGTH_PX,
    Absent,
    Digest,
    Items,
    OneOf,
    Pairs,
    Text,
    Whole,
)
from slidetile.raster.class_areas import LONGEST_CLASS_NAME, MOST_CLASSES
from slidetile.raster.filling import LARGEST_RECTANGLE_COUNT

MOST_VALUES = 1 << 16

_ROWS = Whole(0, MOST_CLASSES * LARGEST_RECTANGLE_COUNT)
_PX = Whole(0, LARGEST_LENGTH_PX**2)
_NAME = Text(1, LONGEST_CLASS_NAME)
_NUMBERS = Items(Whole(1, (1 << 63) - 1), 1, MOST_VALUES)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassFacts(JsonPart):
    """One class."""

    name: Annotated[str, _NAME]
    """Its name, spelt as in the file."""

    column: Annotated[str, Text(1, 64)]
    """What its columns in the tile table are called behind ``class_`` and ``count_``."""

    shapes: Annotated[int, _ROWS]
    """How many areas were drawn."""

    area_px: Annotated[int, _PX]
    """Their area together, in level-0 pixels; each pixel counts once."""

    rectangles: Annotated[int, Whole(0, LARGEST_RECTANGLE_COUNT)]
    """Its rectangles in the file of labels."""

    points: Annotated[int, Whole(0, LARGEST_RECTANGLE_COUNT)]
    """Its points there; where there are none, the table does not count them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelFacts(JsonPart):
    """The classes, and how tiles get theirs."""

    name: Annotated[str | None, Absent(Text())] = None
    """The file's name without folders; None in an anonymous store."""

    sha256: Annotated[str, Digest()]
    """Digest of the file."""

    unit: Annotated[AnnotationUnit, OneOf(*get_args(AnnotationUnit))]
    """Unit of its coordinates, as it was asked for."""

    origin: Annotated[AnnotationOrigin, OneOf(*get_args(AnnotationOrigin))]
    """Where its coordinates begin, as it was asked for."""

    values: Annotated[
        tuple[tuple[str, tuple[int, ...]], ...] | None,
        Absent(
            Items(Pairs(_NAME, Items(Whole(1, (1 << 63) - 1), 1, MOST_VALUES)), 1, MOST_CLASSES)
        ),
    ] = None
    """Of a mask, the numbers that were asked for as each class."""

    rule: Annotated[Literal["pixel centres"], OneOf("pixel centres")] = "pixel centres"
    """Which pixels belong to a class: those whose centre lies in an area of it."""

    winner: Annotated[Literal["largest"], OneOf("largest")] = "largest"
    """The class of a tile: that with the largest share above 0, of equals the first by name."""

    classes: Annotated[tuple[ClassFacts, ...], Items(Part(ClassFacts), 1, MOST_CLASSES)]
    """The classes, sorted by name."""

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the classes."""
        return tuple(each.name for each in self.classes)

    @property
    def columns(self) -> tuple[ClassColumn, ...]:
        """The columns of each class in the tile table."""
        return tuple(
            ClassColumn(name=each.name, stem=each.column, has_points=each.points > 0)
            for each in self.classes
        )

    @property
    def rows(self) -> int:
        """Rows of the file of labels."""
        return sum(each.rectangles + each.points for each in self.classes)

    def check(self) -> None:
        """Check that classes are in order and their columns are called as they must be."""
        if list(self.names) != sorted(set(self.names)):
            raise ValueError("classes is not in order, but it must be, with each class once")
        for number, stem in enumerate(column_stems(self.names)):
            found = self.classes[number].column
            if found != stem:
                raise ValueError(f"classes[{number}].column is {found!r}, but it must be {stem!r}")

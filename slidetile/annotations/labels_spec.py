"""Which file says what class tiles belong to, and how it is read, in one value.

Knows paths and options. Does not know file formats.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from operator import index
from pathlib import Path
from typing import Any, get_args

from slidetile.annotations.labels import read_labels
from slidetile.annotations.reading import annotation_parameters, check_choice, naming
from slidetile.annotations.spec import file_of
from slidetile.choices import ANNOTATION_ORIGIN, ANNOTATION_UNIT, AnnotationOrigin, AnnotationUnit
from slidetile.planning.labels import DrawnLabels
from slidetile.slides.slide import Slide

Values = tuple[tuple[str, tuple[int, ...]], ...]
"""Classes of a mask, by name, and the numbers of each, sorted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelsSpec:
    """Which labels to use, and how to read them.

    Raises
    ------
    ValueError
        The unit or origin is not one of the choices; or a class of ``values`` has no name or no
        numbers, a number is 0 or less, or two classes have the same.
    """

    path: str | os.PathLike[str]
    """The file; or a folder of files, each named as its slide, with or without its suffix."""

    values: Mapping[str, Sequence[int]] | Values = ()
    """Of a mask, the numbers that are each class, such as ``{"tumor": [1, 2]}``; empty is a class
    for each number, by its digits. Kept as sorted pairs."""

    unit: AnnotationUnit = ANNOTATION_UNIT
    """Unit of the file's coordinates; see `read_annotations`."""

    origin: AnnotationOrigin = ANNOTATION_ORIGIN
    """Where coordinates begin; see `read_annotations`."""

    def __post_init__(self) -> None:
        check_choice("unit", self.unit, get_args(AnnotationUnit))
        check_choice("origin", self.origin, get_args(AnnotationOrigin))
        object.__setattr__(self, "values", _checked(dict(self.values)))

    def file_for(self, slide: Slide) -> Path:
        """Return the file of a slide's labels.

        Raises
        ------
        AnnotationError
            The folder holds no file for this slide, or several.
        """
        return file_of(self.path, slide, "labels")

    def read(self, slide: Slide) -> DrawnLabels:
        """Read a slide's labels; see `read_labels`."""
        return read_labels(
            self.file_for(slide),
            slide,
            values=dict(self.values),
            unit=self.unit,
            origin=self.origin,
        )

    def parameters(self, slide: Slide) -> dict[str, Any]:
        """Return what tells these labels from others in a store's record.

        Raises
        ------
        AnnotationError
            The slide's file is missing or cannot be read.
        """
        file = self.file_for(slide)
        with naming(file):
            found = annotation_parameters(file, classes=(), unit=self.unit, origin=self.origin)
        return {
            "sha256": found["sha256"],
            "unit": self.unit,
            "origin": self.origin,
            "values": self.values,
        }


def _checked(values: Mapping[str, Sequence[int]]) -> Values:
    """Return the numbers of each class, sorted."""
    checked = tuple(
        (name, tuple(sorted({index(number) for number in values[name]}))) for name in sorted(values)
    )
    seen: dict[int, str] = {}
    for name, numbers in checked:
        if not name or not numbers:
            raise ValueError(f"The class {name!r} has the numbers {numbers}: give a name and some.")
        for number in numbers:
            if number < 1:
                raise ValueError(
                    f"The class {name!r} has the number {number}, but they begin at 1: 0 is where "
                    "nothing is."
                )
            if number in seen:
                raise ValueError(
                    f"The number {number} is of the classes {seen[number]!r} and {name!r}: give it "
                    "to one."
                )
            seen[number] = name
    return checked

"""Which annotations are a slide's, and how they meet its tissue."""

import os
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from slidetile.annotations.annotations import Annotations
from slidetile.annotations.reading import annotation_parameters, check_choice, read_annotations
from slidetile.choices import (
    ANNOTATION_ORIGIN,
    ANNOTATION_UNIT,
    ANNOTATIONS_MODE,
    AnnotationOrigin,
    AnnotationsMode,
    AnnotationUnit,
)
from slidetile.errors import AnnotationError
from slidetile.slides.slide import Slide

SUFFIXES = (".geojson", ".json", ".xml", ".png", ".tif", ".tiff", ".npy")
"""What a slide's annotation file may end with, where a folder of them is given."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AnnotationsSpec:
    """Which annotations to use, and how.

    Raises
    ------
    TypeError
        The classes are one text instead of several.
    ValueError
        There is no such mode, unit or origin.
    """

    path: str | os.PathLike[str]
    """The file; or a folder of them, each named as its slide, with or without its suffix."""

    mode: AnnotationsMode = ANNOTATIONS_MODE
    """"replace": the annotations are the tissue, and none is looked for; "intersect": tissue counts
    inside them only; "exclude": outside them only."""

    classes: Collection[str] = ()
    """Classes to use, spelt as in the file; all unless given."""

    unit: AnnotationUnit = ANNOTATION_UNIT
    """Of the file's coordinates; see `read_annotations`."""

    origin: AnnotationOrigin = ANNOTATION_ORIGIN
    """Where they begin; see `read_annotations`."""

    def __post_init__(self) -> None:
        if isinstance(self.classes, str):
            raise TypeError(f"classes are several: say ({self.classes!r},), not {self.classes!r}.")
        object.__setattr__(self, "classes", tuple(sorted(set(self.classes))))
        check_choice("mode", self.mode, get_args(AnnotationsMode))
        check_choice("unit", self.unit, get_args(AnnotationUnit))
        check_choice("origin", self.origin, get_args(AnnotationOrigin))

    def file_for(self, slide: Slide) -> Path:
        """Return the file of a slide's annotations.

        Raises
        ------
        AnnotationError
            The folder holds none for this slide, or several.
        """
        path = Path(self.path)
        if not path.is_dir():
            return path
        name = slide.source.name
        stems = dict.fromkeys((name, Path(name).stem))
        candidates = (f"{stem}{suffix}" for stem in stems for suffix in SUFFIXES)
        found = [file for file in candidates if file != name and (path / file).is_file()]
        if not found:
            raise AnnotationError(
                f"{path} holds no annotations for {name}: it should have "
                f"{Path(name).stem}.geojson, or one with {', '.join(SUFFIXES[1:])}."
            )
        if len(found) > 1:
            raise AnnotationError(
                f"{path} holds several files for {name}, {', '.join(found)}: keep one."
            )
        return path / found[0]

    def read(self, slide: Slide) -> Annotations:
        """Read a slide's annotations; see `read_annotations`."""
        return read_annotations(
            self.file_for(slide), slide, classes=self.classes, unit=self.unit, origin=self.origin
        )

    def parameters(self, slide: Slide) -> dict[str, Any]:
        """Return what the parameters of tissue made with these annotations say of them.

        Raises
        ------
        AnnotationError
            The slide's file is missing or cannot be read.
        """
        file = self.file_for(slide)
        try:
            told = annotation_parameters(
                file, classes=self.classes, unit=self.unit, origin=self.origin
            )
        except OSError as error:
            raise AnnotationError(f"{file} cannot be read: {error.strerror or error}.") from error
        return {"mode": self.mode, **told}

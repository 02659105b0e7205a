"""Which annotations belong to a slide, and how they change its tissue, in one value.

Knows paths and options. Does not know file formats.
"""

import os
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args
from unicodedata import normalize

from slidetile.annotations.annotations import Annotations
from slidetile.annotations.reading import (
    annotation_parameters,
    check_choice,
    naming,
    read_annotations,
)
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

SUFFIXES = (
    ".geojson",
    ".geojson.gz",
    ".json",
    ".xml",
    ".annotations",
    ".png",
    ".tif",
    ".tiff",
    ".npy",
)
"""What a slide's annotation file may end with, where a folder of them is given."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AnnotationsSpec:
    """Which annotations to use, and how.

    Raises
    ------
    TypeError
        ``classes`` is one text instead of several.
    ValueError
        The mode, unit or origin is not one of the choices.
    """

    path: str | os.PathLike[str]
    """The file; or a folder of files, each named as its slide, with or without its suffix."""

    mode: AnnotationsMode = ANNOTATIONS_MODE
    """"replace": the annotations are the tissue, and none is detected; "intersect": only tissue
    inside them counts; "exclude": only tissue outside them."""

    classes: Collection[str] = ()
    """Classes to use, spelt as in the file; empty is all."""

    unit: AnnotationUnit = ANNOTATION_UNIT
    """Unit of the file's coordinates; see `read_annotations`."""

    origin: AnnotationOrigin = ANNOTATION_ORIGIN
    """Where coordinates begin; see `read_annotations`."""

    def __post_init__(self) -> None:
        if isinstance(self.classes, str):
            raise TypeError(
                f"classes must be several texts: give ({self.classes!r},), not {self.classes!r}."
            )
        object.__setattr__(self, "classes", tuple(sorted(set(self.classes))))
        check_choice("mode", self.mode, get_args(AnnotationsMode))
        check_choice("unit", self.unit, get_args(AnnotationUnit))
        check_choice("origin", self.origin, get_args(AnnotationOrigin))

    def file_for(self, slide: Slide) -> Path:
        """Return the file of a slide's annotations.

        Raises
        ------
        AnnotationError
            The folder holds no file for this slide, or several.
        """
        return file_of(self.path, slide, "annotations")

    def read(self, slide: Slide) -> Annotations:
        """Read a slide's annotations; see `read_annotations`."""
        return read_annotations(
            self.file_for(slide), slide, classes=self.classes, unit=self.unit, origin=self.origin
        )

    def parameters(self, slide: Slide) -> dict[str, Any]:
        """Return what a tissue mask's parameters record about these annotations.

        Raises
        ------
        AnnotationError
            The slide's file is missing or cannot be read.
        """
        file = self.file_for(slide)
        with naming(file):
            recorded = annotation_parameters(
                file, classes=self.classes, unit=self.unit, origin=self.origin
            )
        return {"mode": self.mode, **recorded}


def file_of(place: str | os.PathLike[str], slide: Slide, what: str) -> Path:
    """Return the file of a slide: what is given, or in a folder that with the slide's name.

    Parameters
    ----------
    place
        The file or the folder.
    slide
        The slide.
    what
        What the file holds, for messages.

    Raises
    ------
    AnnotationError
        The folder holds no file for this slide, or several.
    """
    path = Path(place)
    if not path.is_dir():
        return path
    name = slide.name
    stems = dict.fromkeys((name, Path(name).stem))
    candidates = [f"{stem}{suffix}" for stem in stems for suffix in SUFFIXES]
    candidates = [file for file in candidates if file != name]
    files = [file for file in candidates if (path / file).is_file()]
    files = files or _spelt_otherwise(path, candidates)
    if not files:
        raise AnnotationError(
            f"{path} holds no {what} for {name}: add "
            f"{Path(name).stem}.geojson, or a file with {', '.join(SUFFIXES[1:])}."
        )
    if len(files) > 1:
        raise AnnotationError(
            f"{path} holds several files for {name}, {', '.join(files)}: keep one."
        )
    return path / files[0]


def _spelt_otherwise(folder: Path, names: Collection[str]) -> list[str]:
    """Return the files with these names in another normal form of Unicode, as macOS writes it."""
    wanted = {normalize("NFC", name) for name in names}
    found = (file for file in folder.iterdir() if normalize("NFC", file.name) in wanted)
    return sorted(file.name for file in found if file.is_file())

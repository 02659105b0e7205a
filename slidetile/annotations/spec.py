"""Which regions somebody drew are a slide's, and how they meet its tissue."""

import os
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from slidetile.annotations.drawn import DrawnRegions
from slidetile.annotations.placing import RegionOrigin, RegionUnit
from slidetile.annotations.reading import check_choice, read_regions, region_parameters
from slidetile.annotations.tissue import RegionsMode
from slidetile.errors import RegionFileError
from slidetile.slides.slide import Slide

SUFFIXES = (".geojson", ".json", ".xml", ".png", ".tif", ".tiff", ".npy")
"""What a slide's file of regions may end with, where a folder of them is given."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RegionsSpec:
    """Which regions that somebody drew to use, and how.

    Raises
    ------
    TypeError
        The classes are one text instead of several.
    ValueError
        There is no such mode, unit or origin.
    """

    path: str | os.PathLike[str]
    """The file; or a folder of them, each named as its slide, with or without its suffix."""

    mode: RegionsMode = "replace"
    """"replace": the regions are the tissue, and none is looked for; "intersect": tissue counts
    inside them only; "exclude": outside them only."""

    classes: Collection[str] = ()
    """Classes to use, spelt as in the file; all unless given."""

    unit: RegionUnit = "auto"
    """Of the file's coordinates; see `read_regions`."""

    origin: RegionOrigin = "auto"
    """Where they begin; see `read_regions`."""

    def __post_init__(self) -> None:
        if isinstance(self.classes, str):
            raise TypeError(f"classes are several: say ({self.classes!r},), not {self.classes!r}.")
        object.__setattr__(self, "classes", tuple(sorted(set(self.classes))))
        check_choice("mode", self.mode, get_args(RegionsMode))
        check_choice("unit", self.unit, get_args(RegionUnit))
        check_choice("origin", self.origin, get_args(RegionOrigin))

    def file_for(self, slide: Slide) -> Path:
        """Return the file of a slide's regions.

        Raises
        ------
        RegionFileError
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
            raise RegionFileError(
                f"{path} holds no regions for {name}: it should have {Path(name).stem}.geojson, "
                f"or one with {', '.join(SUFFIXES[1:])}."
            )
        if len(found) > 1:
            raise RegionFileError(
                f"{path} holds several files for {name}, {', '.join(found)}: keep one."
            )
        return path / found[0]

    def read(self, slide: Slide) -> DrawnRegions:
        """Read a slide's regions; see `read_regions`."""
        return read_regions(
            self.file_for(slide), slide, classes=self.classes, unit=self.unit, origin=self.origin
        )

    def parameters(self, slide: Slide) -> dict[str, Any]:
        """Return what the parameters of tissue made with these regions say of them.

        Raises
        ------
        RegionFileError
            The slide's file is missing or cannot be read.
        """
        file = self.file_for(slide)
        try:
            told = region_parameters(file, classes=self.classes, unit=self.unit, origin=self.origin)
        except OSError as error:
            raise RegionFileError(f"{file} cannot be read: {error.strerror or error}.") from error
        return {"mode": self.mode, **told}

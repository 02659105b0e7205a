"""What somebody drew on a slide, to be shown over the slide or over its store.

Knows annotations, and what stores record of their slides. Does not know scenes or pages.
"""

import os
from typing import NoReturn

import numpy as np

from slidetile.annotations.annotations import Annotation, Annotations, PaintedMask
from slidetile.annotations.spec import AnnotationsSpec
from slidetile.format.names import STORE_SUFFIX
from slidetile.raster.region import Region
from slidetile.raster.rings import trace_outlines
from slidetile.slides.level import Level
from slidetile.slides.slide import Slide, Source
from slidetile.store.store import TileStore

MOST_PAINTED_PX = 1 << 24
"""Of a larger mask, every so many pixels are traced: it is looked at, not measured."""

Given = Annotations | AnnotationsSpec | str | os.PathLike[str]
"""How annotations are given: as they were read, or where they are."""


class RecordedSlide(Slide):
    """The slide of a store, as far as the store records it: it has no pixels.

    Parameters
    ----------
    store
        The store.
    """

    vendor = "recorded"

    def __init__(self, store: TileStore) -> None:
        recorded = store.metadata.source
        size = recorded.width, recorded.height
        self.mpp = recorded.mpp
        whole = Region(x=0, y=0, width=size[0], height=size[1])
        self._levels, self._scan_area = (
            (Level(width=size[0], height=size[1]),),
            recorded.scan_area or whole,
        )
        name = str(store.path).rstrip("/").rpartition("/")[2].removesuffix(STORE_SUFFIX)
        self._source = Source(
            name=recorded.name or name,
            size_bytes=recorded.size_bytes,
            fingerprint=recorded.fingerprint,
        )

    @property
    def levels(self) -> tuple[Level, ...]:
        """Its finest level."""
        return self._levels

    @property
    def source(self) -> Source:
        """What identifies its file; the store's own name where that was left out."""
        return self._source

    @property
    def reader(self) -> str:
        """Not the name of a reader."""
        return "recorded"

    @property
    def scan_area(self) -> Region:
        """What was scanned."""
        return self._scan_area

    def fetch(self, region: Region, *, level: int = 0) -> NoReturn:
        """Refuse: a store does not hold its slide.

        Raises
        ------
        TypeError
            Always.
        """
        del level
        raise TypeError(f"{self.name} is known by its store alone, so {region} cannot be read.")


def drawn_on_slide(given: Given | None, slide: Slide) -> tuple[Annotation, ...]:
    """Return what was drawn on a slide, in its level-0 pixels; masks as their outlines.

    Raises
    ------
    AnnotationError
        The file cannot be used.
    """
    if given is None:
        return ()
    if isinstance(given, Annotations):
        return _areas(given)
    spec = given if isinstance(given, AnnotationsSpec) else AnnotationsSpec(path=given)
    return _areas(spec.read(slide))


def drawn_on_store(given: Given | None, store: TileStore) -> tuple[Annotation, ...]:
    """Return what was drawn on a store's slide, in the store's level-0 pixels.

    Annotations that were read before are in these already.

    Raises
    ------
    AnnotationError
        The file cannot be used.
    """
    if given is None or isinstance(given, Annotations):
        return () if given is None else _areas(given)
    areas = drawn_on_slide(given, RecordedSlide(store))
    scale = np.array(store.slide_scale)
    return tuple(
        Annotation(class_name=area.class_name, rings=tuple(ring / scale for ring in area.rings))
        for area in areas
    )


def _areas(annotations: Annotations) -> tuple[Annotation, ...]:
    if annotations.painted is None:
        return annotations.areas
    return tuple(_traced(annotations.painted))


def _traced(painted: PaintedMask) -> list[Annotation]:
    step = max(1, int(np.ceil(np.sqrt(painted.mask.size / MOST_PAINTED_PX))))
    scale, origin = np.array(painted.scale) * step, np.array(painted.origin)
    return [
        Annotation(class_name="", rings=tuple(ring * scale + origin for ring in rings))
        for rings in trace_outlines(painted.mask[::step, ::step])
    ]

"""Which class tiles belong to: what was read for a slide, and what of it is known of tiles.

Knows classes of pixels. Does not know the files that say so.
"""

import logging
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from slidetile.choices import AnnotationOrigin, AnnotationUnit
from slidetile.raster.class_areas import ClassAreas
from slidetile.raster.class_objects import ClassObjects

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Labels:
    """The classes of what lies on a slide, and where they were read."""

    name: str
    """The file's name without folders."""

    sha256: str
    """Digest of the file."""

    unit: AnnotationUnit
    """Unit of the file's coordinates, as it was asked for."""

    origin: AnnotationOrigin
    """Where its coordinates begin, as it was asked for."""

    values: tuple[tuple[str, tuple[int, ...]], ...]
    """The numbers of a mask that are each class, as they were asked for; empty for all others."""

    areas: ClassAreas
    """Where each class lies."""

    shapes: tuple[int, ...]
    """How many areas of each class were drawn, in the order of `ClassAreas.names`."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class DrawnLabels:
    """The classes, and the single shapes that they are made of."""

    labels: Labels
    """The classes."""

    objects: ClassObjects
    """Their shapes."""


def tell_classes(labels: Labels, shares: NDArray[np.float64], counts: NDArray[np.int64]) -> None:
    """Log the classes that no tile has, from what each tile has of them, [tile, class]."""
    is_there = (shares > 0).any(axis=0) | (counts > 0).any(axis=0)
    missing = [labels.areas.names[place] for place in np.flatnonzero(~is_there)]
    if missing:
        _log.warning("%s: no tile has any of the class %s.", labels.name, ", ".join(missing))

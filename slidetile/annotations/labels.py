"""Labels: which classes what somebody drew on a slide belongs to, by class and shape by shape.

Knows annotation files and slides. Does not know tiles.
"""

import logging
import os
from collections.abc import Mapping, Sequence
from io import BufferedReader
from pathlib import Path
from typing import get_args

import numpy as np

from slidetile.annotations._content import open_content
from slidetile.annotations._mask_image import MAGICS
from slidetile.annotations._painted_labels import painted_labels
from slidetile.annotations._placing import place_marks, place_shapes
from slidetile.annotations._shapes import FileShapes
from slidetile.annotations.annotations import Annotation
from slidetile.annotations.reading import (
    annotation_parameters,
    check_choice,
    counted,
    naming,
    read_outlines,
)
from slidetile.choices import ANNOTATION_ORIGIN, ANNOTATION_UNIT, AnnotationOrigin, AnnotationUnit
from slidetile.errors import AnnotationError
from slidetile.format.metadata.node import is_text
from slidetile.planning.labels import DrawnLabels, Labels
from slidetile.raster.class_areas import LONGEST_CLASS_NAME, MOST_CLASSES, ClassAreas, Points
from slidetile.raster.class_objects import ClassObjects, Runs
from slidetile.raster.filling import TooManyPixelsError, check_count, fill_each, fill_shapes
from slidetile.slides.slide import Slide

_log = logging.getLogger(__name__)

_REMEDY = "keep the classes you need, and export the file again"


def read_labels(
    path: str | os.PathLike[str],
    slide: Slide,
    *,
    values: Mapping[str, Sequence[int]] | None = None,
    unit: AnnotationUnit = ANNOTATION_UNIT,
    origin: AnnotationOrigin = ANNOTATION_ORIGIN,
) -> DrawnLabels:
    """Read which classes the areas and points on a slide belong to.

    Parameters
    ----------
    path
        A file as `read_annotations` takes it. Areas, points and lines without a class are left out,
        and so are classes that end with ``*``, which QuPath ignores.
    slide
        The slide that they belong to.
    values
        Of a mask, the numbers that are each class; None is a class for each number, by its digits.
    unit, origin
        As in `read_annotations`.

    Returns
    -------
    DrawnLabels
        In level-0 pixels. A pixel belongs to a class where its centre lies in an area of it; of a
        mask, in a pixel of it. A point belongs to the pixel that holds it, a line to the one that
        holds its middle.

    Raises
    ------
    AnnotationError
        As in `read_annotations`; or the file names no class or more than `MOST_CLASSES`, a mask
        does not have the slide's proportions, or its areas cannot be filled in a minute or so.
    MissingResolutionError
        The file is in µm and the slide's mpp is unknown.
    ValueError
        The unit or origin is not one of these.
    """
    check_choice("unit", unit, get_args(AnnotationUnit))
    check_choice("origin", origin, get_args(AnnotationOrigin))
    file, wanted = Path(path), {name: tuple(each) for name, each in (values or {}).items()}
    with naming(file):
        digest = annotation_parameters(file, classes=(), unit=unit, origin=origin)["sha256"]
        try:
            with open_content(file) as content:
                head = content.peek()
                if head.startswith(MAGICS):
                    areas, objects = painted_labels(file, slide, wanted, origin)
                else:
                    areas, objects = _outlined(content, head, slide, unit, origin, wanted)
            check_count(sum(map(len, areas.rectangles)))
        except TooManyPixelsError as error:
            raise AnnotationError(f"its areas cannot be filled: {error}: {_REMEDY}") from error
    labels = Labels(
        name=file.name,
        sha256=digest,
        unit=unit,
        origin=origin,
        values=tuple(sorted(wanted.items())),
        areas=areas,
        shapes=tuple(np.bincount(objects.class_of, minlength=len(areas.names)).tolist()),
    )
    return DrawnLabels(labels=labels, objects=objects)


def _outlined(
    content: BufferedReader,
    head: bytes,
    slide: Slide,
    unit: AnnotationUnit,
    origin: AnnotationOrigin,
    values: Mapping[str, tuple[int, ...]],
) -> tuple[ClassAreas, ClassObjects]:
    """Return what a file of outlines holds."""
    if values:
        raise AnnotationError(
            f"values ({', '.join(values)}) are of a mask's numbers (--label-values), but it is a "
            "file of outlines, which name their classes: leave them out"
        )
    shapes = FileShapes(marks=[])
    read_outlines(content, head, shapes)
    points = place_marks(shapes, slide, unit, origin)
    drawn = place_shapes(shapes, slide, unit, origin)
    unnamed = sum(not each.class_name for each in drawn) + len(points.pop("", ()))
    by_class: dict[str, list[Annotation]] = {name: [] for name in points}
    for each in drawn:
        if each.class_name:
            by_class.setdefault(each.class_name, []).append(each)
    left_out = dict(shapes.left_out) | ({"objects without a class": unnamed} if unnamed else {})
    check_classes(list(by_class), left_out)
    if left_out:
        _log.warning("%s: left out of the labels: %s.", slide.name, counted(left_out))
    return _filled(dict(sorted(by_class.items())), points, slide)


def check_classes(names: Sequence[str], left_out: Mapping[str, int]) -> None:
    """Check how many classes there are, and how long their names are.

    Raises
    ------
    AnnotationError
        There is none, there are too many, or a name is too long or no text. The message is about
        "it".
    """
    if not names:
        what = f"; it holds {counted(dict(left_out))}" if left_out else ""
        raise AnnotationError(f"it names no class of anything that was drawn{what}")
    if len(names) > MOST_CLASSES:
        shown = ", ".join(f"{name:.40}" for name in sorted(names)[:5])
        raise AnnotationError(
            f"it has {len(names):,} classes ({shown}, …), but each is a column of the tile table, "
            f"so at most {MOST_CLASSES} can be used: {_REMEDY}"
        )
    longest = max(names, key=len)
    if len(longest) > LONGEST_CLASS_NAME:
        raise AnnotationError(
            f"the name of its class {longest[:40]!r}… has {len(longest):,} characters, but at most "
            f"{LONGEST_CLASS_NAME} are recorded: give it a shorter one"
        )
    if broken := [name for name in names if not is_text(name)]:
        raise AnnotationError(
            f"the name of its class {broken[0]!r} has half a character, which is not recorded: "
            "rename it, and export the file again"
        )


def _filled(
    by_class: Mapping[str, Sequence[Annotation]], points: Mapping[str, Points], slide: Slide
) -> tuple[ClassAreas, ClassObjects]:
    size = slide.levels[0].size
    filled = [fill_shapes([each.rings for each in drawn], size) for drawn in by_class.values()]
    none = np.empty((0, 2), np.int32)
    areas = ClassAreas(
        names=tuple(by_class),
        size=size,
        rectangles=tuple(each.rectangles for each in filled),
        points=tuple(_in_order(points.get(name, none)) for name in by_class),
    )
    shapes = [each for drawn in by_class.values() for each in drawn]
    counts = [len(drawn) for drawn in by_class.values()]

    def runs(places: "np.ndarray[tuple[int], np.dtype[np.intp]]") -> Runs:
        return fill_each([shapes[n].rings for n in places.tolist()], size)

    objects = ClassObjects(
        class_of=np.repeat(np.arange(len(counts), dtype=np.int32), counts),
        areas=np.concatenate([each.areas for each in filled]),
        bounds=_bounds(shapes, size),
        runs=runs,
    )
    return areas, objects


def _bounds(
    shapes: Sequence[Annotation], size: tuple[int, int]
) -> "np.ndarray[tuple[int, int], np.dtype[np.int32]]":
    """Return the pixels around each shape that its own may lie in."""
    edges = np.array([each.edges for each in shapes], np.float64).reshape(-1, 4)
    return np.ceil(edges - 0.5).clip(0, size * 2).astype(np.int32)


def _in_order(points: Points) -> Points:
    return points[np.lexsort((points[:, 0], points[:, 1]))]

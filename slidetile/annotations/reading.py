"""Annotation files: which kind a file is, and what it holds for a slide.

Knows the kinds of files. Does not know how annotations meet tissue.
"""

import hashlib
import logging
import os
from collections import Counter
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from io import BufferedReader
from pathlib import Path
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

from slidetile.annotations._content import (
    LARGEST_CONTENT_BYTES,
    DecodedText,
    open_content,
    text_encoding,
    unknown_kind,
)
from slidetile.annotations._geojson import read_geojson
from slidetile.annotations._imagescope import read_imagescope
from slidetile.annotations._mask_image import MAGICS, read_mask_image
from slidetile.annotations._placing import place_mask, place_shapes
from slidetile.annotations._shapes import FileShapes
from slidetile.annotations.annotations import Annotations
from slidetile.choices import (
    ANNOTATION_ORIGIN,
    ANNOTATION_UNIT,
    AnnotationOrigin,
    AnnotationUnit,
)
from slidetile.counts import how_many
from slidetile.errors import AnnotationError
from slidetile.raster.bands import bands
from slidetile.slides.slide import Slide

_MOST_LABELS = 1 << 20

_log = logging.getLogger(__name__)


def read_annotations(
    path: str | os.PathLike[str],
    slide: Slide,
    *,
    classes: Collection[str] = (),
    unit: AnnotationUnit = ANNOTATION_UNIT,
    origin: AnnotationOrigin = ANNOTATION_ORIGIN,
) -> Annotations:
    """Read the annotations on a slide.

    Parameters
    ----------
    path
        GeoJSON as QuPath writes it, the XML of Aperio ImageScope, or a mask in PNG, TIFF or npy
        at any scale, 0 where nothing is annotated. The file's content decides, not its name.
    slide
        The slide that the annotations belong to.
    classes
        Keep only these classes, spelt as in the file; for a mask, these numbers. Empty keeps all.
    unit
        Unit of the coordinates: "px" is level-0 pixels, "um" is micrometres; "auto" is the unit
        that the file states, or pixels where it states none.
    origin
        Where coordinates begin: "scan-area" is the top left corner of `Slide.scan_area`, as in
        QuPath; "slide" is that of level 0; "auto" is the origin that the file states, or the scan
        area where it states none.

    Returns
    -------
    Annotations
        In level-0 pixels. Empty where the file holds no area of these classes, which is not an
        error.

    Raises
    ------
    AnnotationError
        The file cannot be read, is of an unknown kind, damaged or too large, has an unknown unit,
        or all its areas are outside the slide.
    MissingResolutionError
        The file is in µm and the slide's mpp is unknown.
    ValueError
        The unit or origin is not one of these.

    Examples
    --------
    >>> import slidetile as st
    >>> with st.open_slide("data_samples/sample.svs") as slide:
    ...     drawn = st.read_annotations("data_samples/sample.geojson", slide, classes=["Tumor"])
    >>> [round(area.area_px) for area in drawn.areas]
    [487400]
    """
    check_choice("unit", unit, get_args(AnnotationUnit))
    check_choice("origin", origin, get_args(AnnotationOrigin))
    file = Path(path)
    with naming(file):
        parameters = annotation_parameters(file, classes=classes, unit=unit, origin=origin)
        with open_content(file) as content:
            head = content.peek()
            if head.startswith(MAGICS):
                return _painted(file, parameters, slide, classes, origin)
            shapes = FileShapes(wanted=frozenset(classes))
            read_outlines(content, head, shapes)
        areas = place_shapes(shapes, slide, unit, origin)
    _tell_left_out(file.name, shapes)
    return Annotations(
        name=file.name,
        parameters=parameters,
        areas=areas,
        classes=dict(sorted(shapes.classes.items())),
        left_out=dict(shapes.left_out),
    )


@contextmanager
def naming(file: Path) -> Iterator[None]:
    """Name the file in an error that is about "it".

    Raises
    ------
    AnnotationError
        Instead of one about "it", or of an OSError.
    """
    try:
        yield
    except AnnotationError as error:
        end = "" if str(error).endswith((".", "?")) else "."
        raise AnnotationError(f"{file.name} cannot be used: {error}{end}") from error
    except OSError as error:
        raise AnnotationError(f"{file} cannot be read: {error.strerror or error}.") from error


def annotation_parameters(
    path: Path, *, classes: Collection[str], unit: AnnotationUnit, origin: AnnotationOrigin
) -> dict[str, Any]:
    """Return what a tissue mask's parameters record about an annotation file, JSON-serialisable.

    Raises
    ------
    AnnotationError
        The file is not a regular file, is empty, or is longer than 256 MiB.
    OSError
        The file cannot be read.
    """
    size = path.stat().st_size
    if not path.is_file() or not size:
        raise AnnotationError("it is empty (0 bytes)" if path.is_file() else "it is not a file")
    if size > LARGEST_CONTENT_BYTES:
        raise AnnotationError(
            f"it has {size >> 20} MiB, but at most {LARGEST_CONTENT_BYTES >> 20} are read: export "
            "only the annotations you need, or simplify their outlines"
        )
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    chosen = sorted(set(classes))
    return {"sha256": digest, "classes": chosen, "unit": unit, "origin": origin}


def check_choice(name: str, value: str, choices: tuple[str, ...]) -> None:
    """Check that a value is one of the choices.

    Raises
    ------
    ValueError
        The value is not one of them.
    """
    if value not in choices:
        raise ValueError(f"{name} must be one of {', '.join(choices)}, but it is {value!r}.")


def counted(counts: dict[str, int]) -> str:
    """Return counts as text, such as "12 cells, 3 points"."""
    return ", ".join(how_many(count, kind) for kind, count in sorted(counts.items()))


def _tell_left_out(name: str, shapes: FileShapes) -> None:
    """Log a warning that counts what is not used; that tiles are not is what people expect."""
    left_out = {kind: count for kind, count in shapes.left_out.items() if kind != "tiles"}
    if not left_out:
        return
    remedy = ""
    if any(kind.startswith("areas of the class") for kind in left_out):
        remedy = " What QuPath ignores, a class that ends in *, is used if --annotations-class "
        remedy += "(classes) names it."
    _log.warning("%s: only drawn areas are used; left out: %s.%s", name, counted(left_out), remedy)


def read_outlines(content: BufferedReader, head: bytes, shapes: FileShapes) -> None:
    """Add the areas of a file that begins with ``head`` and is no mask to ``shapes``.

    Raises
    ------
    AnnotationError
        It is of an unknown kind, damaged, or too large.
    """
    encoding = text_encoding(head)
    begin = head[:4096].decode(encoding, errors="replace").lstrip("\ufeff \t\r\n")[:1]
    if begin and begin in "{[":
        read_geojson(DecodedText(content, encoding), shapes)
    elif begin == "<":
        read_imagescope(content, shapes)
    else:
        raise AnnotationError(unknown_kind(head))


def _painted(
    file: Path,
    parameters: dict[str, Any],
    slide: Slide,
    classes: Collection[str],
    origin: AnnotationOrigin,
) -> Annotations:
    labels = read_mask_image(file)
    mask = labels != 0
    counts = counted_labels(labels)
    if classes:
        mask &= np.isin(labels, [_label(name) for name in classes])
    return Annotations(
        name=file.name,
        parameters=parameters,
        painted=place_mask(mask, slide, origin),
        classes={str(value): counts[value] for value in sorted(counts)},
    )


def counted_labels(labels: NDArray[np.generic]) -> Counter[int]:
    """Return how many pixels have each number but 0."""
    counts: Counter[int] = Counter()
    for band in bands(labels.shape[:2]):
        values, numbers = np.unique(labels[band.rows], return_counts=True)
        counts.update(dict(zip(map(int, values.tolist()), numbers.tolist(), strict=True)))
        if len(counts) > _MOST_LABELS:
            raise AnnotationError(
                f"it has more than {_MOST_LABELS:,} different numbers, which are no classes: "
                "save 1 where something is annotated, and 0 elsewhere"
            )
    counts.pop(0, None)
    return counts


def _label(name: str) -> int:
    try:
        return int(name)
    except ValueError as error:
        raise AnnotationError(
            f"it is a mask, whose classes are numbers, but the class {name!r} is wanted"
        ) from error

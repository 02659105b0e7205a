"""Read areas from the XML of Aperio ImageScope, and from that of HALO, which resembles it.

Knows the file's elements, of which ``Region`` is one drawn shape. Does not know the slide.
"""

import math
from pathlib import Path
from typing import NoReturn
from xml.parsers import expat

import numpy as np

from slidetile.annotations._shapes import FileShapes, Ring
from slidetile.errors import AnnotationError

_KINDS = {
    **dict.fromkeys(("", "0", "polygon"), "polygon"),
    **dict.fromkeys(("1", "rectangle"), "rectangle"),
    **dict.fromkeys(("2", "ellipse"), "ellipse"),
    **dict.fromkeys(("4", "ruler"), "rulers"),
    "3": "arrows",
}
"""Kinds of shapes: ImageScope numbers them, HALO names them."""

LARGEST_HOLE_COUNT = 10_000
"""Most holes in a layer: each of its areas is compared with all of them."""

_CIRCLE_ERROR_PX = 0.25
"""How far an ellipse's outline may be from the ellipse, in level-0 pixels."""


def read_imagescope(path: Path, shapes: FileShapes) -> None:
    """Add the areas of an ImageScope XML file to ``shapes``.

    Coordinates are level-0 pixels. An area's class is the name of its layer (``Annotation``), or
    the shape's own text where the layer has no name. Shapes with ``NegativeROA="1"`` are holes in
    all areas of their layer. The document is read as a stream, without a tree.

    Raises
    ------
    AnnotationError
        The file is not XML, has a document type, is not from ImageScope or HALO, or exceeds a
        limit of `FileShapes`.
    """
    reader = _Reader(shapes)
    parser = expat.ParserCreate()
    parser.StartElementHandler = reader.start
    parser.EndElementHandler = reader.end
    parser.StartDoctypeDeclHandler = _refuse_doctype
    try:
        with path.open("rb") as file:
            parser.ParseFile(file)
    except (expat.ExpatError, UnicodeDecodeError, LookupError) as error:
        raise AnnotationError(f"it is not XML: {error}") from error


def _refuse_doctype(*_: object) -> NoReturn:
    raise AnnotationError("its XML has a document type, which could make it grow without end")


class _Reader:
    """Gathers layers and their shapes, as elements begin and end."""

    def __init__(self, shapes: FileShapes) -> None:
        self._shapes = shapes
        self._depth = 0
        self._count = 0
        self._layer = ""
        self._areas: list[tuple[str, Ring, str]] = []
        self._holes: list[Ring] = []
        self._shape: dict[str, str] | None = None
        self._corners: list[tuple[float, float]] = []

    def start(self, name: str, attributes: dict[str, str]) -> None:
        """Begin a layer or a shape, or add a corner to the shape."""
        if not self._depth:
            self._root(name, attributes)
        self._depth += 1
        if name == "Annotation":
            self._layer = attributes.get("Name", "").strip()
        elif name == "Region":
            self._count += 1
            self._shape, self._corners = attributes, []
        elif name in ("Vertex", "V") and self._shape is not None:
            self._corners.append((self._number(attributes, "X"), self._number(attributes, "Y")))

    def end(self, name: str) -> None:
        """End a shape, or a layer with its areas."""
        self._depth -= 1
        if name == "Region" and self._shape is not None:
            self._end_shape(self._shape)
            self._shape = None
        elif name == "Annotation":
            self._end_layer()

    def _root(self, name: str, attributes: dict[str, str]) -> None:
        if name != "Annotations":
            raise AnnotationError(
                f"its XML begins with <{name:.40}>, but ImageScope's begins with <Annotations>"
            )
        try:
            mpp = float(attributes.get("MicronsPerPixel", "").replace(",", "."))
        except ValueError:
            return
        if math.isfinite(mpp) and mpp > 0:
            self._shapes.mpp = mpp

    def _end_shape(self, shape: dict[str, str]) -> None:
        kind = _KINDS.get(shape.get("Type", "").strip().lower())
        if kind not in ("polygon", "rectangle", "ellipse"):
            self._shapes.left_out[kind or "shapes of an unknown type"] += 1
            return
        if len(self._corners) < (3 if kind == "polygon" else 2):
            self._shapes.left_out["outlines of fewer than 3 corners"] += 1
            return
        ring = np.array(self._corners, np.float64)
        if kind == "ellipse" or len(ring) == 2:
            ring = _in_box(kind, ring)
        if shape.get("NegativeROA") == "1":
            self._holes.append(ring)
        else:
            class_name = self._layer or shape.get("Text", "").strip()
            self._areas.append((class_name, ring, self._where))

    def _end_layer(self) -> None:
        if len(self._holes) > LARGEST_HOLE_COUNT:
            raise AnnotationError(
                f"one of its layers has {len(self._holes):,} holes (NegativeROA), more than "
                f"{LARGEST_HOLE_COUNT:,}"
            )
        lows = np.array([hole.min(axis=0) for hole in self._holes]).reshape(-1, 2)
        highs = np.array([hole.max(axis=0) for hole in self._holes]).reshape(-1, 2)
        for class_name, ring, where in self._areas:
            low, high = ring.min(axis=0), ring.max(axis=0)
            meeting = np.flatnonzero(((lows <= high) & (highs >= low)).all(axis=1))
            holes = [self._holes[number] for number in meeting.tolist()]
            self._shapes.add(class_name, [ring, *holes], unit=None, where=where)
        self._areas, self._holes = [], []

    def _number(self, attributes: dict[str, str], name: str) -> float:
        text = attributes.get(name, "")
        try:
            return float(text.replace(",", "."))
        except ValueError as error:
            raise AnnotationError(
                f"{self._where} has {text!r:.40} for a coordinate {name}"
            ) from error

    @property
    def _where(self) -> str:
        return f"Region {self._count}"


def _in_box(kind: str, corners: Ring) -> Ring:
    """Return the outline of the rectangle or ellipse between two corners."""
    low, high = corners.min(axis=0), corners.max(axis=0)
    if kind == "rectangle":
        return np.array([low, (high[0], low[1]), high, (low[0], high[1])])
    centre, radii = (low + high) / 2, (high - low) / 2
    ratio = max(0.0, 1 - _CIRCLE_ERROR_PX / max(float(radii.max()), _CIRCLE_ERROR_PX))
    count = int(np.clip(math.ceil(math.pi / max(math.acos(ratio), 1e-3)), 32, 4096))
    angles = np.arange(count) * (2 * math.pi / count)
    outline: Ring = centre + radii * np.stack([np.cos(angles), np.sin(angles)], axis=1)
    return outline

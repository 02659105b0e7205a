"""Read areas from the XML of Aperio ImageScope, and from that of HALO, which resembles it.

Knows the file's elements, of which ``Region`` is one drawn shape. Does not know the slide.
"""

import math
from array import array
from typing import BinaryIO, NoReturn
from xml.parsers import expat

import numpy as np

from slidetile.annotations._accepted import ACCEPTED
from slidetile.annotations._negative import meeting_pairs
from slidetile.annotations._shapes import FileShapes, Ring, numbers
from slidetile.errors import AnnotationError

_KINDS = {
    **dict.fromkeys(("", "0", "polygon"), "polygon"),
    **dict.fromkeys(("1", "rectangle"), "rectangle"),
    **dict.fromkeys(("2", "ellipse"), "ellipse"),
    **dict.fromkeys(("4", "ruler"), "rulers"),
    "3": "arrows",
    "pin": "pins",
}
"""Kinds of shapes: ImageScope numbers them, HALO names them."""

_OTHER_PROGRAMS = {
    "ASAP_Annotations": "ASAP",
    "annotations": "Hamamatsu's NDP.view (NDPA)",
    "scn": "a Leica slide",
    "session": "Sedeen",
}
"""Whose XML begins with an element."""

LARGEST_ELEMENT_BYTES = 4 << 20
_BLOCK_BYTES = 1 << 16
_DEEPEST = 64
_MOST_NAMES = 4096

_CIRCLE_ERROR_PX = 0.25
"""How far an ellipse's outline may be from the ellipse, in level-0 pixels."""


def read_imagescope(file: BinaryIO, shapes: FileShapes) -> None:
    """Add the areas of an ImageScope XML document to ``shapes``.

    Coordinates are level-0 pixels. An area's class is the name of its layer (``Annotation``), or
    the shape's own text where the layer has no name. Shapes with ``NegativeROA="1"`` are holes in
    all areas of their layer; those that meet none are counted. The document is read as a stream,
    without a tree.

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
        _feed(parser, file)
    except (expat.ExpatError, ValueError, LookupError) as error:  # ValueError: encodings it lacks
        raise AnnotationError(
            f"it is not XML{reader.place}: {error}: save it again, as UTF-8"
        ) from error


def _feed(parser: expat.XMLParserType, file: BinaryIO) -> None:
    """Give a document to a parser, block by block."""
    fed = 0
    while block := file.read(_BLOCK_BYTES):
        parser.Parse(block, False)
        fed += len(block)
        if fed - parser.CurrentByteIndex > LARGEST_ELEMENT_BYTES:
            raise AnnotationError(
                f"one of its XML's elements is longer than {LARGEST_ELEMENT_BYTES >> 20} MiB: "
                "export the file again"
            )
    parser.Parse(b"", True)


def _refuse_doctype(*_: object) -> NoReturn:
    raise AnnotationError(
        "its XML has a document type, which could make it grow without end: remove its DOCTYPE"
    )


class _Reader:
    """Gathers layers and their shapes, as elements begin and end."""

    def __init__(self, shapes: FileShapes) -> None:
        self._shapes = shapes
        self._depth = 0
        self._count = 0
        self._names: set[str] = set()
        self._layer = ""
        self._areas: list[tuple[str, Ring]] = []
        self._holes: list[Ring] = []
        self._shape: dict[str, str] | None = None
        self._corners = array("d")

    @property
    def place(self) -> str:
        """Where in the file the reader is, for messages."""
        return f" in {self._where}" if self._count else ""

    def start(self, name: str, attributes: dict[str, str]) -> None:
        """Begin a layer or a shape, or add a corner to the shape."""
        self._check(name, attributes)
        if not self._depth:
            self._root(name, attributes)
        self._depth += 1
        if name == "Annotation":
            self._layer = attributes.get("Name", "").strip()
        elif name == "Region":
            self._count += 1
            self._shape, self._corners = attributes, array("d")
        elif name in ("Vertex", "V") and self._shape is not None:
            self._shapes.count(1)
            self._corners.append(self._number(attributes, "X"))
            self._corners.append(self._number(attributes, "Y"))

    def end(self, name: str) -> None:
        """End a shape, or a layer with its areas."""
        self._depth -= 1
        if name == "Region" and self._shape is not None:
            self._end_shape(self._shape)
            self._shape = None
            self._shapes.check_rings(len(self._areas) + len(self._holes))
        elif name == "Annotation" or not self._depth:
            self._end_layer()

    def _check(self, name: str, attributes: dict[str, str]) -> None:
        """Refuse what makes the parser itself grow: depth, and ever new names."""
        if not (name in self._names and attributes.keys() <= self._names):
            self._names.update((name, *attributes))
        if self._depth >= _DEEPEST or len(self._names) > _MOST_NAMES:
            raise AnnotationError(
                f"its XML has more than {_DEEPEST} elements in each other, or more than "
                f"{_MOST_NAMES:,} names, so it is not ImageScope's; {ACCEPTED}"
            )

    def _root(self, name: str, attributes: dict[str, str]) -> None:
        if name != "Annotations":
            program = _OTHER_PROGRAMS.get(name)
            whose = f", so it is that of {program}" if program else ""
            raise AnnotationError(
                f"its XML begins with <{name:.40}>, but ImageScope's begins with <Annotations>"
                f"{whose}; {ACCEPTED}"
            )
        try:
            mpp = float(attributes.get("MicronsPerPixel", "").replace(",", "."))
        except ValueError:
            return
        if math.isfinite(mpp) and mpp > 0:
            self._shapes.mpp = mpp

    def _end_shape(self, shape: dict[str, str]) -> None:
        corners, is_open = self._corners, shape.get("HasEndcaps") == "1"
        kind = _KINDS.get(shape.get("Type", "").strip().lower())
        class_name = self._layer or shape.get("Text", "").strip()
        if kind == "pins" or (kind == "polygon" and is_open):
            points = np.frombuffer(corners, np.float64).reshape(-1, 2)
            what = "pins" if kind == "pins" else "open lines"
            self._shapes.mark(class_name, what, points, unit=None, where=self._where)
        elif kind not in ("polygon", "rectangle", "ellipse"):
            self._leave_out(kind or "shapes of an unknown type")
        elif (ring := self._ring(kind, corners)) is None:
            self._leave_out("outlines of fewer than 3 corners")
        elif shape.get("NegativeROA") == "1":
            self._holes.append(ring)
        else:
            self._areas.append((class_name, ring))

    def _leave_out(self, kind: str) -> None:
        self._shapes.left_out[kind] += 1

    def _ring(self, kind: str, corners: "array[float]") -> Ring | None:
        """Return the outline of a shape, or None where it encloses nothing."""
        ring = np.frombuffer(corners, np.float64).reshape(-1, 2)
        if kind != "polygon" and len(ring) >= 2 and (kind == "ellipse" or len(ring) == 2):
            ring = _in_box(kind, numbers(ring, self._where))
            self._shapes.count(len(ring))
        return self._shapes.ring(ring, self._where)

    def _end_layer(self) -> None:
        self._shapes.forget()
        pairs = meeting_pairs(self._holes, [ring for _, ring in self._areas])
        if idle := len(self._holes) - len(np.unique(pairs[:, 1])):
            self._shapes.left_out["negative regions that cut nothing"] += idle
        ends = np.searchsorted(pairs[:, 0], np.arange(len(self._areas) + 1)).tolist()
        for number, (class_name, ring) in enumerate(self._areas):
            if self._shapes.takes(class_name):
                cutting = pairs[ends[number] : ends[number + 1], 1].tolist()
                holes = [self._holes[hole] for hole in cutting]
                self._shapes.add(class_name, [ring, *holes], unit=None)
        self._areas, self._holes, self._layer = [], [], ""

    def _number(self, attributes: dict[str, str], name: str) -> float:
        text = attributes.get(name, "")
        try:
            return float(text.replace(",", "."))
        except ValueError as error:
            raise AnnotationError(
                f"{self._where} has {text!r:.40} for a coordinate {name}: export the file again"
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

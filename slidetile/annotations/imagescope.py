"""Read areas from the XML of Aperio ImageScope, and from that of HALO, which resembles it."""

import math
from pathlib import Path
from typing import NoReturn
from xml.parsers import expat

import numpy as np

from slidetile.annotations.shapes import FileShapes, Ring
from slidetile.errors import AnnotationError

_KINDS = {
    **dict.fromkeys(("", "0", "polygon"), "polygon"),
    **dict.fromkeys(("1", "rectangle"), "rectangle"),
    **dict.fromkeys(("2", "ellipse"), "ellipse"),
    **dict.fromkeys(("4", "ruler"), "rulers"),
    "3": "arrows",
}
"""Kinds of regions: ImageScope numbers them, HALO names them."""

LARGEST_HOLE_COUNT = 10_000
"""Each area of a layer is compared with all its holes."""

_CIRCLE_ERROR_PX = 0.25
"""How far an ellipse's outline may lie from the ellipse."""


def read_imagescope(path: Path, shapes: FileShapes) -> None:
    """Take the areas of an ImageScope XML file into ``shapes``.

    Coordinates are level-0 pixels. An area's class is the name of its layer (``Annotation``), or
    the region's own text where the layer has none. Regions with ``NegativeROA="1"`` are holes in
    all areas of their layer. The document is read as a stream, without a tree.

    Raises
    ------
    AnnotationError
        It is no XML, has a document type, is no such file, or beyond the limits of `FileShapes`.
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
        raise AnnotationError(f"it is no XML: {error}") from error


def _refuse_doctype(*_: object) -> NoReturn:
    raise AnnotationError("its XML has a document type, which could make it grow without end")


class _Reader:
    """Takes in elements as they begin and end."""

    def __init__(self, shapes: FileShapes) -> None:
        self._shapes = shapes
        self._depth = 0
        self._regions = 0
        self._layer = ""
        self._areas: list[tuple[str, Ring, str]] = []
        self._holes: list[Ring] = []
        self._region: dict[str, str] | None = None
        self._corners: list[tuple[float, float]] = []

    def start(self, name: str, attributes: dict[str, str]) -> None:
        """Take note of a layer or a region that begins, and of a corner."""
        if not self._depth:
            self._root(name, attributes)
        self._depth += 1
        if name == "Annotation":
            self._layer = attributes.get("Name", "").strip()
        elif name == "Region":
            self._regions += 1
            self._region, self._corners = attributes, []
        elif name in ("Vertex", "V") and self._region is not None:
            self._corners.append((self._number(attributes, "X"), self._number(attributes, "Y")))

    def end(self, name: str) -> None:
        """Take in the region, or the areas of the layer, that end."""
        self._depth -= 1
        if name == "Region" and self._region is not None:
            self._end_region(self._region)
            self._region = None
        elif name == "Annotation":
            self._end_layer()

    def _root(self, name: str, attributes: dict[str, str]) -> None:
        if name != "Annotations":
            raise AnnotationError(
                f"its XML begins with <{name:.40}>, but that of ImageScope with <Annotations>"
            )
        try:
            mpp = float(attributes.get("MicronsPerPixel", "").replace(",", "."))
        except ValueError:
            return
        if math.isfinite(mpp) and mpp > 0:
            self._shapes.mpp = mpp

    def _end_region(self, region: dict[str, str]) -> None:
        kind = _KINDS.get(region.get("Type", "").strip().lower())
        where = self._where(self._regions)
        if kind not in ("polygon", "rectangle", "ellipse"):
            self._shapes.left_out[kind or "regions of an unknown type"] += 1
            return
        if len(self._corners) < (3 if kind == "polygon" else 2):
            self._shapes.left_out["outlines of fewer than 3 corners"] += 1
            return
        ring = np.array(self._corners, np.float64)
        if kind == "ellipse" or len(ring) == 2:
            ring = _in_box(kind, ring)
        if region.get("NegativeROA") == "1":
            self._holes.append(ring)
        else:
            self._areas.append((self._layer or region.get("Text", "").strip(), ring, where))

    def _end_layer(self) -> None:
        if len(self._holes) > LARGEST_HOLE_COUNT:
            raise AnnotationError(
                f"one of its layers has {len(self._holes):,} negative regions, more than "
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
                f"{self._where(self._regions)} has {text!r:.40} for a coordinate {name}"
            ) from error

    def _where(self, number: int) -> str:
        return f"region {number}"


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

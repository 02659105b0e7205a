"""Read areas from GeoJSON (RFC 7946), as QuPath and others write it for slides.

Knows the file's structure. Does not know the slide.
"""

import json
from typing import Any

import numpy as np

from slidetile.annotations._accepted import ACCEPTED
from slidetile.annotations._coordinates import read_coordinates
from slidetile.annotations._json_stream import JsonError, JsonStream, Text
from slidetile.annotations._shapes import FileShapes
from slidetile.errors import AnnotationError

FOREIGN_MEMBER = "slidetile"
"""Member of a FeatureCollection that says where coordinates begin; see annotation-files.md."""

FOUND_CORE = {"foundBy": "slidetile"}
"""What marks the cores that slidetile has written beside the outlines of their tissue."""

_NOT_DRAWN = {
    "cell": "cells",
    "detection": "detections",
    "tile": "tiles",
    "PathCellObject": "cells",
    "PathDetectionObject": "detections",
    "PathTileObject": "tiles",
}
"""QuPath's objects that nobody drew; the last three as QuPath 0.2 wrote them, in ``id``."""

_NOT_AREAS = {
    "Point": "points",
    "MultiPoint": "points",
    "LineString": "lines",
    "MultiLineString": "lines",
}


_TYPES = {
    *("FeatureCollection", "Feature", "Polygon", "MultiPolygon", "GeometryCollection"),
    *_NOT_AREAS,
}

_OTHER_PROGRAMS = {
    "COCO": {"images", "annotations"},
    "HistomicsTK or Digital Slide Archive": {"elements"},
    "Digital Slide Archive": {"annotation"},
    "labelme": {"shapes", "imagePath"},
}
"""Members that tell the JSON of other programs."""

_TOLD = {"unit", "crs", FOREIGN_MEMBER}.union(*_OTHER_PROGRAMS.values())
"""Members of a document, besides those of a feature, that say what it is."""

_REMEDY = "export it as GeoJSON again"
_LONGEST_CLASS = 1 << 16

_READ = {"type", "id", "geometry", "properties", "features", "coordinates", "geometries"}
"""The members of a feature or a geometry that mean something here; others are not kept."""

_LONGEST_TYPE = 64
"""Most characters of a geometry's type, of which a collection keeps any number."""

_GEOMETRY_CORNERS = 32
"""A geometry of a collection takes about the memory of so many corners, besides its own."""

_NESTED_AT_MOST = 8
"""Collections in collections, and geometries in geometries."""


def read_geojson(file: Text, shapes: FileShapes) -> None:
    """Add the areas of a GeoJSON document to ``shapes``.

    It is a FeatureCollection, a Feature, a bare geometry, or an array of them. Polygon,
    MultiPolygon and GeometryCollection are areas. Features are read one by one and corners piece
    by piece, so a long file takes the memory of its corners: 16 bytes each.

    Raises
    ------
    AnnotationError
        The file is not JSON, not GeoJSON, or exceeds a limit of `JsonStream` or `FileShapes`.
    """
    reader = _Reader(JsonStream(file), shapes)
    try:
        reader.read()
    except JsonError as error:
        raise AnnotationError(f"{error}{reader.place}: {_REMEDY}") from error


class _Reader:
    """Reads a document and counts its features."""

    def __init__(self, stream: JsonStream, shapes: FileShapes) -> None:
        self._stream = stream
        self._shapes = shapes
        self._features = 0

    @property
    def place(self) -> str:
        """Where in the file the reader is, for messages."""
        return f", in {self._where}" if self._features else ""

    @property
    def _where(self) -> str:
        return f"feature {max(1, self._features)}"  # a document may be the only one

    def read(self) -> None:
        """Read the document from its beginning to its end."""
        if self._stream.peek() == "[":
            self._each()
        else:
            self._document()
        self._stream.end()

    def _document(self) -> None:
        """Read an object that is the whole document."""
        is_lone = self._stream.peek() == "{"
        members: dict[str, Any] = {}
        for key in self._stream.members() if is_lone else ():
            is_list = self._stream.peek() == "["
            if key == "features" and is_list:
                members[key] = self._each()
                continue
            value = None
            if is_list and key not in ("coordinates", "geometries", "bbox"):
                self._pass_over()
            else:
                value = self._member(key, 0)
            if key in _READ or key in _TOLD:
                members[key] = value
        _refuse_others(members)
        _take_frame(members, self._shapes)
        if members.get("features") is not True:
            self._take(members)

    def _each(self, depth: int = 0) -> bool:
        """Read the features of the next array one by one."""
        for _ in self._stream.places():
            self._features += 1
            self._shapes.forget()
            self._take(self._object(depth + 1))
        return True

    def _pass_over(self, *, kind: str | None = None) -> None:
        """Read the elements of the next array, and keep none."""
        for _ in self._stream.places():
            self._shapes.forget()
            self._object(1)
            if kind is not None:
                self._shapes.left_out[kind] += 1

    def _object(self, depth: int) -> Any:
        """Return the next value; of an object the features are read, and the corners arrays."""
        if self._stream.peek() != "{" or depth > _NESTED_AT_MOST:
            return self._stream.value()
        members: dict[str, Any] = {}
        for key in self._stream.members():
            value = self._member(key, depth)
            if key in _READ:
                members[key] = value
        return members

    def _geometries(self, depth: int) -> list[Any]:
        """Return the next array, of any number of geometries, with what is needed of each."""
        geometries = []
        for _ in self._stream.places():
            self._shapes.count(_GEOMETRY_CORNERS)
            geometries.append(_needed(self._object(depth)))
        return geometries

    def _member(self, key: str, depth: int) -> Any:
        """Return the next value, the member of a name."""
        if key == "coordinates":
            return read_coordinates(self._stream, self._shapes.count, self._where)
        if key == "geometry":
            return self._object(depth + 1)
        if self._stream.peek() == "[":
            if key == "geometries":
                return self._geometries(depth + 1)
            if key == "features" and depth < _NESTED_AT_MOST:
                return self._each(depth)
            if key == "childObjects":
                self._pass_over(kind="child objects")
                return None
        return self._stream.value()

    def _take(self, item: Any) -> None:
        """Take a feature or a bare geometry."""
        where = self._where
        if not isinstance(item, dict):
            raise AnnotationError(f"{where} is not a GeoJSON object, but {item!r:.60}: {_REMEDY}")
        kind = item.get("type")
        if kind == "FeatureCollection":
            if item.get("features") is not True:  # they were read as they came
                _list(item.get("features"), where)
                raise AnnotationError(
                    f"{where} is one of more than {_NESTED_AT_MOST} collections, each in another: "
                    f"{_REMEDY}"
                )
        elif kind == "Feature":
            self._feature(item, where)
        else:
            self._geometry(item, "", None, where)

    def _feature(self, feature: dict[str, Any], where: str) -> None:
        properties = feature.get("properties")
        properties = properties if isinstance(properties, dict) else {}
        if (kind := _kind_left_out(feature, properties)) is not None:
            self._shapes.left_out[kind] += 1
        elif feature.get("geometry") is None:
            self._shapes.left_out["features without a geometry"] += 1
        else:
            unit = properties.get("unit")
            unit = unit if isinstance(unit, str) else None
            self._geometry(feature["geometry"], _class_name(properties), unit, where)

    def _geometry(self, geometry: Any, class_name: str, unit: str | None, where: str) -> None:
        kind = geometry.get("type") if isinstance(geometry, dict) else None
        if kind == "GeometryCollection":
            for part in _list(geometry.get("geometries"), where):
                self._geometry(part, class_name, unit, where)
        elif kind in ("Polygon", "MultiPolygon"):
            coordinates = _list(geometry.get("coordinates"), where)
            for rings in [coordinates] if kind == "Polygon" else coordinates:
                self._polygon(_list(rings, where), class_name, unit, where)
        elif isinstance(kind, str) and kind in _NOT_AREAS:
            parts = geometry.get("coordinates")
            parts = parts if kind == "MultiLineString" and isinstance(parts, list) else [parts]
            for part in parts:
                corners = [part] if kind == "Point" else part
                self._shapes.mark(class_name, _NOT_AREAS[kind], corners, unit=unit, where=where)
        else:
            raise AnnotationError(
                f"{where} is of the type {kind!r:.60}, which is not one of GeoJSON's: {_REMEDY}"
            )

    def _polygon(self, rings: list[Any], class_name: str, unit: str | None, where: str) -> None:
        self._shapes.forget()
        outline = self._shapes.ring(rings[0], where) if rings else None
        if outline is None:
            self._shapes.left_out["outlines of fewer than 3 corners"] += 1
        elif self._shapes.takes(class_name):
            holes = (self._shapes.ring(ring, where) for ring in rings[1:])
            kept = [outline, *(hole for hole in holes if hole is not None)]
            self._shapes.add(class_name, kept, unit=unit)


def _needed(geometry: Any) -> Any:
    """Return a geometry without members that mean nothing, short where it is none."""
    if not isinstance(geometry, dict):
        return f"{geometry!r:.60}"
    kind = geometry.get("type")
    kept = {name: geometry[name] for name in ("coordinates", "geometries") if name in geometry}
    is_name = isinstance(kind, str) and len(kind) <= _LONGEST_TYPE
    return {"type": kind if is_name else f"{kind!r:.60}", **kept}


def _refuse_others(members: dict[str, Any]) -> None:
    """Refuse the JSON of other programs by its name."""
    kind = members.get("type")
    if isinstance(kind, str) and kind in _TYPES:
        return
    for program, keys in _OTHER_PROGRAMS.items():
        if keys <= members.keys():
            raise AnnotationError(f"it is the JSON of {program}, not GeoJSON; {ACCEPTED}")
    if "features" not in members:
        raise AnnotationError(
            f"its JSON is of the type {kind!r:.60}, which is not one of GeoJSON's; {ACCEPTED}"
        )


def _list(value: Any, where: str) -> list[Any]:
    if isinstance(value, np.ndarray):  # an array of positions is not yet one of rings
        value = value[:1].tolist()
    if not isinstance(value, list):
        raise AnnotationError(f"{where} has {value!r:.60} where GeoJSON needs an array: {_REMEDY}")
    return value


def _kind_left_out(feature: dict[str, Any], properties: dict[str, Any]) -> str | None:
    """Return the kind of an object that is no drawn area, or None if it is one."""
    kinds = (properties.get("objectType"), properties.get("object_type"), feature.get("id"))
    if FOUND_CORE.items() <= properties.items():
        return "cores that were found, not drawn"
    if "tma_core" in kinds and properties.get("isMissing") is True:
        return "missing cores"
    for kind in kinds:
        if isinstance(kind, str) and kind in _NOT_DRAWN:
            return _NOT_DRAWN[kind]
    return None


def _class_name(properties: dict[str, Any]) -> str:
    """Return the class, in any of the forms that QuPath's versions write."""
    classification = _decoded(properties.get("classification"))
    if isinstance(classification, dict):
        names = classification.get("names")
        if isinstance(names, list):
            return ": ".join(map(str, names))
        classification = classification.get("name")
    return classification if isinstance(classification, str) else ""


def _decoded(classification: Any) -> Any:
    """Return a class, which GeoPandas and others write as the JSON text of QuPath's object."""
    is_object = isinstance(classification, str) and classification.lstrip()[:1] == "{"
    if not is_object or len(classification) > _LONGEST_CLASS:
        return classification
    try:
        return json.loads(classification)
    except (ValueError, RecursionError):  # a name that happens to begin so
        return classification


def _take_frame(members: dict[str, Any], shapes: FileShapes) -> None:
    """Take the coordinates' unit, origin and slide from members beyond those of GeoJSON."""
    ours = members.get(FOREIGN_MEMBER)
    ours = ours if isinstance(ours, dict) else {}
    is_collection = members.get("type") == "FeatureCollection"
    properties = members.get("properties") if is_collection else None
    properties = properties if isinstance(properties, dict) else {}
    for unit in (ours.get("unit"), members.get("unit"), properties.get("unit"), _crs(members)):
        if isinstance(unit, str):
            shapes.unit = unit
            break
    shapes.origin = _pair(ours.get("origin"))
    if (size := _pair(ours.get("slide_size"))) is not None:
        shapes.slide_size = int(size[0]), int(size[1])


def _crs(members: dict[str, Any]) -> Any:
    """Return the name of a coordinate reference system, as GeoJSON of 2008 defines it."""
    crs = members.get("crs")
    properties = crs.get("properties") if isinstance(crs, dict) else None
    return properties.get("name") if isinstance(properties, dict) else None


def _pair(value: Any) -> tuple[float, float] | None:
    is_pair = isinstance(value, list) and len(value) == 2
    if not is_pair or not all(isinstance(n, int | float) and abs(n) <= 1e9 for n in value):
        return None
    return float(value[0]), float(value[1])

"""Read areas from GeoJSON (RFC 7946), as QuPath and others write it for slides.

Knows the file's structure. Does not know the slide.
"""

from pathlib import Path
from typing import Any

from slidetile.annotations._json_stream import JsonStream
from slidetile.annotations._shapes import FileShapes
from slidetile.errors import AnnotationError

FOREIGN_MEMBER = "slidetile"
"""Member of a FeatureCollection that says where coordinates begin; see annotation-files.md."""

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


def read_geojson(path: Path, shapes: FileShapes) -> None:
    """Add the areas of a GeoJSON file to ``shapes``.

    The file is a FeatureCollection, a Feature, a bare geometry, or an array of them. Polygon,
    MultiPolygon and GeometryCollection are areas. Features are read one by one, so a long file
    takes the memory of its longest feature and of all corners.

    Raises
    ------
    AnnotationError
        The file is not JSON, not GeoJSON, or exceeds a limit of `JsonStream` or `FileShapes`.
    """
    reader = _Reader(shapes)
    with path.open(encoding="utf-8-sig") as file:
        stream = JsonStream(file)
        if stream.peek() == "[":
            for item in stream.elements():
                reader.take(item)
        else:
            reader.take_members(stream)
        stream.end()


class _Reader:
    """Reads a document and counts its features."""

    def __init__(self, shapes: FileShapes) -> None:
        self._shapes = shapes
        self._features = 0

    def take_members(self, stream: JsonStream) -> None:
        """Read an object member by member, and its features one by one."""
        members: dict[str, Any] = {}
        is_collection = False
        for key in stream.members():
            if key == "features" and stream.peek() == "[":
                is_collection = True
                for item in stream.elements():
                    self.take(item)
            else:
                members[key] = stream.value()
        _take_frame(members, self._shapes)
        if not is_collection:
            self.take(members)

    def take(self, item: Any) -> None:
        """Read a feature or a bare geometry."""
        self._features += 1
        where = f"feature {self._features}"
        if not isinstance(item, dict):
            raise AnnotationError(f"{where} is not a GeoJSON object, but {item!r:.60}")
        kind = item.get("type")
        if kind == "FeatureCollection":
            for feature in _list(item.get("features"), where):
                self.take(feature)
        elif kind == "Feature":
            self._feature(item, where)
        else:
            self._geometry(item, "", None, where)

    def _feature(self, feature: dict[str, Any], where: str) -> None:
        properties = feature.get("properties")
        properties = properties if isinstance(properties, dict) else {}
        if (kind := _kind_not_drawn(feature, properties)) is not None:
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
                self._shapes.add(class_name, _list(rings, where), unit=unit, where=where)
        elif isinstance(kind, str) and kind in _NOT_AREAS:
            self._shapes.left_out[_NOT_AREAS[kind]] += 1
        else:
            raise AnnotationError(
                f"{where} is of the type {kind!r:.60}, which is not one of GeoJSON's"
            )


def _list(value: Any, where: str) -> list[Any]:
    if not isinstance(value, list):
        raise AnnotationError(f"{where} has {value!r:.60} where GeoJSON needs an array")
    return value


def _kind_not_drawn(feature: dict[str, Any], properties: dict[str, Any]) -> str | None:
    """Return the kind of an object that nobody drew, or None if somebody drew it."""
    for kind in (properties.get("objectType"), properties.get("object_type"), feature.get("id")):
        if isinstance(kind, str) and kind in _NOT_DRAWN:
            return _NOT_DRAWN[kind]
    return None


def _class_name(properties: dict[str, Any]) -> str:
    """Return the class, in any of the forms that QuPath's versions write."""
    classification = properties.get("classification")
    if isinstance(classification, dict):
        names = classification.get("names")
        if isinstance(names, list):
            return ": ".join(map(str, names))
        classification = classification.get("name")
    return classification if isinstance(classification, str) else ""


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

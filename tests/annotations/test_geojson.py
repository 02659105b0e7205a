"""GeoJSON, as its parts come: what is taken of it, what is counted, and where it is wrong."""

import contextlib
import io
import json
import tracemalloc

import numpy as np
import pytest

import slidetile as st
from slidetile.annotations import _shapes
from slidetile.annotations._geojson import read_geojson
from slidetile.annotations._shapes import FileShapes

RING = [[0, 0], [4, 0], [4, 2], [0, 2], [0, 0]]
SQUARE = {"type": "Polygon", "coordinates": [RING]}


def read(document, **options):
    shapes = FileShapes(**options)
    text = document if isinstance(document, str) else json.dumps(document)
    read_geojson(io.StringIO(text), shapes)
    return shapes


def feature(geometry=SQUARE, **properties):
    return {"type": "Feature", "properties": properties, "geometry": geometry}


def collection(*features):
    return {"type": "FeatureCollection", "features": list(features)}


@pytest.mark.parametrize(
    ("classification", "name"),
    [
        ({"name": "Tumor"}, "Tumor"),
        ({"names": ["Tumor", "b"], "name": "c"}, "Tumor: b"),
        ("Tumor", "Tumor"),
        ('{"name": "Tumor", "color": [200, 0, 0]}', "Tumor"),
        (' {"names": ["Tumor", "b"]}', "Tumor: b"),
        ("{braced}", "{braced}"),
        ('{"color": 1}', "(no class)"),
        ('{"a": ' * 5000, '{"a": ' * 5000),
        (None, "(no class)"),
        (7, "(no class)"),
    ],
)
def test_a_class_in_every_form(classification, name):
    assert read(feature(classification=classification)).classes == {name: 1}


def test_members_may_come_in_any_order():
    turned = {"coordinates": [RING], "type": "Polygon"}
    for document in (
        {"geometry": turned, "properties": {"classification": "a"}, "type": "Feature"},
        {"features": [feature(turned, classification="a")], "type": "FeatureCollection"},
    ):
        shapes = read(document)
        assert shapes.classes == {"a": 1}
        np.testing.assert_array_equal(shapes.shapes[0].rings[0], RING[:-1])


def test_what_is_no_drawn_area_is_counted():
    child = feature(classification="b") | {"childObjects": [feature()]}
    shapes = read(
        collection(
            feature() | {"childObjects": [child, feature()]},
            feature(objectType="tma_core", isMissing=True),
            feature(objectType="tma_core", isMissing=False),
            feature(classification={"name": "Ignore*"}),
            feature({"type": "Point", "coordinates": [1, 2]}),
            feature({"type": "MultiLineString", "coordinates": [RING]}),
            feature(None),
        )
    )
    assert len(shapes.shapes) == 2
    assert shapes.left_out == {
        "child objects": 3,
        "missing cores": 1,
        "areas of the class Ignore*": 1,
        "points": 1,
        "lines": 1,
        "features without a geometry": 1,
    }


@pytest.mark.parametrize("indent", [None, 1, 40])
def test_a_ring_of_many_pieces_is_one(indent, monkeypatch):
    monkeypatch.setattr("slidetile.annotations._json_stream._CHUNK", 64)
    ring = [[n / 8, n * n % 17] for n in range(500)]
    hole = [[n, -n] for n in range(3)]
    document = feature({"type": "MultiPolygon", "coordinates": [[ring, hole], [RING]]})
    first, second = read(json.dumps(document, indent=indent)).shapes
    np.testing.assert_array_equal(first.rings[0], ring)
    np.testing.assert_array_equal(first.rings[1], hole)
    np.testing.assert_array_equal(second.rings[0], RING[:-1])


@pytest.mark.parametrize(
    ("part", "message"),
    [
        ('{"type": "Feature", "geometry": nope}', "not JSON at character"),
        ('{"type": "Feature", "geometry": {"coordinates": [[[1,2],[3,NaN]]]}}', "it holds NaN"),
        ('{"type": "Polygon", "coordinates": [[[1,2],[3,4]', "but ',' belongs there"),
        ('{"type": "Polygon", "coordinates": [[[1,2],[3,4}]]}', "not JSON at character"),
        ('{"type": "Polygon", "coordinates": [[[1,2],[3,{}]]]}', "is not a list of corners"),
        ('{"type": "Polygon", "coordinates": [[[1,2],[[3]]]]}', "JSON|corners"),
        ('{"type": "Polygon", "coordinates": [[1,2],[3,4]]}', "is not a list of corners"),
        ('{"type": "Polygon", "coordinates": {}}', "where GeoJSON needs an array"),
        ('{"type": "Circle"}', "of the type 'Circle'"),
        ("7", "is not a GeoJSON object, but 7"),
        ('{"features": [' * 20, "collections, each in another|JSON"),
    ],
)
def test_what_is_wrong_is_told_with_its_feature_and_a_remedy(part, message):
    text = f'{{"type": "FeatureCollection", "features": [{json.dumps(feature())}, {part}]}}'
    with pytest.raises(
        st.AnnotationError, match=rf"(?s)(feature \d+.*{message}|{message}.*feature \d+)"
    ) as caught:
        read(text)
    assert "export it" in str(caught.value)


@pytest.mark.parametrize("kind", [{"a": 1}, ["Polygon"], None, 7, "", "polygon"])
def test_a_type_that_is_none_of_geojsons(kind):
    for document in ({"type": kind}, [{"type": kind}], feature({"type": kind})):
        with pytest.raises(st.AnnotationError, match=r"of the type .* not one of GeoJSON's"):
            read(document)


@pytest.mark.parametrize(
    ("document", "program"),
    [
        (
            {"images": [1] * 9, "annotations": [{"segmentation": [[1, 2]]}], "categories": []},
            "COCO",
        ),
        ({"name": "a", "elements": [{"type": "polyline"}]}, "HistomicsTK"),
        ({"annotation": {"elements": []}}, "Digital Slide Archive"),
        ({"shapes": [], "imagePath": "a.png"}, "labelme"),
    ],
)
def test_the_json_of_others_is_named(document, program):
    with pytest.raises(
        st.AnnotationError, match=f"JSON of {program}.*, not GeoJSON; slidetile reads"
    ):
        read(document)


@pytest.mark.parametrize(
    "document",
    [
        '{"type": "Polygon", "coordinates": [%s[]]}' % ("[], " * 200),
        '{"type": "Polygon", "coordinates": [%s1.5]}' % ("1.5, " * 200),
        '{"type": "GeometryCollection", "geometries": [%s{}]}' % ("{}, " * 200),
    ],
)
def test_what_are_no_corners_is_bounded_too(document, monkeypatch):
    monkeypatch.setattr(_shapes, "LARGEST_CORNER_COUNT", 1000)
    with pytest.raises(st.AnnotationError, match="more than 1,000 corners"):
        read(document)


@pytest.mark.parametrize("where", ["document", "feature", "geometries"])
def test_members_that_mean_nothing_are_not_kept(where):
    others = ",".join(f'"a{n}": {{"b": [{"[]," * 100_000}[]]}}' for n in range(10))
    document = {
        "document": f'{{"type": "FeatureCollection", "features": [], {others}}}',
        "feature": f'[{{"type": "Feature", "geometry": null, {others}}}]',
        "geometries": f'{{"type": "GeometryCollection", "geometries": [{{{others}}}]}}',
    }[where]
    tracemalloc.start()
    try:
        with contextlib.suppress(st.AnnotationError):
            read(document)
        assert tracemalloc.get_traced_memory()[1] < 40e6
    finally:
        tracemalloc.stop()

"""ImageScope's and HALO's XML: shapes, holes and what is left out, with known results."""

import io

import numpy as np
import pytest

import slidetile as st
from slidetile.annotations._imagescope import read_imagescope
from slidetile.annotations._shapes import FileShapes

SQUARE = [(0, 0), (8, 0), (8, 8), (0, 8)]
INNER = [(2, 2), (4, 2), (4, 4), (2, 4)]
BESIDE = [(20, 20), (24, 20), (24, 24), (20, 24)]


def region(corners, kind="0", **attributes):
    named = "".join(f' {name}="{value}"' for name, value in attributes.items())
    vertices = "".join(f'<Vertex X="{x}" Y="{y}"/>' for x, y in corners)
    return f'<Region Type="{kind}"{named}><Vertices>{vertices}</Vertices></Region>'


def layer(*regions, name=""):
    return f'<Annotation Name="{name}"><Regions>{"".join(regions)}</Regions></Annotation>'


def read(*layers, **options):
    shapes = FileShapes(**options)
    text = f'<Annotations MicronsPerPixel="0,25">{"".join(layers)}</Annotations>'
    read_imagescope(io.BytesIO(text.encode()), shapes)
    return shapes


def rings(shapes):
    return [[ring.tolist() for ring in shape.rings] for shape in shapes.shapes]


def listed(corners):
    return [list(map(float, corner)) for corner in corners]


def test_a_hole_cuts_the_areas_of_its_layer_that_it_meets():
    hole = region(INNER, NegativeROA="1")
    shapes = read(layer(hole, region(SQUARE), region(BESIDE), name="a"), layer(region(SQUARE)))
    assert rings(shapes) == [[listed(SQUARE), listed(INNER)], [listed(BESIDE)], [listed(SQUARE)]]
    assert shapes.classes == {"a": 2, "(no class)": 1}
    assert not shapes.left_out
    assert shapes.mpp == 0.25


@pytest.mark.parametrize("others", [[], [layer(region(SQUARE))]])
def test_a_hole_that_cuts_nothing_is_counted(others):
    shapes = read(layer(region(BESIDE, NegativeROA="1"), name="a"), *others)
    assert shapes.left_out == {"negative regions that cut nothing": 1}
    assert len(shapes.shapes) == len(others)


@pytest.mark.parametrize(
    ("attributes", "kind"),
    [
        ({"kind": "4"}, "rulers"),
        ({"kind": "Ruler"}, "rulers"),
        ({"kind": "Pin"}, "pins"),
        ({"kind": "3"}, "arrows"),
        ({"kind": "9"}, "shapes of an unknown type"),
        ({"kind": "Polygon", "HasEndcaps": "1"}, "open lines"),
    ],
)
def test_what_is_no_area_is_counted(attributes, kind):
    shapes = read(layer(region(SQUARE, **attributes)))
    assert (shapes.left_out, shapes.shapes) == ({kind: 1}, [])


def test_two_corners_are_a_rectangle_or_an_ellipse():
    (box,), (outline,) = rings(
        read(layer(region([(8, 2), (0, 0)], "1"), region([(8, 2), (0, 0)], "2")))
    )
    assert box == listed([(0, 0), (8, 0), (8, 2), (0, 2)])
    x, y = np.array(outline).T
    np.testing.assert_allclose(((x - 4) / 4) ** 2 + (y - 1) ** 2, 1)


def test_regions_outside_a_layer_are_areas_without_a_class():
    assert read(region(SQUARE), layer(name="a")).classes == {"(no class)": 1}


def test_a_corner_that_is_no_number_is_named():
    with pytest.raises(st.AnnotationError, match="Region 2 has 'x' for a coordinate X: export"):
        read(layer(region(SQUARE), region([("x", 1)])))
    for value in ("nan", "1e300"):
        with pytest.raises(st.AnnotationError, match="Region 1 has the coordinate"):
            read(layer(region([(value, 1), (2, 3), (4, 5)], "2")))


@pytest.mark.parametrize(
    ("root", "program"),
    [("ASAP_Annotations", "ASAP"), ("annotations", "NDPA"), ("session", "Sedeen"), ("x", "<x>")],
)
def test_the_xml_of_others_is_named(root, program):
    with pytest.raises(st.AnnotationError, match=rf"{program}.*slidetile reads GeoJSON"):
        read_imagescope(io.BytesIO(f"<{root}/>".encode()), FileShapes())

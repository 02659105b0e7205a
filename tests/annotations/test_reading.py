"""Files of regions: every format comes back where it was drawn."""

import json
import math

import numpy as np
import pytest
import tifffile
from PIL import Image

import slidetile as st

OUTLINE = [[100, 50], [500, 50], [500, 350], [100, 350], [100, 50]]
HOLE = [[200, 150], [200, 250], [300, 250], [300, 150], [200, 150]]
POLYGON = {"type": "Polygon", "coordinates": [OUTLINE, HOLE]}
AREA = 400 * 300 - 100 * 100


@pytest.fixture(scope="module")
def slide():
    return st.ArraySlide(np.full((600, 800, 3), 255, np.uint8), mpp=2.0, name="slide.svs")


@pytest.fixture
def save(tmp_path):
    def save(content, name="drawn.geojson", **options):
        path = tmp_path / name
        text = content if isinstance(content, str) else json.dumps(content, **options)
        path.write_text(text, encoding="utf-8")
        return path

    return save


def feature(geometry=None, **properties):
    return {"type": "Feature", "geometry": geometry or POLYGON, "properties": properties}


def collection(*features, **members):
    return {"type": "FeatureCollection", **members, "features": list(features)}


def mask_of(path, slide, **options):
    return st.draw_tissue(slide, st.read_annotations(path, slide, **options), mpp=20.0).mask


@pytest.fixture(scope="module")
def truth():
    """The mask of the outline and its hole, at 10 level-0 pixels a pixel."""
    mask = np.zeros((60, 80), bool)
    mask[5:35, 10:50] = True
    mask[15:25, 20:30] = False
    return mask


@pytest.mark.parametrize(
    "content",
    [
        collection(feature()),
        collection(feature(), unit="px", name="members after and before"),
        {"features": [feature()], "type": "FeatureCollection", "bbox": [0, 0, 1, 1]},
        feature(objectType="annotation", classification={"name": "Tumor", "color": [1, 2, 3]}),
        [feature(), feature()],
        [POLYGON],
        POLYGON,
        {"type": "MultiPolygon", "coordinates": [[OUTLINE, HOLE]]},
        feature({"type": "GeometryCollection", "geometries": [POLYGON]}),
        [collection(feature())],
        feature({"type": "Polygon", "coordinates": [[[x, y, 7.0] for x, y in OUTLINE], HOLE]}),
        feature({"type": "Polygon", "coordinates": [OUTLINE[:-1], HOLE[:-1]]}),  # not closed
    ],
)
@pytest.mark.parametrize("options", [{}, {"indent": 2}])
def test_geojson_of_every_shape(save, slide, truth, content, options):
    np.testing.assert_array_equal(mask_of(save(content, **options), slide), truth)


def test_geojson_with_a_byte_order_mark(save, slide, truth):
    np.testing.assert_array_equal(mask_of(save("\ufeff \n" + json.dumps(POLYGON)), slide), truth)


def test_classes_are_counted_and_chosen(save, slide):
    path = save(
        collection(
            feature(classification={"name": "Tumor"}),
            feature(classification={"names": ["Tumor", "Positive"]}),
            feature(classification="Stroma"),
            feature(classification={"name": "Tumor"}),
            feature(),
        )
    )
    counts = {"(no class)": 1, "Stroma": 1, "Tumor": 2, "Tumor: Positive": 1}
    assert st.read_annotations(path, slide).classes == counts
    for name, count in counts.items():
        regions = st.read_annotations(path, slide, classes=[name])
        assert (len(regions.areas), regions.classes) == (count, counts)
    both = st.read_annotations(path, slide, classes=["Tumor", "Stroma"])
    assert [area.class_name for area in both.areas] == ["Tumor", "Stroma", "Tumor"]


def test_what_is_no_drawn_area_is_left_out_and_counted(save, slide, caplog):
    path = save(
        collection(
            feature({"type": "Point", "coordinates": [1, 2]}),
            feature({"type": "MultiPoint", "coordinates": [[1, 2], [3, 4]]}),
            feature({"type": "LineString", "coordinates": [[1, 2], [3, 4]]}),
            feature(objectType="detection"),
            feature(objectType="cell"),
            feature(object_type="cell"),
            feature(objectType="tile"),
            {**feature(), "id": "PathDetectionObject"},
            {"type": "Feature", "geometry": None, "properties": None},
            feature({"type": "Polygon", "coordinates": [OUTLINE[:2]]}),
            feature({"type": "Polygon", "coordinates": []}),
            feature(objectType="annotation"),
        )
    )
    regions = st.read_annotations(path, slide)
    assert [area.area_px for area in regions.areas] == [AREA]
    assert regions.left_out == {
        "points": 2,
        "lines": 1,
        "detections": 2,
        "cells": 2,
        "tiles": 1,
        "features without a geometry": 1,
        "outlines of fewer than 3 corners": 2,
    }
    (message,) = caplog.messages
    assert message.startswith("drawn.geojson: only drawn areas are used; left out: 2 cells, 2 det")
    assert message.endswith(", 1 line, 2 outlines of fewer than 3 corners, 2 points.")


IN_UM = [[[x * 2, y * 2] for x, y in ring] for ring in (OUTLINE, HOLE)]


@pytest.mark.parametrize(
    ("members", "properties"),
    [
        ({"unit": "um"}, {}),
        ({"properties": {"unit": "\N{MICRO SIGN}m"}}, {}),
        ({"crs": {"type": "name", "properties": {"name": "Micrometre"}}}, {}),
        ({}, {"unit": "\N{GREEK SMALL LETTER MU}m"}),
        ({"unit": "px"}, {"unit": "microns"}),
    ],
)
def test_micrometres_where_the_file_says_so(save, slide, truth, members, properties):
    geometry = {"type": "Polygon", "coordinates": IN_UM}
    path = save(collection(feature(geometry, **properties), **members))
    np.testing.assert_array_equal(mask_of(path, slide), truth)
    np.testing.assert_array_equal(mask_of(path, slide, unit="um"), truth)
    assert st.read_annotations(path, slide, unit="px").areas[0].area_px == 4 * AREA


def test_micrometres_need_an_mpp(save):
    slide = st.ArraySlide(np.zeros((600, 800, 3), np.uint8))
    with pytest.raises(
        st.MissingResolutionError, match=r"The mpp of array is unknown.*--slide-mpp"
    ):
        st.read_annotations(save(POLYGON), slide, unit="um")


def test_a_coordinate_system_of_the_earth_is_refused(save, slide):
    crs = {"type": "name", "properties": {"name": "urn:ogc:def:crs:OGC:1.3:CRS84"}}
    path = save(collection(feature(), crs=crs))
    with pytest.raises(st.AnnotationError, match=r"“urn:ogc:def:crs:OGC:1.3:CRS84”.*unit px"):
        st.read_annotations(path, slide)
    assert st.read_annotations(path, slide, unit="px").areas[0].area_px == AREA


def imagescope(*layers, mpp="2.0"):
    return (
        f'<?xml version="1.0"?><Annotations MicronsPerPixel="{mpp}">{"".join(layers)}</Annotations>'
    )


def layer(*regions, name=""):
    return f'<Annotation Id="1" Name="{name}"><Regions>{"".join(regions)}</Regions></Annotation>'


def region(corners, kind="0", negative="0", text=""):
    vertices = "".join(f'<Vertex X="{x}" Y="{y}" Z="0"/>' for x, y in corners)
    return (
        f'<Region Id="1" Type="{kind}" Text="{text}" NegativeROA="{negative}">'
        f"<Vertices>{vertices}</Vertices></Region>"
    )


OPPOSITE = [OUTLINE[0], OUTLINE[2]]


@pytest.mark.parametrize(
    ("outline", "kind"),
    [(OUTLINE, "0"), (OUTLINE[:-1], "1"), (OPPOSITE, "1"), (OPPOSITE[::-1], "1")],
)
def test_imagescope(save, slide, truth, outline, kind):
    hole = region(HOLE, negative="1")
    path = save(imagescope(layer(hole, region(outline, kind))), "drawn.xml")
    np.testing.assert_array_equal(mask_of(path, slide), truth)


def test_imagescope_ellipses(save, slide):
    path = save(imagescope(layer(region(OPPOSITE, "2"))), "drawn.xml")
    (area,) = st.read_annotations(path, slide).areas
    assert area.area_px == pytest.approx(math.pi * 200 * 150, rel=2e-3)
    assert area.edges == pytest.approx((100, 50, 500, 350), abs=0.3)


def test_imagescope_layers_are_classes(save, slide, caplog):
    path = save(
        imagescope(
            layer(region(OUTLINE, text="one"), region(OUTLINE, "4"), name="Tumor"),
            layer(region(OUTLINE, text="two"), region(HOLE, "3"), region(HOLE, "9")),
        ),
        "drawn.xml",
    )
    regions = st.read_annotations(path, slide)
    assert regions.classes == {"Tumor": 1, "two": 1}
    assert regions.left_out == {"rulers": 1, "arrows": 1, "shapes of an unknown type": 1}
    assert "1 arrow, 1 ruler, 1 shape of an unknown type" in caplog.text


def test_holes_are_of_their_layer(save, slide):
    path = save(imagescope(layer(region(OUTLINE)), layer(region(HOLE, negative="1"))), "drawn.xml")
    assert [area.area_px for area in st.read_annotations(path, slide).areas] == [120_000]


def test_regions_without_corners_are_counted(save, slide):
    text = imagescope(layer(region([]), region(OUTLINE[:2]), region(OPPOSITE, negative="1")))
    assert st.read_annotations(save(text), slide).left_out == {
        "outlines of fewer than 3 corners": 3
    }


def test_halo_writes_names_for_numbers(save, slide, truth):
    text = imagescope(layer(region(OUTLINE, "Polygon"), region(HOLE, "Polygon", negative="1")))
    path = save(text.replace("Vertex ", "V "), "drawn.annotations")
    np.testing.assert_array_equal(mask_of(path, slide), truth)


def test_imagescope_in_utf_16_with_decimal_commas(tmp_path, slide, truth):
    text = imagescope(layer(region(OUTLINE), region(HOLE, negative="1")), mpp="2,0")
    text = text.replace('X="100"', 'X="100,0"').replace("1.0", "1.0", 1)
    path = tmp_path / "drawn.xml"
    path.write_bytes(text.replace("?>", ' encoding="UTF-16"?>').encode("utf-16"))
    np.testing.assert_array_equal(mask_of(path, slide), truth)


def test_imagescope_of_another_slide_is_told(save, slide, caplog):
    st.read_annotations(save(imagescope(layer(region(OUTLINE)), mpp="0.5"), "drawn.xml"), slide)
    assert "drawn on a slide of 0.5 µm per pixel, but slide.svs has 2" in caplog.text


def save_mask(path, mask):
    if path.suffix == ".npy":
        np.save(path, mask)
    elif path.suffix == ".tif":
        tifffile.imwrite(path, mask, compression="deflate")
    else:
        Image.fromarray(mask).save(path)
    return path


@pytest.mark.parametrize("suffix", [".png", ".tif", ".npy"])
@pytest.mark.parametrize("kind", ["bool", "uint8", "uint16"])
@pytest.mark.parametrize("factor", [1, 5])
def test_masks_of_every_kind(tmp_path, slide, truth, suffix, kind, factor):
    mask = np.kron(truth, np.ones((factor, factor), bool))
    mask = mask if kind == "bool" else mask.astype(kind) * 200
    path = save_mask(tmp_path / f"mask{suffix}", mask)
    np.testing.assert_array_equal(mask_of(path, slide), truth)


@pytest.mark.parametrize("suffix", [".png", ".tif", ".npy"])
def test_labels_are_classes(tmp_path, slide, truth, suffix):
    labels = truth.astype(np.uint16)
    labels[:, 40:] *= 300
    path = save_mask(tmp_path / f"labels{suffix}", labels)
    regions = st.read_annotations(path, slide)
    assert regions.classes == {"1": int((labels == 1).sum()), "300": int((labels == 300).sum())}
    np.testing.assert_array_equal(mask_of(path, slide, classes=["300"]), labels == 300)
    with pytest.raises(st.AnnotationError, match="classes are numbers, but the class 'Tumor'"):
        st.read_annotations(path, slide, classes=["Tumor"])
    with pytest.raises(st.AnnotationError, match=r"the class 7; its classes are 1 \(\d+\), 300"):
        mask_of(path, slide, classes=["7"])


def test_masks_as_viewers_save_them(tmp_path, slide, truth):
    grey = Image.fromarray(truth.astype(np.uint8) * 255)
    for mode in ("1", "L", "RGB"):
        grey.convert(mode).save(tmp_path / "mask.png")
        np.testing.assert_array_equal(mask_of(tmp_path / "mask.png", slide), truth)
    palette = Image.fromarray(truth.astype(np.uint8)).convert("L")
    palette.putpalette([255, 0, 0, 0, 0, 255])
    palette.save(tmp_path / "mask.png")
    np.testing.assert_array_equal(mask_of(tmp_path / "mask.png", slide), truth)


def test_a_mask_of_other_proportions_is_told(tmp_path, slide, caplog):
    st.read_annotations(save_mask(tmp_path / "mask.npy", np.ones((61, 80), bool)), slide)
    assert caplog.messages == []
    st.read_annotations(save_mask(tmp_path / "mask.npy", np.ones((64, 80), bool)), slide)
    assert (
        "the mask's 80×64 pixels do not have the proportions of the slide's 800×600" in caplog.text
    )
    assert "stretched by 4 of its pixels. Is it a mask of this slide" in caplog.text
    st.read_annotations(save_mask(tmp_path / "mask.npy", np.ones((80, 60), bool)), slide)
    assert "60×80 pixels do not" in caplog.messages[-1]
    assert "Turned by 90° it would fit" in caplog.messages[-1]


def test_the_hand_drawn_truth_comes_back(shared_slides, shared_truth):
    path = shared_truth / "CMU-1-small.geojson"
    with st.open_slide(shared_slides / "CMU-1-small.tiff") as slide:
        regions = st.read_annotations(path, slide, classes=["tissue"])
        assert regions.classes == {"background": 4, "tissue": 4}
        drawn = sum(area.area_px for area in regions.areas)
        for mpp, tolerance in ((8.0, 0.01), (3.2, 0.002)):
            tissue = st.draw_tissue(slide, regions, mpp=mpp)
            assert sum(part.area_px for part in tissue.pieces) == pytest.approx(
                drawn, rel=tolerance
            )
        shape = tissue.mask.shape
    picture = Image.new("1", shape[::-1])
    for feature in json.loads(path.read_text())["features"]:  # another library fills them too
        if feature["properties"]["classification"]["name"] == "tissue":
            picture.paste(1, mask=_filled(feature["geometry"]["coordinates"][0], shape))
    differing = np.asarray(picture) != tissue.mask
    assert differing.mean() < 0.005


def _filled(ring, shape):
    from PIL import ImageDraw

    canvas = Image.new("1", shape[::-1])
    ImageDraw.Draw(canvas).polygon([tuple(corner) for corner in ring], fill=1)
    return canvas

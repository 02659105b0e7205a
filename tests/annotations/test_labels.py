"""Labels: the classes of a file's areas and points, to the pixel, compared with exact geometry."""

import json

import numpy as np
import pytest
from labelled import box, feature, polygon, slide_of, write_labels
from shapely.geometry import box as cell
from shapely.geometry import shape
from shapely.ops import unary_union

import slidetile as st
from slidetile.annotations import labels as reading
from slidetile.raster.class_areas import MOST_CLASSES


@pytest.fixture(scope="module")
def slide():
    return slide_of()


def areas_of(drawn):
    areas = drawn.labels.areas
    return dict(zip(areas.names, areas.areas_px.tolist(), strict=True))


def test_shares_are_those_of_exact_geometry(slide, tmp_path):
    features = [
        polygon("tumor", box(10, 10, 200, 150), box(50, 50, 90, 90)),
        polygon("tumor", box(60, 60, 300, 100)),
        feature("tumor", "MultiPolygon", [[box(400, 10, 420, 30)], [box(410, 20, 600, 500)]]),
        polygon("stroma", box(0, 0, 640, 30)),
    ]
    file = write_labels(tmp_path / "s.geojson", *features)
    drawn = st.read_labels(file, slide)
    areas = drawn.labels.areas
    assert areas.names == ("stroma", "tumor")
    assert drawn.labels.shapes == (1, 4)
    corners = [(x, y) for x in range(0, 640, 64) for y in range(0, 512, 64)]
    regions = [st.Region(x=x, y=y, width=64, height=64) for x, y in corners]
    shares = areas.fractions(regions)
    for place, name in enumerate(areas.names):
        union = unary_union(
            [
                shape(each["geometry"])
                for each in features
                if each["properties"]["classification"]["name"] == name
            ]
        )
        cells = [cell(x, y, x + 64, y + 64) for x, y in corners]
        exact = [union.intersection(each).area / 64**2 for each in cells]
        assert shares[:, place].tolist() == exact


def test_points_and_the_middles_of_lines_are_counted(slide, tmp_path):
    file = write_labels(
        tmp_path / "s.geojson",
        feature("mitosis", "Point", [5.5, 6.9]),
        feature("mitosis", "MultiPoint", [[5, 6], [639.5, 511.5]]),
        feature("vessel", "LineString", [[0, 0], [10, 0], [10, 30]]),
        feature("vessel", "MultiLineString", [[[100, 0], [200, 0]], [[0, 100], [0, 101]]]),
    )
    areas = st.read_labels(file, slide).labels.areas
    assert [points.tolist() for points in areas.points] == [
        [[5, 6], [5, 6], [639, 511]],
        [[150, 0], [10, 10], [0, 100]],
    ]
    assert areas.counts([st.Region(x=0, y=0, width=100, height=100)]).tolist() == [[2, 1]]


def test_areas_are_rescaled_with_the_slide(tmp_path):
    file = write_labels(tmp_path / "s.geojson", polygon("a", box(20, 20, 120, 60)))
    with st.rescale_slide(slide_of(), mpp=1.0) as coarse:
        areas = st.read_labels(file, coarse).labels.areas
    assert areas.size == (320, 256)
    assert areas.rectangles[0].tolist() == [[10, 10, 60, 30]]


def test_imagescope_has_layers_for_classes_and_pins_for_points(slide, tmp_path):
    def region(kind, corners):
        vertices = "".join(f'<Vertex X="{x}" Y="{y}"/>' for x, y in corners)
        return f'<Region Type="{kind}"><Vertices>{vertices}</Vertices></Region>'

    file = tmp_path / "s.xml"
    file.write_text(
        '<Annotations><Annotation Name="tumor"><Regions>'
        + region(1, [(10, 10), (20, 30)])
        + region("pin", [(7, 8)])
        + "</Regions></Annotation></Annotations>"
    )
    drawn = st.read_labels(file, slide)
    assert areas_of(drawn) == {"tumor": 200}
    assert drawn.labels.areas.points[0].tolist() == [[7, 8]]


@pytest.fixture
def mask(tmp_path):
    numbers = np.zeros((64, 80), np.uint8)
    numbers[2:10, 3:20] = 1
    numbers[5:12, 30:40] = 2
    numbers[40:50, 0:80] = 7
    np.save(tmp_path / "s.npy", numbers)
    return tmp_path / "s.npy", numbers


def test_a_mask_has_a_class_for_each_number(slide, mask):
    file, numbers = mask
    drawn = st.read_labels(file, slide)
    full = numbers.repeat(8, axis=0).repeat(8, axis=1)
    assert areas_of(drawn) == {str(n): (full == n).sum() for n in (1, 2, 7)}
    assert drawn.labels.shapes == (1, 1, 1)
    for place, number in enumerate((1, 2, 7)):
        for left, top, right, bottom in drawn.labels.areas.rectangles[place]:
            assert (full[top:bottom, left:right] == number).all()


def test_values_name_the_numbers(slide, mask):
    file, numbers = mask
    drawn = st.read_labels(file, slide, values={"tumor": [1, 2], "other": [9]})
    assert areas_of(drawn) == {"other": 0, "tumor": 64 * np.isin(numbers, (1, 2)).sum()}
    assert drawn.labels.values == (("other", (9,)), ("tumor", (1, 2)))
    assert drawn.objects.areas.tolist() == [64 * 8 * 17, 64 * 7 * 10]


@pytest.mark.parametrize("dtype", [np.bool_, np.uint8, np.uint16, np.int64, np.uint64])
def test_a_mask_of_any_type_has_the_same_classes(slide, tmp_path, dtype):
    numbers = np.zeros((64, 80), dtype)
    numbers[2:10, 3:20] = 1
    numbers[10:12, 20:25] = 1
    values = {"a": (1,)}
    if dtype != np.bool_:
        far = min(np.iinfo(dtype).max, (1 << 63) - 1)
        numbers[30:33, 5:9] = far
        values["b"] = (int(far),)
    np.save(tmp_path / "s.npy", numbers)
    drawn = st.read_labels(tmp_path / "s.npy", slide, values=values)
    expected = {"a": 64 * (8 * 17 + 2 * 5), "b": 64 * 3 * 4}
    assert areas_of(drawn) == {name: expected[name] for name in values}
    assert drawn.labels.shapes[0] == 1  # which touch by a corner


@pytest.mark.parametrize("size", [(16, 20), (63, 79), (320, 400), (777, 971)])
def test_a_mask_of_any_scale_covers_pixels_whose_centre_it_holds(tmp_path, size):
    numbers = np.random.default_rng(0).integers(0, 2, size, np.uint8)
    np.save(tmp_path / "s.npy", numbers)
    areas = st.read_labels(tmp_path / "s.npy", slide_of(), origin="slide").labels.areas
    rows, columns = (
        np.floor((np.arange(length) + 0.5) * (count / length)).astype(int)
        for count, length in zip(size, (512, 640), strict=True)
    )
    found = np.zeros((512, 640), bool)
    for left, top, right, bottom in areas.rectangles[0]:
        assert not found[top:bottom, left:right].any()
        found[top:bottom, left:right] = True
    assert np.array_equal(found, numbers[np.ix_(rows, columns)] > 0)


@pytest.mark.parametrize(
    ("features", "message"),
    [
        ([], "it names no class of anything that was drawn"),
        ([polygon(None, box(0, 0, 9, 9))], "names no class .*; it holds 1 object without a class"),
        ([polygon("a*", box(0, 0, 9, 9))], r"names no class .*; it holds 1 area of the class a\*"),
        ([polygon("a", box(900, 900, 990, 990))], "all its 1 areas are outside the slide"),
        ([feature("a", "Point", [-5, 5])], "1 of its 1 points are outside the slide"),
        ([polygon("a" * 201, box(0, 0, 9, 9))], "has 201 characters, but at most 200"),
        ([polygon("a\ud800", box(0, 0, 9, 9))], r"its class 'a\\ud800' has half a character"),
    ],
)
def test_what_says_nothing_of_the_slide_is_refused(slide, tmp_path, features, message):
    file = write_labels(tmp_path / "s.geojson", *features)
    with pytest.raises(st.AnnotationError, match=f"^s.geojson cannot be used: .*{message}"):
        st.read_labels(file, slide)


def test_ten_thousand_classes_are_too_many(slide, tmp_path):
    many = [polygon(f"c{n}", box(0, 0, 9, 9)) for n in range(10_000)]
    with pytest.raises(st.AnnotationError, match=f"10,000 classes .*at most {MOST_CLASSES}"):
        st.read_labels(write_labels(tmp_path / "s.geojson", *many), slide)


def test_masks_that_do_not_fit_are_refused(slide, tmp_path, mask):
    file, numbers = mask
    np.save(tmp_path / "turned.npy", numbers.T)
    with pytest.raises(st.AnnotationError, match="64×80 pixels do not have the proportions"):
        st.read_labels(tmp_path / "turned.npy", slide)
    np.save(tmp_path / "none.npy", numbers * 0)
    with pytest.raises(st.AnnotationError, match="a mask of zeros"):
        st.read_labels(tmp_path / "none.npy", slide)
    with pytest.raises(st.AnnotationError, match="none of its numbers is among the values 3"):
        st.read_labels(file, slide, values={"a": [3]})
    outlines = write_labels(tmp_path / "s.geojson", polygon("a", box(0, 0, 9, 9)))
    with pytest.raises(st.AnnotationError, match="are of a mask's numbers"):
        st.read_labels(outlines, slide, values={"a": [3]})
    ids = np.arange(64 * 80).reshape(64, 80)
    np.save(tmp_path / "ids.npy", ids)
    with pytest.raises(st.AnnotationError, match=r"5,119 different numbers, .*--label-values"):
        st.read_labels(tmp_path / "ids.npy", slide)


def test_more_rectangles_than_a_store_holds_are_refused(slide, tmp_path, monkeypatch):
    monkeypatch.setattr("slidetile.raster.filling.LARGEST_RECTANGLE_COUNT", 1)
    file = write_labels(
        tmp_path / "s.geojson", polygon("a", box(0, 0, 9, 9)), polygon("b", box(0, 0, 9, 9))
    )
    with pytest.raises(st.AnnotationError, match=r"cannot be filled: .* more than 1 rectangles"):
        reading.read_labels(file, slide)


def test_a_spec_is_checked_at_birth(tmp_path):
    spec = st.LabelsSpec(path=tmp_path, values={"b": [2, 1], "a": (3,)})
    assert spec.values == (("a", (3,)), ("b", (1, 2)))
    assert st.LabelsSpec(path=tmp_path, values=spec.values) == spec
    for values, message in [
        ({"a": []}, "give a name and some"),
        ({"": [1]}, "give a name and some"),
        ({"a": [0]}, "they begin at 1"),
        ({"a": [1], "b": [1]}, "give it to one"),
    ]:
        with pytest.raises(ValueError, match=message):
            st.LabelsSpec(path=tmp_path, values=values)
    with pytest.raises(st.AnnotationError, match=r"holds no labels for s\.svs"):
        spec.file_for(slide_of(64, 64))


def test_what_is_left_of_a_line_of_one_point(slide, tmp_path):
    odd = json.loads('[{"type": "LineString", "coordinates": [[3, 4]]}]')
    file = write_labels(tmp_path / "s.geojson", feature("a", "LineString", odd[0]["coordinates"]))
    assert st.read_labels(file, slide).labels.areas.points[0].tolist() == [[3, 4]]

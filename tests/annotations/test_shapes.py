"""Areas as a file has them: corners checked, classes counted, limits kept."""

import numpy as np
import pytest

import slidetile as st
from slidetile.annotations import _shapes
from slidetile.annotations._shapes import FileShapes, numbers

TRIANGLE = np.array([(0, 0), (4, 0), (0, 3)], float)


def test_a_ring_is_not_closed_and_has_two_numbers_a_corner():
    closed = [[0, 0, 9], [4, 0, 9], [0, 3, 9], [0, 0, 9]]
    np.testing.assert_array_equal(FileShapes().ring(closed, "here"), TRIANGLE)


@pytest.mark.parametrize("corners", [[], [[]], [[1, 2]], [[1, 2], [3, 4], [1, 2]]])
def test_what_encloses_nothing_is_no_ring(corners):
    assert FileShapes().ring(corners, "here") is None


@pytest.mark.parametrize(
    ("corners", "message"),
    [
        (
            [[1, 2], [3, None]],
            r"here is not a list of corners \(x, y\): it has \[3, None\]; export",
        ),
        ([["1", "2"], [3, 4]], r"it has \['1', '2'\]"),
        ([[1, 2], [3]], r"it has \[3\]"),
        ([1, 2], "it has 1"),
        ([[True, False]] * 3, r"it has \[True, False\]"),
        ("text", "it has 'text'"),
        ([[1, 2], [3, float("nan")]], "here has the coordinate nan, which is not a number up to"),
        ([[1, 2], [3, -2e9]], r"the coordinate -2e\+09, .* correct it, or export"),
        ([[1, 2], [3, 10**400]], "not a list of corners|coordinate"),
    ],
)
def test_what_is_no_corner_is_named(corners, message):
    with pytest.raises(st.AnnotationError, match=message):
        numbers(corners, "here")


def test_classes_are_counted_and_those_not_wanted_are_left():
    shapes = FileShapes()
    assert [shapes.takes(name) for name in ("Tumor", "", "Ignore*")] == [True, True, False]
    assert shapes.classes == {"Tumor": 1, "(no class)": 1, "Ignore*": 1}
    assert shapes.left_out == {"areas of the class Ignore*": 1}
    shapes = FileShapes(wanted={"Ignore*", "(no class)"})
    assert [shapes.takes(name) for name in ("Tumor", "", "Ignore*")] == [False, True, True]
    assert not shapes.left_out


def test_limits_hold_before_more_is_kept(monkeypatch):
    for name, most in (("CORNER", 8), ("RING", 2), ("SHAPE", 2)):
        with monkeypatch.context() as limits:
            limits.setattr(_shapes, f"LARGEST_{name}_COUNT", most)
            shapes = FileShapes()
            shapes.add("", [TRIANGLE], unit=None)
            shapes.add("", [TRIANGLE], unit=None)
            with pytest.raises(st.AnnotationError, match=f"more than {most} "):
                shapes.add("", [TRIANGLE], unit=None)
            assert len(shapes.shapes) == 2


def test_corners_of_the_area_being_read_count_until_the_next_begins(monkeypatch):
    monkeypatch.setattr(_shapes, "LARGEST_CORNER_COUNT", 8)
    shapes = FileShapes()
    shapes.add("", [TRIANGLE], unit=None)
    for _ in range(9):
        shapes.forget()
        shapes.count(5)
    with pytest.raises(st.AnnotationError, match="more than 8 corners"):
        shapes.count(1)

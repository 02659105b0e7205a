"""Tiles chosen by class: by the share of a class, never losing what is too small for it."""

import logging

import numpy as np
import pytest
from labelled import box, feature, polygon, slide_of, write_labels

import slidetile as st
from slidetile.planning.subset import balanced

GLASS = (384, 0, 640, 512)


@pytest.fixture(scope="module")
def slide():
    return slide_of(glass=[GLASS])


@pytest.fixture(scope="module")
def tissue(slide):
    return st.find_tissue(slide)


@pytest.fixture
def plan(slide, tissue, tmp_path):
    def planned(*features, **options):
        file = write_labels(tmp_path / "s.geojson", *features)
        spec = st.TileSpec(size=128, **options)
        return st.plan_tiles(slide, tissue, spec, labels=st.read_labels(file, slide))

    return planned


def cells(plan):
    return list(zip(plan.columns.tolist(), plan.rows.tolist(), strict=True))


def test_labels_change_no_tile_by_themselves(slide, tissue, plan):
    found = plan(polygon("tumor", box(0, 0, 200, 200)))
    bare = st.plan_tiles(slide, tissue, st.TileSpec(size=128))
    assert cells(found) == cells(bare)
    assert found.class_fractions[:2, 0].tolist() == [1, (72 * 128) / 128**2]
    assert bare.class_fractions is None
    assert found != bare


def test_only_tiles_with_enough_of_a_class_are_kept_and_the_others_told(plan):
    found = plan(polygon("tumor", box(0, 0, 192, 128)), min_class_fractions={"tumor": 0.5})
    assert cells(found) == [(0, 0), (1, 0)]
    (told,) = (each for each in found.left_out if each.option == "min_class_fraction")
    assert (told.count, told.of, told.flag) == (10, 12, "--min-class-fraction")
    less = plan(polygon("tumor", box(0, 0, 191, 128)), min_class_fractions={"tumor": 0.5})
    assert cells(less) == [(0, 0)]


def test_of_several_classes_one_is_enough(plan):
    drawn = polygon("a", box(0, 0, 128, 128)), polygon("b", box(128, 128, 256, 256))
    assert cells(plan(*drawn, min_class_fractions={"a": 1, "b": 1})) == [(0, 0), (1, 1)]


@pytest.mark.parametrize("corner", [(130, 130), (500, 300)], ids=["tissue", "glass"])
def test_an_area_too_small_for_any_tile_keeps_the_one_with_most_of_it(plan, corner):
    x, y = corner
    large = polygon("mitosis", box(0, 0, 128, 128))
    small = polygon("mitosis", box(x, y, x + 20, y + 20))
    found = plan(large, small, min_class_fractions={"mitosis": 0.5})
    assert cells(found) == [(0, 0), (x // 128, y // 128)]


def test_an_area_that_a_tile_could_hold_enough_of_is_not_small(plan):
    half = polygon("a", box(64, 64, 192, 128)), polygon("a", box(0, 256, 128, 384))
    assert cells(plan(*half, min_class_fractions={"a": 0.5})) == [(0, 2)]
    less = polygon("a", box(64, 65, 192, 128)), polygon("a", box(0, 256, 128, 384))
    assert cells(plan(*less, min_class_fractions={"a": 0.5})) == [(0, 0), (0, 2)]


def test_points_keep_their_tile_against_every_minimum(plan):
    found = plan(
        polygon("a", box(0, 0, 128, 128)),
        feature("a", "Point", [600, 500]),
        feature("b", "Point", [600, 10]),
        min_class_fractions={"a": 0.5},
    )
    assert cells(found) == [(0, 0), (4, 3)]
    assert found.tissue_fractions[1] == 0
    without = plan(polygon("a", box(0, 0, 128, 128)), feature("b", "Point", [600, 10]))
    assert (4, 0) in cells(without)
    assert len(without) == 13


def test_small_areas_on_glass_are_kept_by_the_tissues_minimum(plan):
    spot = polygon("a", box(500, 300, 520, 320))
    assert (3, 2) in cells(plan(spot))
    large = polygon("a", box(500, 300, 620, 420))
    assert (3, 2) not in cells(plan(large))


def test_an_unknown_class_is_told_with_those_there_are(plan):
    with pytest.raises(st.AnnotationError, match=r"no class 'x', .*; it has 'a', 'b'\."):
        plan(
            polygon("b", box(0, 0, 9, 9)),
            polygon("a", box(0, 0, 9, 9)),
            min_class_fractions={"x": 1},
        )


def test_a_class_that_no_tile_has_is_refused_only_where_it_is_asked_for(plan):
    outside = polygon("a", box(400, 0, 640, 512))
    assert len(plan(outside)) == 12
    with pytest.raises(st.AnnotationError, match=r"no tile with enough tissue has any of .* 'a'"):
        plan(outside, min_class_fractions={"a": 0.5})


def test_options_of_classes_need_labels(slide, tissue):
    with pytest.raises(ValueError, match="give labels, too"):
        st.plan_tiles(slide, tissue, st.TileSpec(min_class_fractions={"a": 0.5}))
    for options, message in [
        ({"min_class_fractions": {"a": 50}}, "Is it given in percent"),
        ({"balance": "class"}, "sample is not given"),
        ({"balance": "slide", "sample": 1}, "balance must be class"),
    ]:
        with pytest.raises(ValueError, match=message):
            st.TileSpec(**options)


def test_a_balanced_sample_has_as_many_of_each_class(plan, caplog):
    drawn = polygon("a", box(0, 0, 384, 256)), polygon("b", box(0, 256, 384, 512))
    found = plan(*drawn, sample=6, balance="class", seed=3)
    classes = found.labels.areas.winning(found.class_fractions)
    assert np.bincount(classes).tolist() == [3, 3]
    assert cells(found) == cells(plan(*drawn, sample=6, balance="class", seed=3))
    assert cells(found) != cells(plan(*drawn, sample=6, balance="class", seed=4))
    few = polygon("a", box(0, 0, 384, 256)), polygon("b", box(0, 256, 100, 384))
    with caplog.at_level(logging.INFO):
        found = plan(*few, sample=8, balance="class")
    assert np.bincount(found.labels.areas.winning(found.class_fractions)).tolist() == [4, 1]
    assert "of each class are drawn: a 4, b 1." in caplog.text
    assert "of the class b there are fewer tiles than the 4 of a balanced sample" in caplog.text
    (told,) = (each for each in found.left_out if each.option == "balance")
    assert told.count == 5


def test_shares_of_a_balanced_sample_differ_by_one_at_most():
    columns, rows = (places.ravel() for places in np.indices((10, 10)))
    classes = np.arange(100) % 4 - 1
    chosen = balanced(columns, rows, classes, 11, 0)
    assert chosen.tolist() == sorted(chosen)
    assert np.bincount(classes[chosen] + 1).tolist() == [0, 4, 4, 3]

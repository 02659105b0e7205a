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


def test_an_area_over_the_corner_of_several_tiles_keeps_the_one_with_most_of_it(plan):
    elsewhere = polygon("a", box(0, 256, 128, 384))
    less = polygon("a", box(64, 65, 192, 128))
    assert cells(plan(less, elsewhere, min_class_fractions={"a": 0.5})) == [(0, 0), (0, 2)]
    enough = polygon("a", box(64, 64, 192, 128))
    assert cells(plan(enough, elsewhere, min_class_fractions={"a": 0.5})) == [(0, 0), (0, 2)]
    more = polygon("a", box(60, 60, 200, 200))  # larger than a tile, and no tile has half
    assert cells(plan(more, elsewhere, min_class_fractions={"a": 0.5})) == [(1, 1), (0, 2)]


def test_a_thin_area_of_any_length_keeps_the_tile_with_most_of_it(plan):
    ribbon = polygon("a", box(0, 100, 300, 110))
    assert cells(plan(ribbon, min_class_fractions={"a": 0.5})) == [(0, 0)]


def test_an_area_of_which_a_tile_holds_enough_keeps_no_other(plan):
    drawn = polygon("a", box(0, 0, 140, 140))
    assert cells(plan(drawn, min_class_fractions={"a": 0.9})) == [(0, 0)]


def test_an_area_is_not_held_by_a_tile_that_others_fill(plan):
    others = [polygon("a", box(x, 0, x + 40, 100)) for x in (0, 45, 90)]
    corner = polygon("a", box(120, 110, 180, 140))
    found = plan(*others, corner, min_class_fractions={"a": 0.6})
    assert found.class_fractions[0, 0] > 0.6
    assert cells(found) == [(0, 0), (1, 0)]


@pytest.mark.parametrize("edge", ["keep", "drop", "shift"])
def test_no_area_on_tissue_is_lost_whatever_its_form(tmp_path, edge):
    rng = np.random.default_rng(7)
    slide = slide_of(610, 530, glass=[GLASS])
    drawn = []
    for number in range(60):
        centre, reach = rng.uniform(0, (610, 530)), rng.choice([3, 20, 60, 200])
        ring = centre + rng.uniform(-reach, reach, (7, 2))
        drawn.append(polygon("ab"[number % 2], [*ring.tolist(), ring[0].tolist()]))
    labels = st.read_labels(write_labels(tmp_path / "s.geojson", *drawn), slide)
    spec = st.TileSpec(size=64, edge=edge, min_class_fractions={"a": 0.4, "b": 0.9})
    tissue = st.find_tissue(slide)
    plan = st.plan_tiles(slide, tissue, spec, labels=labels)
    bare = st.plan_tiles(slide, tissue, st.TileSpec(size=64, edge=edge))
    enough, kept = set(cells(bare)), set()
    alone = labels.objects
    lost = {"labelled areas": 0, "labelled areas and points": 0}
    for number, share in enumerate(np.array([0.4, 0.9])[alone.class_of]):
        runs, _ = alone.runs(np.array([number]))
        mask = np.zeros((530, 610), bool)
        for left, top, right, bottom in runs:
            mask[top:bottom, left:right] = True
        has = {}
        for column, row in np.ndindex(plan.grid_size):
            cell = plan.grid.inside(plan.grid.region(column, row))
            if pixels := int(mask[cell.slices].sum()):
                has[column, row] = (pixels, pixels / (cell.width * cell.height))
        with_tissue = has.keys() & enough
        if any(has[cell][1] >= share for cell in with_tissue) or not mask.any():
            continue
        if not has:
            lost["labelled areas and points"] += 1
        elif with_tissue or mask.sum() < 64**2:
            kept.add(min(has, key=lambda cell: (-has[cell][0], cell[1], cell[0])))
        else:
            lost["labelled areas"] += 1
    shares = dict(zip(cells(bare), labels.labels.areas.fractions(bare.regions), strict=True))
    full = {cell for cell, each in shares.items() if (each >= [0.4, 0.9]).any()}
    assert set(cells(plan)) == full | kept
    assert kept - full
    reasons = ("too little tissue", "behind the last tile")
    kinds = (each for each in plan.left_out if each.what in lost and each.reason in reasons)
    told = {each.what: each.count for each in kinds}
    assert told == {what: count for what, count in lost.items() if count}


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


def test_areas_on_glass_are_kept_as_long_as_they_are_smaller_than_a_tile(plan, caplog):
    assert (3, 2) in cells(plan(polygon("a", box(500, 300, 520, 320))))
    assert (4, 2) in cells(plan(polygon("a", box(515, 259, 639, 383))))
    large = plan(polygon("a", box(512, 256, 640, 384)))
    assert (4, 2) not in cells(large)
    (told,) = (each for each in large.left_out if each.what == "labelled areas")
    assert (told.count, told.of, told.reason) == (1, 1, "too little tissue")
    assert not caplog.records
    mine = polygon("a", box(0, 0, 128, 128))
    plan(polygon("a", box(512, 256, 640, 384)), mine, min_class_fractions={"a": 0.5})
    assert "labelled areas that got no tile, as theirs hold less tissue" in caplog.text


def test_what_is_behind_the_last_whole_tile_is_told(tmp_path, caplog):
    slide = slide_of(600, 512)
    file = write_labels(
        tmp_path / "s.geojson",
        polygon("a", box(0, 0, 128, 128)),
        polygon("a", box(550, 10, 560, 20)),
        feature("a", "Point", [590, 10]),
    )
    spec = st.TileSpec(size=128, edge="drop", min_class_fractions={"a": 0.5})
    found = st.plan_tiles(slide, st.find_tissue(slide), spec, labels=st.read_labels(file, slide))
    assert cells(found) == [(0, 0)]
    assert "labelled areas and points that got no tile, as they lie behind the last" in caplog.text
    (told,) = (each for each in found.left_out if each.what == "labelled areas and points")
    assert (told.count, told.of, told.flag) == (2, 3, "--edge")


def test_areas_without_a_pixel_are_told(plan):
    tiny = polygon("a", box(10.6, 10.6, 10.9, 10.9))
    found = plan(polygon("a", box(0, 0, 128, 128)), tiny, min_class_fractions={"a": 0.5})
    (told,) = (each for each in found.left_out if each.reason == "without a pixel")
    assert (told.count, told.of, told.is_notable) == (1, 2, True)


def test_the_shares_of_a_plan_are_those_of_its_tiles(plan):
    drawn = polygon("a", box(0, 0, 384, 256)), polygon("b", box(500, 300, 520, 320))
    for options in ({}, {"min_class_fractions": {"a": 0.5}}, {"sample": 4, "balance": "class"}):
        found = plan(*drawn, **options)
        expected = found.labels.areas.fractions(found.regions)
        assert np.array_equal(found.class_fractions, expected)
        assert not found.class_fractions.flags.writeable


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
        ({"balance": "class"}, "--balance needs --sample N"),
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
    told = "of the 8 tiles of a balanced sample there are 5: b has 1 of its 4. The other classes"
    assert told in caplog.text
    assert "takes no share" not in caplog.text
    (told,) = (each for each in found.left_out if each.option == "balance")
    assert told.count == 5


def test_a_class_that_is_largest_nowhere_takes_no_share_of_a_balanced_sample(plan, caplog):
    drawn = polygon("a", box(0, 0, 384, 256)), polygon("b", box(0, 256, 384, 512))
    small = polygon("c", box(10, 10, 20, 20)), polygon("d", box(10, 300, 20, 310))
    found = plan(*drawn, *small, sample=5, balance="class")
    classes = found.labels.areas.winning(found.class_fractions)
    assert np.bincount(classes).tolist() == [3, 2]
    told = "in no tile the class c or d is the largest, so it takes no share of the 5 tiles of"
    assert told in caplog.text
    assert "there are 5" not in caplog.text


def test_shares_of_a_balanced_sample_differ_by_one_at_most():
    columns, rows = (places.ravel() for places in np.indices((10, 10)))
    classes = np.arange(100) % 4 - 1
    chosen = balanced(columns, rows, classes, 11, 0)
    assert chosen.tolist() == sorted(chosen)
    assert np.bincount(classes[chosen] + 1).tolist() == [0, 4, 4, 3]

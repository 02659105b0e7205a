"""Drawn regions in plans and stores: by the API, the command line, in batches and when resuming."""

import json
import shutil

import numpy as np
import pytest
from batches import tile_here

import slidetile as st
from slidetile.annotations.tissue import DETECTOR
from slidetile.cohort.job import MADE_ANEW
from slidetile.recipe.comparing import matches

LEFT = [[0, 0], [1920, 0], [1920, 2560], [0, 2560], [0, 0]]


def write_left(path, right=1920, name="Left"):
    ring = [[min(x, right), y] for x, y in LEFT]
    geometry = {"type": "Polygon", "coordinates": [ring]}
    properties = {"classification": {"name": name}}
    feature = {"type": "Feature", "geometry": geometry, "properties": properties}
    path.write_text(json.dumps({"type": "FeatureCollection", "features": [feature]}))
    return path


@pytest.fixture
def left(tmp_path):
    """The left half of the sample."""
    return write_left(tmp_path / "left half.geojson")


@pytest.fixture(scope="module")
def found(sample):
    with st.open_slide(sample) as slide:
        return st.find_tissue(slide)


def test_modes_are_what_they_say(sample, left, found):
    half = np.zeros(found.mask.shape, bool)
    half[:, :240] = True
    expected = {"replace": half, "intersect": found.mask & half, "exclude": found.mask & ~half}
    with st.open_slide(sample) as slide:
        for mode, mask in expected.items():
            recipe = st.Recipe(annotations=st.AnnotationsSpec(path=left, mode=mode))
            tissue = recipe.tissue(slide)
            np.testing.assert_array_equal(tissue.mask, mask)
            (told,) = tissue.parameters["regions"]
            assert (told["mode"], told["classes"], len(told["sha256"])) == (mode, [], 64)
            detector = found.parameters["detector"] if mode != "replace" else DETECTOR
            assert tissue.parameters["detector"] == detector
            regions = st.read_annotations(left, slide)
            by_hand = (
                st.draw_tissue(slide, regions)
                if mode == "replace"
                else st.cut_tissue(found, regions, mode=mode)
            )
            assert by_hand == tissue


def test_regions_follow_each_other(sample, left, tmp_path):
    upper = [[0, 0], [3840, 0], [3840, 1280], [0, 1280]]
    (tmp_path / "upper.json").write_text(json.dumps({"type": "Polygon", "coordinates": [upper]}))
    with st.open_slide(sample) as slide:
        regions = [st.read_annotations(path, slide) for path in (left, tmp_path / "upper.json")]
        tissue = st.cut_tissue(st.draw_tissue(slide, regions[0]), regions[1], mode="exclude")
        store = st.write_tiles(slide, st.plan_tiles(slide, tissue), tmp_path / "both.zarr")
    assert tissue.mask[160:, :240].all()
    assert tissue.mask.sum() == 160 * 240
    assert [told["mode"] for told in tissue.parameters["regions"]] == ["replace", "exclude"]
    assert st.verify_store(store.path) == ()


@pytest.fixture
def recipe(left):
    return st.Recipe(annotations=st.AnnotationsSpec(path=left, mode="intersect", classes=["Left"]))


def test_a_store_says_how_it_was_made_but_no_names(sample, left, recipe, tmp_path):
    store = st.tile_slide(
        sample, tmp_path / "x.zarr", recipe, options=st.WriteOptions(anonymous=True)
    )
    (told,) = store.attributes["parameters"]["tissue"]["regions"]
    assert told == {
        "mode": "intersect",
        "sha256": told["sha256"],
        "classes": ["Left"],
        "unit": "auto",
        "origin": "auto",
    }
    assert b"left half" not in (store.path / "zarr.json").read_bytes()
    assert st.verify_store(store.path) == ()
    with st.open_slide(sample) as slide:
        assert matches(recipe, store, slide)
        assert not matches(st.Recipe(), store, slide)
        for other in (
            {"mode": "exclude", "classes": ["Left"]},
            {"mode": "intersect"},
            {"mode": "intersect", "classes": ["Left"], "unit": "px"},
            {"mode": "intersect", "classes": ["Left"], "origin": "slide"},
            {"mode": "replace", "classes": ["Left"]},
        ):
            changed = st.Recipe(annotations=st.AnnotationsSpec(path=left, **other))
            assert not matches(changed, store, slide)
        write_left(left, right=1919)
        assert not matches(recipe, store, slide)


def test_a_store_of_replaced_tissue_knows_its_resolution(sample, left, tmp_path):
    spec = st.AnnotationsSpec(path=left)
    store = st.tile_slide(sample, tmp_path / "x.zarr", st.Recipe(annotations=spec))
    with st.open_slide(sample) as slide:
        assert matches(st.Recipe(annotations=spec, detector=st.OtsuDetector()), store, slide)
        assert not matches(st.Recipe(annotations=spec, tissue_mpp=4.0), store, slide)
        assert not matches(st.Recipe(), store, slide)


def test_an_unfinished_store_is_not_continued_with_other_regions(sample, left, recipe, tmp_path):
    path = tmp_path / "x.zarr"

    def stop(progress):
        if progress.shards_done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        st.tile_slide(sample, path, recipe, on_progress=stop)
    write_left(left, right=1500)
    with pytest.raises(st.StoreMismatchError, match=r"settings"):
        st.tile_slide(sample, path, recipe)
    write_left(left)
    assert st.verify_store(st.tile_slide(sample, path, recipe).path) == ()


@pytest.mark.parametrize(
    "change",
    [
        {"mode": "add"},
        {"mode": "replace"},
        {"sha256": "0" * 63},
        {"classes": ["b", "a"]},
        {"unit": "mm"},
        {"path": "/home/someone/left.geojson"},
    ],
)
def test_verify_does_not_believe_regions_no_writer_tells(sample, recipe, tmp_path, change):
    path = st.tile_slide(sample, tmp_path / "x.zarr", recipe).path
    root = json.loads((path / "zarr.json").read_text())
    root["attributes"]["slidetile"]["parameters"]["tissue"]["regions"][0].update(change)
    (path / "zarr.json").write_text(json.dumps(root))
    findings = [finding.what for finding in st.verify_store(path) if finding.path == "zarr.json"]
    assert any("parameters.tissue" in what or "must be one of" in what for what in findings), (
        findings
    )


def test_a_folder_holds_a_file_for_each_slide(sample, tmp_path):
    slides, drawn = tmp_path / "slides", tmp_path / "drawn"
    slides.mkdir()
    drawn.mkdir()
    for name in ("one", "two", "three", "four"):
        shutil.copy(sample, slides / f"{name}.svs")
    write_left(drawn / "one.geojson")
    write_left(drawn / "two.svs.json", right=1000)
    (drawn / "three.xml").write_text("<Annotations/>")
    spec = st.AnnotationsSpec(path=drawn)
    for _ in range(2):
        report = tile_here([slides], tmp_path / "out", st.Recipe(annotations=spec))
        rows = {row.slide.rsplit("/", 1)[-1]: row for row in report.results}
        assert "three.xml holds no areas" in rows["three.svs"].reason
        assert (
            "drawn holds no annotations for four.svs: add four.geojson" in rows["four.svs"].reason
        )
        done = {rows["one.svs"].status, rows["two.svs"].status}
    assert done == {"already done"}
    write_left(drawn / "two.svs.json", right=1500)
    (drawn / "one.png").write_bytes(b"")
    report = tile_here([slides], tmp_path / "out", st.Recipe(annotations=spec))
    reasons = {row.slide.rsplit("/", 1)[-1]: row.reason for row in report.failed}
    (two,) = [row for row in report.results if row.slide.endswith("two.svs")]
    assert (two.status, two.note) == ("ok", MADE_ANEW)
    assert "several files for one.svs, one.geojson, one.png: keep one" in reasons["one.svs"]


def test_on_the_command_line(cli, sample, left, tmp_path):
    out = tmp_path / "x.zarr"
    options = (
        "--annotations",
        left,
        "--annotations-mode",
        "intersect",
        "--annotations-class",
        "Left",
    )
    result = cli("tile", sample, "-o", out, *options, "--json")
    assert result.exit_code == 0, result.stderr
    (told,) = st.open_store(out).attributes["parameters"]["tissue"]["regions"]
    assert (told["mode"], told["classes"]) == ("intersect", ["Left"])
    again = cli(
        "batch", sample, "-o", tmp_path / "out", *options, "--annotations-unit", "px", "--json"
    )
    assert [row["status"] for row in json.loads(again.stdout)["slides"]] == ["ok"]
    bad = cli("plan", sample, "--annotations", left, "--annotations-class", "Right")
    assert bad.exit_code == 1
    assert "no area of the class Right; its classes are Left (1)." in bad.stderr
    missing = cli("plan", sample, "--annotations-class", "Left")
    assert missing.exit_code == 2
    assert "--annotations FILE, which is not given" in missing.stderr
    none = cli("plan", sample, "--annotations", tmp_path / "none.geojson")
    assert none.exit_code == 1
    assert "none.geojson cannot be read: No such file" in none.stderr

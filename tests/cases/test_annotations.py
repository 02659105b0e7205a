"""Reports of annotation files: odd GeoJSON, ImageScope, HALO, masks, cores and mitoses."""

import math

import pytest
from cases.judging import sentence
from cases.origins import SLOW_SCRIPT
from paths import ROOT

import slidetile as st

pytestmark = pytest.mark.slow

SIZE = (3072, 2048)
MASK_PX = 32
"""Level-0 pixels a pixel of the mask, at 8 µm on 0.25 µm."""
SQUARE = (300, 300, 1200, 1200)
REMEDY = (
    r"[:;,.] (export|save|write|unpack|unzip|gunzip|decompress|correct|remove|give|draw|copy|open)"
    r"\b"
)


def share(area_px):
    """Return an area's share of the slide."""
    return area_px / math.prod(SIZE)


def planned_with(plan, folder, name, *options):
    return plan(folder / "s.svs", "--annotations", folder / name, *options)


def assert_one_box(planned, box):
    assert planned.exit_code == 0, planned.stderr
    assert planned.facts["tissue_pieces"] == 1
    assert planned.boxes == [pytest.approx(box, abs=MASK_PX)]


def test_05_a_class_as_json_text_is_a_class(made, plan):
    folder = made("05-geojson-geopandas")
    planned = planned_with(plan, folder, "gpd.geojson", "--annotations-class", "Tumor")
    assert_one_box(planned, SQUARE)
    assert planned.tiles == {(0, 0), (1, 0), (0, 1)}  # of the fourth it covers 3 %
    assert not planned.stderr
    with st.open_slide(folder / "s.svs") as slide:
        drawn = st.read_annotations(folder / "gpd.geojson", slide)
    assert drawn.classes == {"Stroma": 1, "Tumor": 1}
    assert {area.class_name for area in drawn.areas} == {"Stroma", "Tumor"}


@pytest.mark.parametrize(
    "name",
    ["null-class", "no-properties", "properties-null", "z", "open-ring", "nested", "bom"],
)
def test_06_geojson_of_usual_oddness_is_read(made, plan, name):
    planned = planned_with(plan, made("06-geojson-odd"), f"{name}.geojson")
    assert_one_box(planned, SQUARE)
    assert not planned.stderr


@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("geometry-null", "geometry"),
        ("empty-polygon", "corners"),
        ("empty-ring", "corners"),
        ("two-corners", "corners"),
        ("collection", "line"),
        ("hierarchy", "child"),
    ],
)
def test_06_what_is_left_out_of_geojson_is_counted(made, plan, name, what):
    planned = planned_with(plan, made("06-geojson-odd"), f"{name}.geojson")
    assert_one_box(planned, SQUARE)
    sentence(planned.stderr, rf"\b1\b.*{what}")


def test_06_what_lies_outside_is_cut_off(made, plan):
    planned = planned_with(plan, made("06-geojson-odd"), "outside-part.geojson")
    assert_one_box(planned, (0, 0, 1200, 1200))
    sentence(planned.stderr, r"\(-500, -500\)", r"\(1200, 1200\)", "3072×2048", "outside")


@pytest.mark.parametrize(
    ("name", "place"),
    [
        ("strings.geojson", "feature 1"),
        ("nan.geojson", "feature 1"),
        ("NaN.geojson", "feature 1"),
        ("truncated.geojson", "feature 1"),
        ("latin1.geojson", r"feature 1|byte \d"),
        ("utf16.geojson", r"UTF-16|byte \d"),
        ("qupath.zip", r"\bzip\b"),
        ("s.geojson.gz", r"\bgzip\b"),
    ],
)
def test_06_geojson_is_read_or_the_error_says_where_and_what_to_do(made, plan, name, place):
    planned = planned_with(plan, made("06-geojson-odd"), name)
    if planned.exit_code == 0:
        assert_one_box(planned, SQUARE)
        return
    assert planned.exit_code == 1
    sentence(planned.stderr, "^error: ", name, place, REMEDY)
    assert planned.stderr.count("\n") == 1


@pytest.mark.parametrize("name", ["rev", "same"])
def test_07_holes_and_an_island_in_one(made, run, tmp_path, name):
    folder, out = made("07-geojson-holes"), tmp_path / "a.zarr"
    options = ("--tile-size", 256, "--min-tissue-fraction", 0.9)
    drawn = folder / f"{name}.geojson"
    ended = run("tile", folder / "s.svs", "--annotations", drawn, "-o", out, *options)
    assert ended.exit_code == 0, ended.stderr
    table = st.open_store(out).tiles
    cells = set(zip(table["column"].to_pylist(), table["row"].to_pylist(), strict=True))
    whole, hole, island = (
        {(column, row) for column in range(low, high) for row in range(low, high)}
        for low, high in ((1, 7), (2, 6), (3, 5))
    )
    assert cells == (whole - hole) | island
    assert len(cells) == 24


def test_08_an_ellipse_of_two_corners(made, plan):
    planned = planned_with(plan, made("08-imagescope"), "ellipse.xml")
    assert_one_box(planned, (400, 400, 1400, 1000))
    area = math.pi / 4 * 1000 * 600
    assert planned.facts["tissue_fraction"] == pytest.approx(share(area), rel=0.02)
    assert not planned.stderr


@pytest.mark.parametrize(
    ("name", "hole_px"), [("negative-first", 512**2), ("utf16", 0), ("exponent", 0)]
)
def test_08_a_square_and_its_hole(made, plan, name, hole_px):
    planned = planned_with(plan, made("08-imagescope"), f"{name}.xml")
    assert_one_box(planned, (256, 256, 1280, 1280))
    assert planned.facts["tissue_fraction"] == pytest.approx(share(1024**2 - hole_px))
    assert not planned.stderr


@pytest.mark.parametrize(
    ("name", "box"),
    [
        ("negative-other-layer", (256, 256, 1280, 1280)),
        ("negative-outside", (256, 256, 768, 768)),
    ],
)
def test_08_a_negative_region_that_cuts_nothing_is_told(made, plan, name, box):
    planned = planned_with(plan, made("08-imagescope"), f"{name}.xml")
    assert_one_box(planned, box)
    area = (box[2] - box[0]) * (box[3] - box[1])
    assert planned.facts["tissue_fraction"] == pytest.approx(share(area))
    sentence(planned.stderr, rf"{name}\.xml", r"\b1 negative region")


def test_08_a_negative_region_alone_is_told(made, plan):
    planned = planned_with(plan, made("08-imagescope"), "negative-alone.xml")
    assert planned.exit_code == 1
    sentence(planned.stderr, "^error: ", r"negative-alone\.xml", r"\b1 negative region")


@pytest.mark.parametrize(
    "name",
    ["asap.xml", "s.ndpi.ndpa", "coco.json", "histomicstk.json", "clam.h5", "coords.csv"],
)
def test_08_files_of_other_programs_are_told_what_is_accepted(made, plan, name):
    planned = planned_with(plan, made("08-imagescope"), name)
    assert planned.exit_code == 1
    sentence(planned.stderr, "^error: ", name, "GeoJSON", "ImageScope", r"\bmask\b")
    assert planned.stderr.count("\n") == 1


def test_15_a_mask_that_fits_is_laid_over_without_a_word(made, plan):
    planned = planned_with(plan, made("15-mask-off-by-some"), "exact.png")
    radius = 0.22 * SIZE[1]
    x, y = 0.3 * SIZE[0], 0.4 * SIZE[1]
    assert_one_box(planned, (x - radius, y - radius, x + radius, y + radius))
    assert planned.facts["tissue_fraction"] == pytest.approx(share(math.pi * radius**2), rel=0.02)
    assert not planned.stderr


def test_15_a_mask_that_nearly_fits_is_told(made, plan):
    planned = planned_with(plan, made("15-mask-off-by-some"), "few.png")
    assert planned.exit_code == 0
    sentence(planned.stderr, "^warning: ", "768×519", "3072×2048", r"\b7\b")


@pytest.mark.parametrize(("name", "size"), [("padded", "768×768"), ("rotated", "512×768")])
def test_15_a_mask_of_other_proportions_is_refused_or_told(made, plan, name, size):
    planned = planned_with(plan, made("15-mask-off-by-some"), f"{name}.png")
    start = "^warning: " if planned.exit_code == 0 else "^error: "
    sentence(planned.stderr, start, size, "3072×2048")


@SLOW_SCRIPT
def test_35_small_annotations_do_not_vanish_silently(made, plan, run, tmp_path):
    folder = made("35-small-annotations")
    words = (r"\b20\b", r"\b21\b", "--min-tissue-fraction", r"\b0\.05\b")
    planned = planned_with(plan, folder, "m.xml")
    assert planned.exit_code == 0
    # It covers four tiles, and 5.08 % of four others: there pixels of the overview decide.
    assert len(planned.tiles) in (4, 8)
    sentence(planned.stderr, *words)
    arguments = (folder / "s.svs", "--annotations", folder / "m.xml", "-o", tmp_path / "a.zarr")
    sentence(run("tile", *arguments).stderr, *words)
    planned = planned_with(plan, folder, "m.xml", "--min-tissue-fraction", 1e-6)
    mitoses = {
        ((2500 + number % 5 * 1100) // 1024, (2600 + number // 5 * 1300) // 1024)
        for number in range(20)
    }
    area = {(column, row) for column in range(3) for row in range(3)}
    assert planned.tiles == mitoses | area
    assert "--min-tissue-fraction" not in planned.stderr


CORES = {(column, row) for column in range(4) for row in (1, 2)}
"""The cells of 512 px that the two cores which are there cover by 5 %."""
MISSING_CORE = {(column, row) for column in (4, 5) for row in (1, 2)}


def test_41_a_missing_core_is_left_out_and_told(made, plan):
    planned = planned_with(plan, made("41-tma-cores"), "tma.geojson", "--tile-size", 512)
    assert planned.exit_code == 0, planned.stderr
    assert planned.tiles in (CORES, CORES | MISSING_CORE)
    sentence(planned.stderr, r"tma\.geojson", r"\b1\b.*missing|missing.*\b1\b")


def test_41_two_pieces_are_no_microarray(made, run, tmp_path):
    slide = made("41-tma-cores") / "s.svs"
    ended = run("tile", slide, "--cores", "-o", tmp_path / "a.zarr", "--tile-size", 512)
    assert ended.exit_code == 2
    sentence(ended.stderr, "regular grid", "--cores")


def test_41_an_ignored_class_is_told(made, plan):
    planned = planned_with(plan, made("41-tma-cores"), "classes.geojson", "--tile-size", 512)
    assert planned.exit_code == 0, planned.stderr
    wanted = {(column, row) for column in range(4) for row in range(2)}
    ignored = {(column, row) for column in (1, 2) for row in (1, 2)}
    assert planned.tiles in (wanted, wanted | ignored)
    sentence(planned.stderr, r"classes\.geojson", r"Ignore\*", r"\b1\b", "--annotations-class")


def test_41_which_class_a_tile_has_is_stored_or_how_to_know_is_told(made, run, tmp_path):
    folder, out = made("41-tma-cores"), tmp_path / "a.zarr"
    drawn = folder / "classes.geojson"
    ended = run("tile", folder / "s.svs", "--annotations", drawn, "-o", out, "--tile-size", 512)
    assert ended.exit_code == 0, ended.stderr
    columns = set(st.open_store(out).tiles.column_names)
    docs = (ROOT / "docs" / "how-to" / "annotations.md").read_text(encoding="utf-8")
    is_told = "once for each class" in " ".join(docs.split())
    assert columns & {"label", "class", "class_name", "classes"} or is_told


def test_42_an_open_line_is_no_area(made, plan):
    planned = planned_with(plan, made("42-halo"), "line.annotations")
    assert planned.exit_code == 1
    words = (r"\b1 open line", r"\b1 ruler", r"\b1 pin")
    sentence(planned.stderr, "^error: ", r"line\.annotations", *words)


def test_42_an_open_line_beside_an_area_is_counted(made, plan):
    planned = planned_with(plan, made("42-halo"), "mixed.annotations")
    assert_one_box(planned, (256, 256, 1280, 1280))
    assert planned.facts["tissue_fraction"] == pytest.approx(share(1024**2))
    sentence(planned.stderr, r"mixed\.annotations", r"\b1 open line")


def test_42_what_lies_left_of_the_slide_is_counted(made, plan):
    planned = planned_with(plan, made("42-halo"), "left.annotations")
    assert_one_box(planned, (0, 0, 1000, 800))
    area = math.pi / 4 * 1000 * 800
    assert planned.facts["tissue_fraction"] == pytest.approx(share(area), rel=0.02)
    sentence(planned.stderr, r"\b1 of the 2 areas", "outside", r"\(-1536, -1024\)")

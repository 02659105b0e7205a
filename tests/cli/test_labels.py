"""The options about classes: for one slide, for many, and what is told of them."""

import json

import pytest
from labelled import box, feature, polygon, write_labels
from paths import SAMPLE, SAMPLES

import slidetile as st

LABELS = SAMPLES / "sample.geojson"
SIZE = ("--tile-size", 256)


def test_plan_tells_each_class(cli):
    done = cli("plan", SAMPLE, *SIZE, "--labels", LABELS, "--json")
    told = json.loads(done.stdout)["classes"]
    assert [each["name"] for each in told] == ["Stroma", "Tumor"]
    assert [each["area_px"] for each in told] == [866400, 487410]
    assert told[0]["area_um2"] == pytest.approx(866400 / 4)
    lines = cli("plan", SAMPLE, *SIZE, "--labels", LABELS).stdout
    for each in told:
        assert each["tiles"] <= each["tiles_with_any"]
    assert (
        f"Stroma: in {told[0]['tiles_with_any']} tiles, the largest class in {told[0]['tiles']} "
        "(on the whole slide: 216,600 µm²); Tumor: in "
    ) in " ".join(lines.split())


def test_what_is_largest_in_no_tile_is_told_by_the_tiles_that_hold_some(cli, tmp_path):
    write_labels(
        tmp_path / "m.geojson",
        polygon("Tumor", box(1024, 1024, 1792, 1792)),
        polygon("Mitosis", box(1100, 1100, 1110, 1110)),
        feature("Apoptosis", "MultiPoint", [[1400, 1400], [1410, 1410], [1700, 1700]]),
    )
    options = (SAMPLE, *SIZE, "--labels", tmp_path / "m.geojson")
    plan = json.loads(cli("plan", *options, "--json").stdout)["classes"]
    told = {each["name"]: (each["tiles"], each["tiles_with_any"]) for each in plan}
    assert told == {"Apoptosis": (0, 2), "Mitosis": (0, 1), "Tumor": (9, 9)}
    cli("tile", *options, "-o", tmp_path / "m.zarr")
    assert json.loads(cli("info", tmp_path / "m.zarr", "--json").stdout)["classes"] == plan
    lines = " ".join(cli("info", tmp_path / "m.zarr").stdout.split())
    assert (
        "Apoptosis: in 2 tiles, the largest class in 0 (on the whole slide: 3 points); "
        "Mitosis: in 1 tile, the largest class in 0 (on the whole slide: 25 µm²); "
        "Tumor: in 9 tiles, the largest class in 9 (on the whole slide: "
    ) in lines


def test_tile_and_info_tell_the_same(cli, tmp_path):
    store = tmp_path / "a.zarr"
    plan = json.loads(cli("plan", SAMPLE, *SIZE, "--labels", LABELS, "--json").stdout)
    done = cli("tile", SAMPLE, *SIZE, "--labels", LABELS, "-o", store, "--json")
    tiled = json.loads(done.stdout)["store"]["classes"]
    assert tiled == json.loads(cli("info", store, "--json").stdout)["classes"]
    assert [each["tiles"] for each in tiled] == [each["tiles"] for each in plan["classes"]]
    assert cli("verify", store).exit_code == 0
    assert json.loads(cli("plan", SAMPLE, "--json").stdout)["classes"] is None


def test_a_least_share_is_told_by_its_option(cli):
    done = cli("plan", SAMPLE, *SIZE, "--labels", LABELS, "--min-class-fraction", "Tumor=0.5")
    assert done.exit_code == 0
    assert "--min-class-fraction" in done.output


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--min-class-fraction", "Tumor"], "not a class and a share such as tumor=0.5"),
        (["--min-class-fraction", "=0.5"], "not a class and a share"),
        (["--labels", LABELS, "--min-class-fraction", "Tumor=50"], "Is it given in percent"),
        (["--label-values", "a=x"], "not a class and its numbers such as tumor=1,2"),
        (["--label-values", "a=1"], "need --labels FILE"),
        (["--labels-unit", "um"], "need --labels FILE"),
        (["--balance", "class"], "--balance needs --sample N"),
        (["--sample", 5, "--balance", "class"], "give labels, too"),
        (["--min-class-fraction", "Tumor=0.5"], "give labels, too"),
        (["--labels", "m.png", "--label-values", "a=0"], "they begin at 1"),
        (
            ["--labels", "m.png", "--label-values", "a=1", "--label-values", "a=2"],
            "names the class 'a' twice",
        ),
    ],
)
def test_options_that_cannot_be_are_wrong_usage(cli, options, message):
    done = cli("plan", SAMPLE, *options)
    assert done.exit_code == 2
    assert message in " ".join(done.output.split())


def test_an_unknown_class_fails_with_those_there_are(cli):
    done = cli("plan", SAMPLE, "--labels", LABELS, "--min-class-fraction", "tumor=0.5")
    assert done.exit_code == 1
    assert "no class 'tumor'" in done.output
    told = "it has 'Stroma', 'Tumor'. Did you mean 'Tumor'? Upper and lower case count."
    assert told in " ".join(done.output.split())
    done = cli("plan", SAMPLE, "--labels", LABELS, "--min-class-fraction", "glands=0.5")
    assert "Did you mean" not in done.output


def test_blanks_around_a_class_do_not_count(cli):
    options = ("plan", SAMPLE, *SIZE, "--labels", LABELS, "--json", "--min-class-fraction")
    told = [json.loads(cli(*options, each).stdout) for each in ("Tumor=0.5", " Tumor = 0.5")]
    assert told[0]["tiles"] == told[1]["tiles"]


def test_a_batch_takes_a_folder_of_labels_or_a_column(cli, tmp_path):
    slides = tmp_path / "slides"
    slides.mkdir()
    (slides / "a.svs").symlink_to(SAMPLE)
    (tmp_path / "drawn").mkdir()
    write_labels(
        tmp_path / "drawn/a.geojson",
        polygon("x", box(800, 400, 2400, 2000)),
        feature("x", "Point", [1500, 900]),
    )
    done = cli("batch", slides, *SIZE, "--labels", tmp_path / "drawn", "-o", tmp_path / "one")
    assert done.exit_code == 0, done.output
    manifest = tmp_path / "m.csv"
    manifest.write_text("path,labels\nslides/a.svs,drawn/a.geojson\n")
    least = ("--min-class-fraction", "x=0.9")
    done = cli("batch", manifest, *SIZE, *least, "-o", tmp_path / "two")
    assert done.exit_code == 0, done.output
    one, two = (st.open_store(tmp_path / f"{name}/a.zarr") for name in ("one", "two"))
    assert one.class_areas == two.class_areas
    assert (one.tiles["class_x"].to_numpy() >= 0.9).sum() == len(two)
    again = cli("batch", manifest, *SIZE, *least, "-o", tmp_path / "two", "--json")
    (told,) = json.loads(again.stdout)["slides"]
    assert told["status"] == "already done"


def test_a_batch_without_labels_takes_no_options_of_classes(cli, tmp_path):
    done = cli("batch", SAMPLE, "--min-class-fraction", "x=0.9", "-o", tmp_path / "s")
    assert done.exit_code == 2
    assert "give --labels, or a manifest with a column labels" in " ".join(done.output.split())

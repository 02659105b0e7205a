"""What machines read: a document of each command, as its schema and its table in the docs say."""

import importlib.util
import json
import shutil
import typing

import numpy as np
import pytest
import tifffile
from jsonschema import Draft202012Validator
from paths import ROOT
from referencing import Registry, Resource

import slidetile as st
from slidetile.cli import facts, outcome_facts
from slidetile.cli.config_command import ConfigFacts
from slidetile.cli.forecast_facts import ForecastFacts
from slidetile.cli.rename_command import RenameFacts
from slidetile.cli.report_facts import ReportFacts
from slidetile.cli.serve_command import ServeFacts
from slidetile.cli.tissue_facts import TissueFacts
from slidetile.cli.view_command import ViewFacts
from slidetile.cli.view_files import SaveFacts, StaticFacts

SCHEMAS = {
    path.stem: json.loads(path.read_text(encoding="utf-8"))
    for path in sorted((ROOT / "docs" / "reference" / "schemas").glob("*.json"))
}

REGISTRY = Registry().with_resources(
    (f"{name}.json", Resource.from_contents(schema)) for name, schema in SCHEMAS.items()
)


def check(document, name):
    Draft202012Validator(SCHEMAS[name], registry=REGISTRY).validate(document)


def document(result, name, exit_code=0):
    """Return what a command printed, once it is what the schema says."""
    assert result.exit_code == exit_code, result.stderr
    told = json.loads(result.stdout)
    check(told, name)
    return told


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path, monkeypatch):
    (tmp_path / "cwd").mkdir()
    monkeypatch.chdir(tmp_path / "cwd")


@pytest.fixture
def glass(tmp_path):
    """A grey slide without tissue, mpp or native tiles."""
    path = tmp_path / "glass.tiff"
    white = np.full((256, 256), 255, np.uint8)
    tifffile.imwrite(path, white, tile=(64, 64), photometric="minisblack", metadata=None)
    return path


def test_rename_codec(cli, sample):
    st.tile_slide(sample, "a.zarr")
    told = document(cli("rename-codec", "a.zarr", "--json"), "rename-codec")
    assert told == {"store_path": "a.zarr", "zarr_codec": "jpeg"}


def test_info_of_a_slide(cli, sample):
    told = document(cli("info", sample, "--json"), "info-slide")
    assert told == {
        "kind": "slide",
        "slide_path": str(sample),
        "slide_name": "sample.svs",
        "vendor": "aperio",
        "reader": "tiff",
        "file_bytes": sample.stat().st_size,
        "width_px": 3840,
        "height_px": 2560,
        "channels": 3,
        "channel_names": ["red", "green", "blue"],
        "bits": 8,
        "scan_area": {"x_px": 0, "y_px": 0, "width_px": 3840, "height_px": 2560},
        "levels": [
            {
                "width_px": 3840,
                "height_px": 2560,
                "downsample": [1.0, 1.0],
                "native_tile_px": [256, 256],
                "not_native": None,
            },
            {
                "width_px": 960,
                "height_px": 640,
                "downsample": [4.0, 4.0],
                "native_tile_px": [256, 256],
                "not_native": None,
            },
        ],
        "mpp_um": [0.5, 0.5],
        "objective_power": 20.0,
        "background_rgb": [255, 255, 255],
        "icc_profile_bytes": None,
        "colour_note": None,
        "fingerprint": told["fingerprint"],
    }


def test_info_of_a_slide_that_says_little(cli, glass):
    told = document(cli("info", glass, "--json"), "info-slide")
    assert (told["mpp_um"], told["objective_power"], told["channels"]) == (None, None, 1)
    assert told["levels"][0]["native_tile_px"] is None


def test_info_of_a_slide_of_which_a_part_was_scanned(cli, scanned_slide):
    told = document(cli("info", scanned_slide, "--json"), "info-slide")
    area = {"x_px": 128, "y_px": 96, "width_px": 704, "height_px": 544}
    assert (told["scan_area"], told["width_px"], told["height_px"]) == (area, 1000, 800)


@pytest.mark.parametrize("codec", ["native", "zstd", "jxl", "jpeg", "raw"])
def test_info_of_a_store(cli, sample, codec):
    recipe = st.Recipe(codec=codec, tile=st.TileSpec(size=512))
    store = st.tile_slide(sample, "x.zarr", recipe)
    told = document(cli("info", "x.zarr", "--json"), "info-store")
    assert (told["tiles"], told["unreadable"], told["codec"]) == (len(store), 0, codec)
    assert told["tile_bytes"] == store.tile_bytes
    assert told["level_0"]["slide_scale"] == [1.0, 1.0]
    sizes = [(level["width_px"], level["height_px"]) for level in told["levels"]]
    assert sizes == [level.size for level in store.levels]
    for level in told["levels"]:
        assert level["downsample"] == pytest.approx([3840 / level["width_px"]] * 2)


def test_info_of_a_store_of_odd_size(cli, tmp_path):
    pixels = np.zeros((1201, 1333, 3), np.uint8)
    tifffile.imwrite(tmp_path / "odd.tiff", pixels, tile=(64, 64), photometric="rgb")
    assert cli("tile", tmp_path / "odd.tiff", "--codec", "zstd").exit_code == 0
    told = document(cli("info", "odd.zarr", "--json"), "info-store")
    assert [level["downsample"] for level in told["levels"][:2]] == [[1, 1], [2, 2]]
    assert told["levels"][1]["width_px"] == 667


def test_info_of_an_anonymous_store_at_another_resolution(cli, sample):
    line = ("tile", sample, "--mpp", 0.7, "--anonymous", "-o", "x.zarr")
    assert cli(*line).exit_code == 0
    told = document(cli("info", "x.zarr", "--json"), "info-store")
    assert (told["slide_name"], told["mpp_um"]) == (None, [0.7, 0.7])
    expected = {"slide_level": 0, "averaging_factor": [1.4, 1.4], "slide_scale": [1.4, 1.4]}
    assert told["level_0"] == expected


def test_a_store_of_no_tiles(cli, glass):
    told = document(cli("tile", glass, "--json"), "tile")
    assert told["store"]["tiles"] == 0
    assert set(told["store"]["quality"]["medians"].values()) == {None}
    assert told["store"] == document(cli("info", "glass.zarr", "--json"), "info-store")


def test_plan(cli, sample):
    told = document(cli("plan", sample, "--json"), "plan")
    assert (told["store_path"], told["preview_path"]) == ("sample.zarr", None)
    line = ("plan", sample, "--json", "--objective", "5x", "-o", "y.zarr")
    more = document(cli(*line, "--preview", "p.png", "--geojson", "p.geojson"), "plan")
    assert (more["store_path"], more["mpp_um"]) == ("y.zarr", [2.0, 2.0])
    assert (more["preview_path"], more["geojson_path"]) == ("p.png", "p.geojson")
    assert more["level_0"]["slide_level"] == 1
    assert more["level_0"]["averaging_factor"] == [1.0, 1.0]
    assert more["level_0"]["slide_scale"] == [4.0, 4.0]


def test_a_plan_of_no_tiles(cli, glass):
    assert document(cli("plan", glass, "--json"), "plan")["tiles"] == 0


def test_tissue(cli, sample, glass):
    line = ("tissue", sample, "--compare", "otsu", "--json")
    told = document(cli(*line, "--preview", "p.png"), "tissue")
    assert [each["detector"] for each in told["tissue"]] == ["default", "otsu"]
    assert (told["overview_width_px"], told["preview_path"]) == (480, "p.png")
    (told,) = document(cli("tissue", glass, "--json"), "tissue")["tissue"]
    assert "no tissue was found" in told["note"]
    assert (told["tissue_area_px"], told["tissue_area_um2"]) == (0, None)


def test_tile_of_a_damaged_slide(cli, damaged_sample):
    told = document(cli("tile", damaged_sample, "--json"), "tile", exit_code=3)
    assert told["store"]["unreadable"] == 1
    assert told["seconds"] > 0
    assert told["memory"]["peak_bytes"] > 0


def test_verify(cli, sample):
    st.tile_slide(sample, "x.zarr")
    told = document(cli("verify", "x.zarr", "--json"), "verify")
    assert told == {"store_path": "x.zarr", "slide_path": None, "findings": [], "unreadable": 0}
    told = document(cli("verify", "x.zarr", "--slide", sample, "--json"), "verify")
    assert told["slide_path"] == str(sample)
    for shard in st.open_store("x.zarr").path.glob("0/c/0/*/*"):
        shard.unlink()
    told = document(cli("verify", "x.zarr", "--json"), "verify", exit_code=1)
    assert told["unreadable"] is None
    assert {type(finding["tile"]) for finding in told["findings"]} == {int, type(None)}


def test_verify_of_a_store_of_a_damaged_slide(cli, damaged_sample):
    st.tile_slide(damaged_sample, "x.zarr")
    told = document(cli("verify", "x.zarr", "--json"), "verify")
    assert (told["findings"], told["unreadable"]) == ([], 1)


def test_several_are_described_in_one_document(cli, sample):
    st.tile_slide(sample, "x.zarr")
    shutil.copy(sample, "y.svs")
    told = document(cli("info", sample, "x.zarr", "--json"), "info-several")
    assert [facts["slide_path"] for facts in told["slides"]] == [str(sample)]
    assert [facts["store_path"] for facts in told["stores"]] == ["x.zarr"]
    assert (
        document(cli("info", ".", "--json"), "info-several")["slides"][0]["slide_path"] == "y.svs"
    )
    told = document(cli("info", "x.zarr", "none.svs", "--json"), "info-several", exit_code=1)
    (failed,) = told["failed"]
    assert (failed["path"], failed["error"]["type"]) == ("none.svs", "SlideReadError")
    assert len(told["stores"]) == 1


def test_several_are_verified_in_one_document(cli, sample, tmp_path):
    for name in ("x.zarr", "y.zarr"):
        st.tile_slide(sample, name)
    told = document(cli("verify", ".", "--json"), "verify-several")
    assert [facts["store_path"] for facts in told["stores"]] == ["x.zarr", "y.zarr"]
    (tmp_path / "cwd" / "y.zarr" / "tiles" / "tiles.parquet").unlink()
    told = document(
        cli("verify", "x.zarr", "y.zarr", sample, "--json"), "verify-several", exit_code=1
    )
    assert [bool(facts["findings"]) for facts in told["stores"]] == [False, True]
    assert [failed["path"] for failed in told["failed"]] == [str(sample)]


def test_export(cli, sample, tmp_path):
    store = st.tile_slide(sample, "x.zarr")
    told = document(cli("export", "x.zarr", "-o", "x.geojson", "--json"), "export")
    size = (tmp_path / "cwd" / "x.geojson").stat().st_size
    assert told["output_bytes"] == size
    assert told["counts"] == [{"what": "tiles", "count": len(store)}]
    assert told["left_out"] == []


def test_several_are_exported_in_one_document(cli, sample):
    for name in ("x.zarr", "y.zarr"):
        st.tile_slide(sample, name)
    line = ("export", "x.zarr", "none.zarr", "y.zarr", "-o", "out", "--to", "ome-tiff", "--json")
    for is_again in (False, True):
        told = document(cli(*line), "export-several", exit_code=1)
        assert [facts["store_path"] for facts in told["stores"]] == ["x.zarr", "y.zarr"]
        assert {facts["already_done"] for facts in told["stores"]} == {is_again}
        assert [failed["path"] for failed in told["failed"]] == ["none.zarr"]


def test_batch(cli, sample, damaged_sample, tmp_path):
    bad = tmp_path / "bad.svs"
    bad.write_text("no slide")
    slides = (sample, damaged_sample, bad)
    told = document(cli("batch", *slides, "-o", "out", "--json"), "batch", exit_code=1)
    assert told["summary_path"] == "out/summary.csv"
    well, unreadable, failed = told["slides"]
    assert [row["slide_path"] for row in told["slides"]] == list(map(str, slides))
    assert (well["status"], well["error"]) == ("ok", None)
    assert well["tiles"] == len(st.open_store(well["store_path"]))
    assert (unreadable["status"], unreadable["unreadable"]) == ("unreadable tiles", 1)
    assert (failed["status"], failed["store_path"], failed["codec"]) == ("failed", None, None)
    assert failed["error"]["type"] == "UnsupportedSlideError"
    assert failed["error"]["message"].startswith("bad.svs cannot be opened")
    again = document(cli("batch", sample, "-o", "out", "--json"), "batch")
    assert [row["status"] for row in again["slides"]] == ["already done"]


def test_config(cli, tmp_path):
    (tmp_path / "lab.toml").write_text('codec = "zstd"')
    told = document(cli("config", "--json"), "config")
    assert told["settings_path"] is None
    assert {each["source"] for each in told["settings"]} == {"default"}
    line = ("config", "--config", tmp_path / "lab.toml", "--annotations-class", "a", "--mpp", 0.5)
    told = document(cli(*line, "--annotations", "b", "--json"), "config")
    assert told["settings_path"] == str(tmp_path / "lab.toml")
    settings = {each["key"]: (each["value"], each["source"]) for each in told["settings"]}
    assert settings["codec"] == ("zstd", "file")
    assert settings["mpp"] == (0.5, "command line")
    assert settings["annotations-class"] == (["a"], "command line")
    assert settings["annotations"] == (str(tmp_path / "cwd" / "b"), "command line")


def test_a_batch_says_why_a_slide_has_no_tiles(cli, glass):
    (told,) = document(cli("batch", glass, "-o", "out", "--json"), "batch")["slides"]
    assert (told["status"], told["tiles"], told["error"]) == ("ok", 0, None)
    assert "no tissue was found" in told["note"]
    assert "--detector" in told["note"]


def test_report(cli, sample, damaged_sample, tmp_path):
    bad = tmp_path / "bad.svs"
    bad.write_text("no slide")
    cli("batch", sample, damaged_sample, bad, "-o", "out")
    told = document(cli("report", "out", "--json"), "report", exit_code=1)
    assert (told["report_path"], told["pictures_path"]) == ("out/report.html", None)
    assert (told["totals"]["slides"], told["totals"]["failed"]) == (3, 1)
    assert [slide["key"] for slide in told["slides"]] == ["bad", "damaged", "sample"]
    assert told["slides"][0]["recorded"]["error_type"] == "UnsupportedSlideError"
    assert told["slides"][1]["warnings"][0]["kind"] == "unreadable tiles"


@pytest.mark.parametrize(
    ("line", "kind", "message"),
    [
        (("info", "none.svs"), "SlideReadError", "none.svs does not exist"),
        (("info", "none.zarr"), "StoreError", "none.zarr does not exist"),
        (("plan", "none.svs"), "SlideReadError", "none.svs does not exist"),
        (("tile", "none.svs"), "SlideReadError", "none.svs does not exist"),
        (("verify", "none.zarr"), "StoreError", "none.zarr does not exist"),
        (("export", "none.zarr", "-o", "x"), "StoreError", "none.zarr does not exist"),
        (("batch", ".", "-o", "out"), "SlideError", "no slides found in ."),
        (("report", "."), "SlideError", "there is nothing to report"),
        (("report", "none"), "SlideError", "none is no folder"),
    ],
)
def test_a_command_that_fails_says_why(cli, line, kind, message):
    result = cli(*line, "--json")
    error = document(result, "error", exit_code=1)["error"]
    assert error["type"] == kind
    assert message in error["message"]
    assert result.stderr == f"error: {error['message']}\n"
    assert cli(*line).stdout == ""


def test_a_system_that_fails_says_why(cli, sample, tmp_path):
    (tmp_path / "file").touch()
    result = cli("tile", sample, "-o", tmp_path / "file" / "x.zarr", "--json")
    error = document(result, "error", exit_code=1)["error"]
    assert error["type"] == "NotADirectoryError"
    assert error["message"].endswith("/file, which is not a folder.")


@pytest.mark.parametrize("line", [("--json", "--tile-size", "big"), ("--no-such-option", "--json")])
def test_wrong_usage_says_why(cli, sample, line):
    result = cli("tile", sample, *line)
    error = document(result, "error", exit_code=2)["error"]
    assert error["type"] == "UsageError"
    assert error["message"] in " ".join(result.stderr.split())


def objects(schema):
    """Yield all objects that a schema describes, with where they are."""
    if "properties" in schema:
        yield schema
    for inner in (*schema.get("properties", {}).values(), *filter(None, [schema.get("items")])):
        yield from objects(inner)


UNITS = {"px": "px", "bytes": "bytes", "um": "µm per px", "um2": "µm²", "mm2": "mm²"}


@pytest.mark.parametrize("name", SCHEMAS)
def test_a_schema_leaves_nothing_open(name):
    Draft202012Validator.check_schema(SCHEMAS[name])
    for described in objects(SCHEMAS[name]):
        assert described["additionalProperties"] is False
        assert described["required"] == list(described["properties"])
        for key, value in described["properties"].items():
            assert value["description"].endswith((".", ";"))
            unit = UNITS.get(key.rpartition("_")[2])
            unit = "s" if key == "seconds" else unit
            assert value.get("x-unit") == unit, key
            for example in value.get("examples", ()):
                Draft202012Validator(value).validate(example)
            is_nested = "$ref" in value or list(objects(value)) != []
            assert ("examples" in value) != is_nested, key


DOCUMENTS = {
    "info-slide": facts.SlideFacts,
    "info-store": facts.StoreFacts,
    "info-several": outcome_facts.SeveralFacts,
    "plan": facts.PlanFacts,
    "tissue": TissueFacts,
    "tile": facts.TileFacts,
    "verify": outcome_facts.VerifyFacts,
    "verify-several": outcome_facts.SeveralVerifiedFacts,
    "report": ReportFacts,
    "export": outcome_facts.ExportFacts,
    "export-several": outcome_facts.SeveralExportedFacts,
    "rename-codec": RenameFacts,
    "serve": ServeFacts,
    "view": ViewFacts,
    "view-save": SaveFacts,
    "view-static": StaticFacts,
    "batch": outcome_facts.BatchFacts,
    "batch-dry-run": ForecastFacts,
    "config": ConfigFacts,
}


@pytest.mark.parametrize("name", DOCUMENTS)
def test_a_schema_has_the_keys_of_the_facts(name):
    assert list(typing.get_type_hints(DOCUMENTS[name])) == list(SCHEMAS[name]["properties"])


def test_every_command_that_prints_json_has_a_schema():
    from slidetile.cli.commands import main

    for name, command in main.commands.items():
        assert "as_json" in {parameter.name for parameter in command.params}
        assert any(f"{schema}-".startswith(f"{name}-") for schema in SCHEMAS)


def test_the_docs_have_the_tables_of_the_schemas():
    path = ROOT / "docs" / "hooks" / "json_tables.py"
    spec = importlib.util.spec_from_file_location("json_tables", path)
    tables = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tables)
    page = tables.PAGE.read_text(encoding="utf-8")
    assert tables.written(page) == page, "run: python docs/hooks/json_tables.py"
    for name in SCHEMAS:
        assert tables.table(name) in page


def test_paths_that_are_no_text_are_json_all_the_same(cli, sample, tmp_path):
    name = tmp_path / "caf\udce9.svs"
    try:
        shutil.copy(sample, name)
    except (OSError, UnicodeEncodeError):
        pytest.skip("this file system takes only names that are text")
    assert document(cli("info", name, "--json"), "info-slide")["slide_path"] == str(name)

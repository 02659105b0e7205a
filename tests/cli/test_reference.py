"""Stores without pixels on the command line, and the whole stores that it makes of them."""

import json
import re
import shutil

import pytest

import slidetile as st
from slidetile.cli.commands import main
from slidetile.export.kinds import KINDS


@pytest.fixture
def slide(sample, tmp_path):
    return shutil.copy2(sample, tmp_path / "one.svs")


@pytest.fixture
def store(cli, slide, tmp_path):
    path = tmp_path / "one.zarr"
    result = cli("tile", slide, "--codec", "reference", "--tile-size", 512, "-o", path)
    assert result.exit_code == 0, result.output
    assert f"pixels are in       {slide}" in result.stdout
    assert "for other programs  none: its tiles do not decode" in result.stdout
    return path


def test_plan_says_that_it_takes_nothing(cli, sample):
    result = cli("plan", sample, "--codec", "reference", "--json")
    facts = json.loads(result.stdout)
    assert (facts["codec"], facts["store_bytes"], facts["fits"]) == ("reference", 0, True)


def test_a_second_run_has_nothing_to_do(cli, store, slide):
    again = cli("tile", slide, "--codec", "reference", "--tile-size", 512, "-o", store, "--json")
    facts = json.loads(again.stdout)
    assert facts["already_done"]
    assert facts["store"]["referred_slide_path"] == str(slide)
    assert facts["store"]["references_path"] is None


def test_export_makes_what_tile_would_have_made(cli, store, slide, tmp_path, tree):
    whole, direct = tmp_path / "whole.zarr", tmp_path / "direct.zarr"
    result = cli("export", store, "--to", "zarr", "-o", whole, "--json")
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["store"]["codec"] == "native"
    assert cli("tile", slide, "--tile-size", 512, "-o", direct).exit_code == 0
    assert tree(whole) == tree(direct)
    chosen = tmp_path / "chosen.zarr"
    assert cli("export", store, "--to", "zarr", "--codec", "zstd", "-o", chosen).exit_code == 0
    assert st.open_store(chosen).codec == "zstd"
    again = cli("export", store, "--to", "zarr", "-o", whole)
    assert (again.exit_code, "already done" in again.stdout) == (0, True)
    refused = cli("export", store, "--to", "zarr", "--codec", "zstd", "-o", whole)
    assert (refused.exit_code, "exists already" in refused.output) == (1, True)


def test_export_for_qupath_is_as_before(cli, store, tmp_path):
    assert cli("export", store, "-o", tmp_path / "a.geojson").exit_code == 0
    assert json.loads((tmp_path / "a.geojson").read_text())["features"]


@pytest.mark.parametrize("option", [("--codec", "zstd"), ("--overwrite",), ("--memory", "1GB")])
def test_options_of_the_other_kind_are_refused(cli, store, tmp_path, option):
    result = cli("export", store, "-o", tmp_path / "a.geojson", *option)
    assert result.exit_code == 2
    assert f"{option[0]}: --to geojson does not take it; " in result.output
    assert re.search(r"zarr( and webdataset)? do", result.output)
    assert not (tmp_path / "a.geojson").exists()


def test_a_store_that_holds_its_pixels_is_not_exported_to_zarr(cli, sample, tmp_path):
    assert cli("tile", sample, "-o", tmp_path / "a.zarr").exit_code == 0
    result = cli("export", tmp_path / "a.zarr", "--to", "zarr", "-o", tmp_path / "b.zarr")
    assert result.exit_code == 1
    assert "holds its pixels already" in result.output
    assert not list(tmp_path.glob("b.zarr*"))


def test_where_the_slide_is_can_be_said(cli, store, slide, tmp_path):
    moved = slide.rename(tmp_path / "moved.svs")
    for command in ("info", "verify"):
        result = cli(command, store)
        assert result.exit_code == 1
        assert "does not exist" in result.output
        assert cli(command, store, "--slide", moved).exit_code == 0
    whole = tmp_path / "whole.zarr"
    assert cli("export", store, "--to", "zarr", "-o", whole).exit_code == 1
    assert not list(tmp_path.glob("whole.zarr*"))
    assert cli("export", store, "--to", "zarr", "-o", whole, "--slide", moved).exit_code == 0
    both = cli("info", store, moved, "--slide", moved)
    assert (both.exit_code, "--slide is of one store" in both.output) == (2, True)


@pytest.mark.parametrize("choice", [("--mpp", "1"), ("--color", "srgb"), ("--anonymous",)])
def test_what_cannot_be_is_wrong_usage(cli, sample, tmp_path, choice):
    result = cli("tile", sample, "--codec", "reference", *choice, "-o", tmp_path / "a.zarr")
    assert result.exit_code == 2
    assert "use another codec" in result.output
    assert not list(tmp_path.glob("a.zarr*"))


def test_a_batch_refers_to_all_its_slides(cli, sample, tmp_path):
    (tmp_path / "slides").mkdir()
    for name in ("a.svs", "b.svs"):
        shutil.copy2(sample, tmp_path / "slides" / name)
    command = ("batch", tmp_path / "slides", "--codec", "reference", "-o", tmp_path / "stores")
    result = cli(*command, "--processes", 0, "--json")
    assert result.exit_code == 0, result.output
    assert {each["codec"] for each in json.loads(result.stdout)["slides"]} == {"reference"}
    (tmp_path / "slides").rename(tmp_path / "stores" / "slides")
    with pytest.raises(st.StoreError, match="does not exist"):
        st.open_store(tmp_path / "stores" / "a.zarr")


def test_help_names_the_kinds_of_export():
    (export,) = (command for name, command in main.commands.items() if name == "export")
    kinds = next(param.type.choices for param in export.params if param.name == "kind")
    assert list(kinds) == list(KINDS)

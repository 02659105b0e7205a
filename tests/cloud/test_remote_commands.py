"""info, verify and export of stores in a bucket, one by one and by their prefix."""

import json

import pytest
from known_tissue import drawn
from object_storage import OPTIONS

import slidetile as st
from slidetile.cloud.objects import remove_objects, write_object


@pytest.fixture(scope="module")
def made(sample, tmp_path_factory):
    path = tmp_path_factory.mktemp("here") / "s.zarr"
    recipe = st.Recipe(tile=st.TileSpec(size=512), codec="zstd", detector=drawn)
    return st.tile_slide(sample, path, recipe).path


def with_options(lab):
    given = {**OPTIONS, "endpoint": lab.proxy.endpoint, "max_retries": "1"}
    return [word for each in given.items() for word in ("--storage-option", "=".join(each))]


def test_info_and_verify_say_the_same_as_of_a_local_store(cli, made, lab):
    there = lab.put(made)
    for command in ("info", "verify"):
        here = cli(command, made, "--json")
        found = cli(command, there, "--json", *with_options(lab))
        assert found.exit_code == here.exit_code == 0
        assert OPTIONS["secret_access_key"] not in found.output
        expected = json.loads(here.stdout.replace(str(made), str(there)))
        assert json.loads(found.stdout) == expected


def test_a_prefix_stands_for_the_stores_in_it(cli, made, lab):
    home = lab.home / "cohort"
    for name in ("b", "a"):
        lab.put(made, f"cohort/{name}.zarr")
    lab.put(made, "cohort/replacing.zarr.partial")
    write_object(home / "c.zarr/unfinished.json", [b'{"slidetile": {}}'])
    write_object(home / "slide.zarr/.zattrs", [b"{}"])
    write_object(home / "slide.zarr/.zgroup", [b"{}"])
    write_object(home / "summary.csv", [b"key\n"])
    found = cli("verify", home, "--json", *with_options(lab))
    facts = json.loads(found.stdout)
    names = [each["store_path"].rpartition("/")[2] for each in facts["stores"]]
    assert names == ["a.zarr", "b.zarr", "replacing.zarr"]
    (failure,) = facts["failed"]
    assert "c.zarr is not finished" in str(failure)
    assert found.exit_code == 1
    told = cli("info", home, *with_options(lab))
    assert "c.zarr is not finished" in told.output


def test_verify_finds_what_is_wrong(cli, made, lab, tree):
    files = tree(made)
    shard = next(name for name in files if name.startswith("0/c/"))
    there = lab.put(made)
    write_object(there / shard, [files[shard][:-1] + b"?"])
    write_object(there / "0/stray", [b"x"])
    remove_objects([there / "overview/zarr.json"])
    found = st.verify_store(there)
    assert {(each.path, each.what) for each in found} >= {
        ("0/stray", "it is not a file of this store"),
        ("overview/zarr.json", "it is missing"),
    }
    assert any(
        each.path == shard and "its bytes are not those written" in each.what for each in found
    )
    assert cli("verify", there, *with_options(lab)).exit_code == 1


def test_a_deep_look_compares_with_the_slide(cli, made, lab, sample):
    there = lab.put(made)
    found = cli("verify", there, "--deep", "--slide", sample, *with_options(lab))
    assert found.exit_code == 0, found.output
    assert lab.proxy.most_at_once > 1


def test_export_writes_a_local_file(cli, made, lab, tmp_path):
    there = lab.put(made)
    outputs = []
    for store in (made, there):
        outputs.append(tmp_path / f"{len(outputs)}.geojson")
        assert cli("export", store, "-o", outputs[-1], *with_options(lab)).exit_code == 0
    assert outputs[0].read_bytes() == outputs[1].read_bytes()


def test_nothing_there_is_told(cli, lab):
    found = cli("info", lab.home / "no.zarr", *with_options(lab))
    assert found.exit_code == 1
    assert found.output.strip().endswith("no.zarr does not exist.")


@pytest.mark.parametrize("option", ["timeout=soon", "endpoint=127.0.0.1:9", "nosuch=1"])
@pytest.mark.parametrize(
    "line", ["info {}/x.svs", "verify {}/x.zarr", "batch {} -o out", "tile {}/x.svs -o {}/x.zarr"]
)
@pytest.mark.usefixtures("lab")  # which puts the options of before back
def test_options_that_cannot_be_are_told_in_a_sentence(cli, tmp_path, monkeypatch, line, option):
    monkeypatch.chdir(tmp_path)
    words = line.format("s3://lab", "s3://lab").split()
    result = cli(*words, "--storage-option", option)
    assert result.exit_code == 1
    assert "Traceback" not in result.output
    assert option.partition("=")[0] in result.output

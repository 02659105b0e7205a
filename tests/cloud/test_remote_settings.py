"""Settings beside a manifest in a bucket are taken as those beside one on a disk."""

import json

import pytest
from object_storage import OPTIONS, Fault

import slidetile as st
from slidetile.cloud.objects import write_object
from slidetile.cloud.options import set_storage_options


@pytest.fixture
def manifest(lab, sample):
    """Write a manifest, and settings beside it; return the manifest."""

    def write(settings):
        lab.put(sample, "lists/a.svs")
        write_object(lab.home / "lists" / "slidetile.toml", [settings.encode()])
        write_object(lab.home / "lists" / "cohort.csv", [b"path\na.svs\n"])
        return lab.home / "lists" / "cohort.csv"

    return write


def options(lab):
    pairs = [f"--storage-option={key}={value}" for key, value in OPTIONS.items()]
    return [*pairs, f"--storage-option=endpoint={lab.proxy.endpoint}"]


def effective(cli, *line):
    result = cli("config", *line, "--json")
    assert result.exit_code == 0, result.stderr
    facts = json.loads(result.stdout)
    return facts["settings_path"], {
        each["key"]: (each["value"], each["source"]) for each in facts["settings"]
    }


def test_they_are_those_of_the_batch(cli, lab, manifest, tmp_path):
    path = manifest('tile-size = 512\ncodec = "raw"\n')
    done = cli("batch", path, "-o", tmp_path / "out")
    assert done.exit_code == 0, done.stderr
    assert f"settings of {lab.home}/lists/slidetile.toml: tile-size, codec\n" in done.stderr
    store = st.open_store(tmp_path / "out" / "a.zarr")
    assert (store.codec, store.metadata.tile_size) == ("raw", 512)


def test_they_are_read_with_the_options_that_are_typed_with_the_command(cli, lab, manifest):
    path = manifest("tile-size = 512\n")
    set_storage_options({})
    found, settings = effective(cli, path, "--codec", "raw", *options(lab))
    assert found == f"{lab.home}/lists/slidetile.toml"
    assert settings["tile-size"] == (512, "file")
    assert settings["codec"] == ("raw", "command line")


def test_an_output_lies_beside_the_file_or_where_it_says(cli, lab, manifest):
    path = manifest('output = "stores"\n')
    assert effective(cli, path)[1]["output"][0] == f"{lab.home}/lists/stores"
    path = manifest('output = "s3://other/stores"\n')
    assert effective(cli, path)[1]["output"][0] == "s3://other/stores"
    path = manifest('output = "/data/stores"\n')
    assert effective(cli, path)[1]["output"][0] == "/data/stores"


def test_an_output_in_a_bucket_may_stand_in_a_file_of_this_machine(cli, tmp_path):
    (tmp_path / "lab.toml").write_text('output = "s3://other/stores"\n')
    _, settings = effective(cli, "--config", tmp_path / "lab.toml")
    assert settings["output"] == ("s3://other/stores", "file")


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ('annotations = "drawn"', "a path beside a file in a bucket leads nowhere"),
        ('detector = "mine:f"', "runs the code of a module"),
        ("overwrite = true", "it replaces finished stores"),
        ("tile_sise = 512", "did you mean tile-size"),
        ("tile-size: 512", "is not TOML"),
        ("#" * 20_000, "is longer than 16,384 bytes"),
    ],
)
def test_what_is_wrong_in_them_is_told(cli, manifest, tmp_path, settings, told):
    ended = cli("batch", manifest(settings), "-o", tmp_path / "out")
    assert ended.exit_code == 2
    assert told in ended.stderr
    assert "slidetile.toml" in ended.stderr
    assert "--config s3" not in ended.stderr


def test_settings_that_may_not_be_looked_at_are_told_and_none(cli, lab, manifest):
    path = manifest("tile-size = 512\n")
    denied = Fault(status=403, code="AccessDenied")
    lab.proxy.fault = lambda each: denied if each.key.endswith(".toml") else None
    ended = cli("config", path)
    assert ended.exit_code == 0
    assert "slidetile.toml may not be read, so there are no settings of it" in ended.stderr

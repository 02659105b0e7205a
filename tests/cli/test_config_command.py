"""`config` shows the settings that a command would use; what it prints is a settings file."""

import json
import tomllib

from click.testing import CliRunner
from hypothesis import given
from hypothesis import settings as limited
from hypothesis import strategies as hs

from slidetile.cli.commands import main
from slidetile.cli.settings_file import setting_options
from slidetile.cli.toml import ascii_toml, toml_text

OPTIONS = setting_options([main.commands["tile"], main.commands["batch"]])


def run(*line):
    return CliRunner().invoke(main, ["config", *map(str, line)])


def facts(*line):
    result = run(*line, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)["settings"]


def values(settings):
    return {each["key"]: each["value"] for each in settings}


def test_it_lists_every_option_of_tile_and_batch():
    assert [each["key"] for each in facts()] == list(OPTIONS)


def test_its_table_says_where_each_setting_comes_from(tmp_path):
    path = tmp_path / "lab.toml"
    path.write_text("tile-size = 512")
    result = run("--config", path, "--codec", "raw")
    assert result.exit_code == 0
    head, *lines = [line.split(maxsplit=2) for line in result.stdout.splitlines()]
    assert head == ["setting", "value", "from"]
    assert ["tile-size", "512", str(path)] in lines
    assert ["codec", '"raw"', "command line"] in lines
    assert ["edge", '"keep"', "default"] in lines
    assert [line[:2] for line in lines if line[0] == "mpp"] == [["mpp", "not"]]


def test_it_takes_inputs_that_are_not_there(tmp_path):
    assert facts(tmp_path / "none.csv", "none.svs") == facts()


def test_it_refuses_what_the_commands_refuse():
    for line, why in [
        (("--jpeg-quality", 80), "--jpeg-quality needs --codec jpeg"),
        (("--tile-size", 1000), "A tile size must be a multiple of 16"),
        (("--keep-pen", "--detector", "mine:own"), "keep_pen applies to the detector"),
        (("--detector", "nonsense"), "'nonsense' is not a detector"),
        (("--timeout", "inf"), "--timeout inf is a number that no settings file holds"),
        (("--toml", "--json"), "--toml and --json are two ways to print"),
    ]:
        result = run(*line)
        assert result.exit_code == 2
        assert why in " ".join(result.output.split())


def test_its_toml_says_where_each_setting_comes_from(tmp_path):
    path = tmp_path / "lab.toml"
    path.write_text("tile-size = 512")
    lines = run("--config", path, "--toml", "--codec", "raw").stdout.splitlines()
    assert lines[0] == f"# the file is {path}"
    assert "tile-size = 512  # file" in lines
    assert 'codec = "raw"  # command line' in lines
    assert "# mpp is not set" in lines


def test_a_path_that_is_no_text_is_no_toml():
    result = run("--annotations", "caf\udce9", "--toml")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "--annotations is a path that is no text" in result.stderr


WORDS = hs.text(
    hs.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1
).filter(lambda text: not text.startswith("-"))
POSITIVE = hs.integers(1, 10_000)


def an(option, values):
    """An option that is typed or not, with one of the values."""
    return hs.one_of(hs.just([]), values.map(lambda value: [option, str(value)]))


def one_of(option):
    return an(option, hs.sampled_from(list(OPTIONS[option[2:]].type.choices)))


def all_of(*parts):
    return hs.tuples(*parts).map(lambda lists: [word for words in lists for word in words])


def flag(option):
    return hs.sampled_from([[], [f"--{option}"], [f"--no-{option}"]])


CODECS = hs.one_of(
    one_of("--codec"),
    all_of(hs.just(["--codec", "jpeg"]), an("--jpeg-quality", hs.integers(1, 100))),
    all_of(hs.just(["--codec", "jxl"]), an("--effort", hs.integers(1, 9))),
    all_of(hs.just(["--codec", "native"]), one_of("--check")),
)

RESOLUTIONS = hs.one_of(
    an("--mpp", hs.floats(0.06, 40)),
    an("--objective", hs.sampled_from(["40x", "2.5X", "10", "1.25×"])),
)

NUMBERS_OF_TILES = hs.one_of(
    an("--max-tiles", POSITIVE),
    all_of(POSITIVE.map(lambda n: ["--sample", f"{n}"]), an("--seed", hs.integers(0, 2**63 - 1))),
)

DETECTORS = hs.one_of(
    an("--detector", hs.sampled_from(["otsu", "dark", "density", "mine:own", "a.b:c.d"])),
    flag("keep-pen"),
)

ANNOTATIONS = all_of(
    WORDS.map(lambda path: ["--annotations", f"./{path}"]),
    hs.lists(WORDS, max_size=3).map(
        lambda names: [word for name in names for word in ("--annotations-class", name)]
    ),
    one_of("--annotations-mode"),
    one_of("--annotations-unit"),
    one_of("--annotations-origin"),
)

LINES = all_of(
    CODECS,
    RESOLUTIONS,
    NUMBERS_OF_TILES,
    DETECTORS,
    hs.one_of(hs.just([]), ANNOTATIONS),
    hs.sampled_from([[], ["--overwrite"], ["--restart"], ["--no-overwrite", "--no-restart"]]),
    hs.sampled_from([[], ["--dtype", "uint8"], ["--dtype", "uint8", "--window", "200,4000"]]),
    *map(flag, ["cores", "durable", "anonymous", "retry-unreadable", "isolate"]),
    one_of("--color"),
    one_of("--edge"),
    an("--tile-size", hs.sampled_from([16, 512, 8192])),
    an("--min-tissue-fraction", hs.floats(0, 1)),
    an("--tissue-mpp", hs.floats(1, 100)),
    an("--slide-mpp", hs.floats(0.06, 40)),
    an("--min-piece-area-um2", hs.floats(0, 1e300)),
    an("--min-hole-area-um2", hs.floats(0, 1e-300)),
    an("--tissue-margin-um", hs.floats(0, 1000)),
    an("--reader", hs.sampled_from(["tiff", "openslide"])),
    an("--channels", hs.sampled_from(["0", "DAPI,CD3", '"a,b", ä'])),
    an("--z", hs.integers(0, 100)),
    an("--t", hs.integers(0, 100)),
    an("--workers", POSITIVE),
    an("--processes", hs.integers(0, 100)),
    an("--timeout", hs.floats(1, 1e9)),
    an("--memory", hs.sampled_from(["1", "2GB", "1.5GiB", "100k"])),
    WORDS.map(lambda path: ["--output", f"./{path}"]),
)


@given(line=LINES)
@limited(max_examples=50)
def test_its_toml_gives_the_same_settings_again(line, tmp_path_factory):
    told = run(*line, "--toml")
    assert told.exit_code == 0, told.output
    path = tmp_path_factory.mktemp("again") / "lab.toml"
    path.write_bytes(told.stdout_bytes)
    expected, again = facts(*line), facts("--config", path)
    assert values(again) == values(expected)
    is_set = [each for each in again if each["value"] is not None]
    assert {each["source"] for each in is_set} == {"file"}
    typed = {word.removeprefix("--") for word in line if word.startswith("--")}
    assert {each["key"] for each in is_set} >= typed & set(OPTIONS)


@given(value=hs.recursive(hs.booleans() | hs.integers() | hs.floats() | hs.text(), hs.lists))
def test_values_are_written_as_python_reads_them(value):
    text = ascii_toml(f"a = {toml_text(value)}")
    assert text.isascii()
    assert repr(tomllib.loads(text)["a"]) == repr(value)
    assert repr(tomllib.loads(f"a = {toml_text(value)}")["a"]) == repr(value)


def test_a_command_does_what_it_shows(cli, sample, tmp_path, tree):
    line = ("--tile-size", 512, "--codec", "jpeg", "--jpeg-quality", 50, "--edge", "drop")
    path = tmp_path / "lab.toml"
    path.write_bytes(run(*line, "--toml").stdout_bytes)
    for more, name in ((line, "a.zarr"), (("--config", path), "b.zarr")):
        assert cli("tile", sample, *more, "-o", tmp_path / name).exit_code == 0
    assert tree(tmp_path / "a.zarr") == tree(tmp_path / "b.zarr")

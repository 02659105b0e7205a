"""Settings from a file: which file, what it may hold, and that what is typed wins over it."""

import json
import os
import shutil
import sys
from pathlib import Path

import pytest

import slidetile as st
from slidetile.cli.commands import main
from slidetile.cli.settings_file import MOST_BYTES, setting_options

MODULE = """
from pathlib import Path

Path("was-run").touch()

def all_of_it(image):
    return image[..., 0] >= 0
"""


@pytest.fixture(autouse=True)
def _in_a_folder_of_ones_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def settings(tmp_path):
    """Write a settings file, and return its path."""

    def write(text, name="lab.toml"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path.relative_to(tmp_path)

    return write


@pytest.fixture
def cohort(settings, tmp_path):
    """A folder with an empty manifest and settings beside it; it returns the manifest."""

    def write(text, folder="cohort"):
        settings(text, f"{folder}/slidetile.toml")
        (tmp_path / folder / "cohort.csv").touch()
        return f"{folder}/cohort.csv"

    return write


def effective(cli, *line):
    """The settings that a line has: value and source by key."""
    result = cli("config", *line, "--json")
    assert result.exit_code == 0, result.output
    assert result.stderr == ""
    facts = json.loads(result.stdout)
    return {each["key"]: (each["value"], each["source"]) for each in facts["settings"]}


def refused(cli, *line):
    """The lines by which a line is refused."""
    result = cli(*line)
    assert result.exit_code == 2, result.output
    return result.stderr.partition("Error: ")[2].splitlines()


# Which file


def test_a_file_that_is_named_sets_a_commands_options(cli, sample, settings):
    lab = settings('tile-size = 512\ncodec = "zstd"\nanonymous = true\n')
    result = cli("tile", sample, "-o", "a.zarr", "--config", lab)
    assert result.exit_code == 0, result.output
    assert result.stderr.startswith("settings of lab.toml: tile-size, codec, anonymous\n")
    store = st.open_store("a.zarr")
    assert (store.tile_size, store.codec) == (512, "zstd")
    assert store.metadata.source.is_anonymous


@pytest.mark.parametrize("command", ["tile", "plan", "tissue", "batch", "config"])
def test_which_commands_take_a_file(command):
    assert "config" in {param.name for param in main.commands[command].params}


def test_settings_of_tissue_reach_every_command_that_looks_for_it(cli, sample, settings):
    lab = settings('detector = "otsu"\ntile-size = 512\nprocesses = 0\n')
    result = cli("tissue", sample, "--config", lab)
    assert "OtsuDetector" in result.stdout
    told = "settings of lab.toml: detector; without effect on tissue: tile-size, processes\n"
    assert result.stderr.startswith(told)
    facts = json.loads(cli("plan", sample, "--config", lab, "--json").stdout)
    assert facts["tile_size_px"] == 512


def test_nothing_is_said_beside_json(cli, sample, settings):
    result = cli("plan", sample, "--config", settings("tile-size = 512"), "--json")
    assert (result.exit_code, result.stderr) == (0, "")
    assert json.loads(result.stdout)["tile_size_px"] == 512


@pytest.mark.parametrize("manifest", ["cohort.csv", "cohort.parquet", "COHORT.CSV"])
def test_settings_beside_a_manifest_are_taken(cli, settings, tmp_path, manifest):
    settings("tile-size = 512", "cohort/slidetile.toml")
    (tmp_path / "cohort" / manifest).touch()
    assert effective(cli, f"cohort/{manifest}")["tile-size"] == (512, "file")
    result = cli("batch", f"cohort/{manifest}", "-o", "out", "--processes", 0)
    assert result.stderr.startswith("settings of cohort/slidetile.toml: tile-size\n")


def test_settings_in_the_current_folder_or_beside_slides_are_not_taken(cli, sample, settings):
    settings("tile-size = 512", "slidetile.toml")
    settings("tile-size = 512", "slides/slidetile.toml")
    shutil.copy(sample, "slides/a.svs")
    for line in (("plan", "slides/a.svs"), ("tissue", "slides/a.svs")):
        assert "settings" not in cli(*line).stderr
    result = cli("batch", "slides", "slides/a.svs", "-o", "out", "--processes", 0)
    assert "settings" not in result.stderr
    assert st.open_store("out/a.zarr").tile_size == 1024
    assert effective(cli, "slides")["tile-size"] == (1024, "default")


def test_a_manifest_of_one_slide_commands_is_none(cli, cohort):
    assert "settings" not in cli("plan", cohort("tile-size = 512")).stderr


def test_a_folder_that_ends_like_a_manifest_is_none(cli, settings, tmp_path):
    settings("tile-size = 512", "cohort/slidetile.toml")
    (tmp_path / "cohort" / "slides.parquet").mkdir()
    assert effective(cli, "cohort/slides.parquet")["tile-size"] == (1024, "default")


def test_a_file_that_is_named_wins_over_one_that_is_found(cli, cohort, settings):
    manifest, lab = cohort("tile-size = 512"), settings('codec = "raw"')
    result = cli("config", manifest, "--config", lab)
    assert result.stderr == ("settings of lab.toml: codec; not read: cohort/slidetile.toml\n")
    told = effective(cli, manifest, "--config", lab)
    assert (told["tile-size"], told["codec"]) == ((1024, "default"), ("raw", "file"))


def test_the_file_that_is_found_may_be_named(cli, cohort, tmp_path):
    manifest = cohort("tile-size = 512")
    for name in ("cohort/slidetile.toml", tmp_path / "cohort" / "slidetile.toml"):
        told = cli("config", manifest, "--config", name).stderr
        assert told == f"settings of {name}: tile-size\n"


def test_several_manifests_share_a_file_or_one_is_named(cli, cohort):
    one, two = cohort("tile-size = 512"), cohort("tile-size = 256", "other")
    again = one.replace("cohort.csv", "more.csv")
    assert effective(cli, one, again, f"./{one}")["tile-size"] == (512, "file")
    (line,) = refused(cli, "config", one, two)
    assert "cohort/slidetile.toml, other/slidetile.toml: name the file that counts" in line
    named = effective(cli, one, two, "--config", "other/slidetile.toml")
    assert named["tile-size"] == (256, "file")


def test_the_help_is_shown_whatever_the_file_is(cli):
    assert cli("tile", "--config", "none.toml", "--help").exit_code == 0


# What is typed wins


def test_what_is_typed_wins_over_the_file_and_the_file_over_defaults(cli, settings):
    text = 'tile-size = 512\ncodec = "zstd"\nannotations = "x"\nannotations-class = ["a", "b"]\n'
    lab = settings(text + "cores = true\nmemory = '2GB'\n")
    line = ("--config", lab, "--codec", "raw", "--annotations-class", "c", "--no-cores")
    told = effective(cli, *line)
    assert told["codec"] == ("raw", "command line")
    assert told["annotations-class"] == (["c"], "command line")
    assert told["cores"] == (False, "command line")
    assert told["tile-size"] == (512, "file")
    assert told["memory"] == (2_000_000_000, "file")
    assert told["edge"] == ("keep", "default")
    replaced = "; replaced by what is typed: codec, cores, annotations-class\n"
    assert cli("config", *line).stderr.endswith(replaced)


def test_every_flag_of_a_file_can_be_typed_away():
    flags = [o for o in setting_options([main.commands["batch"]]).values() if o.is_flag]
    assert {"overwrite", "cores", "isolate"} <= {flag.name for flag in flags}
    assert all(flag.secondary_opts == [f"--no-{flag.opts[0][2:]}"] for flag in flags)


@pytest.mark.parametrize(
    ("text", "line", "gone"),
    [
        ("mpp = 0.5", ["--objective", "10x"], ["mpp"]),
        ("objective = '10x'", ["--mpp", "0.5"], ["objective"]),
        ("sample = 9\nseed = 3", ["--max-tiles", "5"], ["sample", "seed"]),
        ("max-tiles = 9", ["--sample", "5"], ["max-tiles"]),
        ("restart = true", ["--overwrite"], ["restart"]),
        ("overwrite = true", ["--restart"], ["overwrite"]),
        ("keep-pen = true", ["--detector", "otsu"], ["keep-pen"]),
        ("detector = 'otsu'", ["--keep-pen"], ["detector"]),
        ("codec = 'jpeg'\njpeg-quality = 80", ["--codec", "zstd"], ["jpeg-quality"]),
        ("codec = 'jxl'\neffort = 3", ["--codec", "auto"], ["effort"]),
        ("check = 'decode'", ["--codec", "reference"], ["check"]),
    ],
)
def test_what_contradicts_what_is_typed_gives_way(cli, settings, text, line, gone):
    told = effective(cli, "--config", settings(text), *line)
    assert {told[key][1] for key in gone} == {"default"}


@pytest.mark.parametrize(
    ("text", "line", "kept"),
    [
        ("codec = 'jpeg'\njpeg-quality = 80", ["--codec", "jpeg"], ("jpeg-quality", 80)),
        ("jpeg-quality = 80", ["--codec", "jpeg"], ("jpeg-quality", 80)),
        ("restart = true", ["--no-overwrite"], ("restart", True)),
        ("detector = 'otsu'", ["--no-keep-pen"], ("detector", "otsu")),
    ],
)
def test_what_goes_with_what_is_typed_stays(cli, settings, text, line, kept):
    key, value = kept
    assert effective(cli, "--config", settings(text), *line)[key] == (value, "file")


def test_settings_that_contradict_each_other_are_told_with_their_file(cli, sample, settings):
    lab = settings("mpp = 0.5\nobjective = '10x'")
    for line in (("tile", sample, "-o", "a.zarr"), ("config",)):
        (told,) = refused(cli, *line, "--config", lab)
        assert told.startswith("--mpp and --objective both set the resolution")
        assert told.endswith("(With mpp, objective from lab.toml.)")
    assert not os.path.lexists("a.zarr")


# Paths


def test_paths_lead_from_the_files_folder(cli, cohort, sample, tmp_path):
    manifest = cohort('annotations = "drawn"\noutput = "../stores"\n')
    told = effective(cli, manifest)
    assert told["annotations"] == (str(tmp_path / "cohort" / "drawn"), "file")
    assert told["output"] == (str(tmp_path / "stores"), "file")
    shutil.copy(sample.parent / "sample.geojson", "cohort/drawn")
    plan = json.loads(cli("plan", sample, "--config", "cohort/slidetile.toml", "--json").stdout)
    assert plan["found_tissue"] is None  # it is drawn


def test_an_absolute_path_stays(cli, settings, tmp_path):
    lab = settings(f"annotations = '{tmp_path / 'elsewhere'}'", "deep/lab.toml")
    assert effective(cli, "--config", lab)["annotations"][0] == str(tmp_path / "elsewhere")


def test_the_output_is_a_batchs_folder_and_no_store(cli, sample, settings):
    lab = settings('output = "stores"', "deep/lab.toml")
    result = cli("batch", sample, "--config", lab, "--processes", 0)
    assert result.exit_code == 0, result.output
    assert Path("deep/stores/sample.zarr/zarr.json").is_file()
    result = cli("tile", sample, "--config", lab)
    told = "settings of deep/lab.toml: none; without effect on tile: output\n"
    assert result.stderr.startswith(told)
    assert Path("sample.zarr/zarr.json").is_file()


# What is wrong


WRONG = {
    "tile-sise = 512": "no setting is called so: did you mean tile-size?",
    "annotations-classes = ['a']": "no setting is called so: did you mean annotations-class?",
    "Codec = 'raw'": "no setting is called so: did you mean codec?",
    "preview = 'a.png'": "no setting is called so: settings are the long options of tile and batch",
    "json = true": "no setting is called so: did you mean log-json?",
    "config = 'b.toml'": "no setting is called so: settings are the long options of tile and batch",
    "tile-size = 1000": "must be a multiple of 16 from 16 to 8192 pixels, but this one is 1000.",
    "tile-size = 512.0": "give a whole number.",
    "tile-size = true": "give a whole number.",
    "mpp = '0.5'": "give a number.",
    "mpp = 500": "",
    "slide-mpp = 0": "",
    "min-tissue-fraction = 2": "lies between 0 and 1, but this one is 2.0",
    "tissue-margin-um = -1": "must be 0 or more",
    "codec = 'zip'": "'zip' is not one of 'auto', 'native', 'zstd'",
    "codec = 1": 'give one of "auto", "native", "zstd"',
    "workers = 0": "0 is not in the range x>=1.",
    "workers = [1]": "give a whole number.",
    "cores = 1": "give true or false.",
    "objective = 'x20'": "is not a power such as 20x.",
    "objective = [20]": 'give a power such as "20x".',
    "memory = 'much'": "'much' is not a size such as 2GB or 512MiB.",
    "memory = -1": "must be at least 1",
    "memory = 0.5": 'give a size such as "2GB", or a whole number of bytes.',
    "jpeg-quality = 101": "101 is not in the range 1<=x<=100.",
    "seed = -1": "seed must be from 0",
    "seed = 99999999999999999999": "within 64 bits",
    "timeout = 0": "0.0 is not in the range x>0.",
    "timeout = nan": "no inf or nan",
    "window = 'wide'": "A window is percentile:LOW,HIGH",
    "z = -1": "",
    "channels = ''": "--channels names none",
    "annotations = ''": "the path is empty",
    "annotations = 's3://bucket/drawn'": "s3://bucket/drawn is an address: here",
    "annotations-class = 'a'": 'give a list of texts, such as ["one", "two"].',
    "annotations-class = [1]": 'give a list of texts, such as ["one", "two"].',
    "annotations-mode = 'cut'": "'cut' is not one of 'replace', 'intersect', 'exclude'.",
    "detector = 'nonsense'": "'nonsense' is not a detector: give otsu, dark, density, or MODULE",
    "reader = 'x'": "but not 'x'.",
    "dtype = 2020-01-01": 'give one of "uint8".',
    "tile = {size = 512}": "no setting is called so: did you mean tile-size?",
}


@pytest.mark.parametrize(("text", "why"), WRONG.items())
def test_what_is_wrong_is_told_with_file_key_value_and_what_is_right(cli, settings, text, why):
    (line,) = refused(cli, "tile", "x.svs", "--config", settings(text))
    key, _, value = text.replace("'", '"').partition(" = ")
    shown = "{…}" if value.startswith("{") else value
    assert line.startswith(f"lab.toml: {key} = {shown}: ")
    assert why in line


def test_all_that_is_wrong_is_told_at_once(cli, settings):
    several = {text.partition(" = ")[0]: text for text in WRONG}
    lab = settings("edge = 'keep'\n" + "\n".join(several.values()))
    head, *lines = refused(cli, "batch", "x.svs", "-o", "out", "--config", lab)
    assert head == f"{len(several)} settings cannot be used:"
    assert [line.strip().split(" = ")[0] for line in lines] == [
        f"lab.toml: {key}" for key in several
    ]
    told = json.loads(cli("plan", "x.svs", "--config", lab, "--json").stdout)["error"]["message"]
    assert told == " ".join(" ".join([head, *lines]).split())


def test_both_spellings_are_keys_but_not_of_one_setting(cli, settings):
    assert effective(cli, "--config", settings("tile_size = 512"))["tile-size"] == (512, "file")
    (line,) = refused(cli, "config", "--config", settings("tile_size = 512\ntile-size = 512"))
    assert (
        line == "lab.toml: tile-size = 512: tile-size is given twice, with - and with _; keep one."
    )


def test_every_setting_has_a_value_that_is_checked():
    """What the command line offers newly is a setting at once, of a type that is known."""
    from slidetile.cli.settings_file import _kinds

    for key, option in setting_options([main.commands[name] for name in ("tile", "batch")]).items():
        kinds, expected = _kinds(option)
        assert kinds, (key, expected)


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"tile-size = ", "lab.toml is not TOML: Invalid value (at end of document)"),
        (b"tile-size: 512", "lab.toml is not TOML: "),
        (b"codec = zstd", "texts stand in quotes"),
        (b"a = 1\na = 2", "lab.toml is not TOML: Cannot overwrite a value"),
        (b"codec = '\xff'", "lab.toml is not UTF-8 text: save it as UTF-8"),
        (b"a = " + b"[" * 16_000, "lab.toml is not TOML: it is nested too deeply"),
        (b"a" + b".a" * 2_000 + b" = 1", "lab.toml: a = {…}: no setting is called so"),
        (b"a = " + b"9" * 16_000, "lab.toml is not TOML: "),
        (b"#" * (MOST_BYTES + 1), "lab.toml is longer than 16,384 bytes"),
        (b"".join(b"k%d=1\n" % n for n in range(2000)), "has 2,000 keys, more than 200"),
    ],
    ids=lambda data: data[:12] if isinstance(data, bytes) else "",
)
def test_a_file_that_is_no_settings(cli, tmp_path, data, why):
    (tmp_path / "lab.toml").write_bytes(data)
    (line,) = refused(cli, "config", "--config", "lab.toml")
    assert why in line


def test_the_longest_file_and_one_of_another_editor_are_read(cli, tmp_path):
    text = b"\xef\xbb\xbftile-size = 512\r\n#"
    (tmp_path / "lab.toml").write_bytes(text + b"#" * (MOST_BYTES - len(text)))
    assert effective(cli, "--config", "lab.toml")["tile-size"] == (512, "file")


def test_an_empty_file_sets_nothing(cli, settings):
    assert cli("config", "--config", settings("")).stderr == "settings of lab.toml: none\n"


@pytest.mark.parametrize("where", ["named", "found"])
@pytest.mark.parametrize("what", ["pipe", "folder", "link to nothing", "device"])
def test_what_is_no_file_is_refused_at_once(command, tmp_path, what, where):
    (tmp_path / "cohort.csv").touch()
    path = tmp_path / "slidetile.toml"
    if what == "pipe":
        os.mkfifo(path)
    elif what == "folder":
        path.mkdir()
    else:
        path.symlink_to("/dev/zero" if what == "device" else "nowhere")
    line = ["--config", path] if where == "named" else [tmp_path / "cohort.csv"]
    done = command("config", *line)
    assert done.exit_code == 2
    assert str(path) in done.stderr
    assert "Traceback" not in done.stderr


def test_a_link_is_followed_only_where_it_is_named(cli, cohort, tmp_path):
    manifest = cohort("tile-size = 512")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "cohort.csv").touch()
    (tmp_path / "other" / "slidetile.toml").symlink_to(tmp_path / "cohort" / "slidetile.toml")
    (line,) = refused(cli, "config", "other/cohort.csv")
    assert line == (
        "other/slidetile.toml is a link, which is followed only where it is named: "
        "--config other/slidetile.toml"
    )
    told = effective(cli, "--config", "other/slidetile.toml")
    assert told == effective(cli, manifest)


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("none.toml", "none.toml: No such file or directory"),
        ("", "the path is empty"),
        ("https://example.org/lab.toml", "is an address: here"),
        ("lab.toml/x", "Not a directory"),
    ],
)
def test_a_file_that_is_named_must_be_there(cli, settings, name, why):
    settings("")
    assert why in refused(cli, "config", "--config", name)[0]


def test_keys_and_values_command_no_terminal(cli, settings):
    lab = settings('"a\\u001b[31m\\nError: b" = 1\nreader = "\\u001b[31m\\nError: c"\n')
    _, *lines = refused(cli, "config", "--config", lab)
    assert len(lines) == 2
    assert "\x1b" not in "".join(lines)


# What a file may do that nobody has named


@pytest.fixture
def module(tmp_path):
    (tmp_path / "mine.py").write_text(MODULE)
    before = list(sys.path)
    yield
    sys.path[:] = before
    sys.modules.pop("mine", None)


@pytest.mark.usefixtures("module")
def test_a_file_that_is_found_runs_no_code(cli, cohort):
    manifest = cohort("detector = 'mine:all_of_it'")
    (line,) = refused(cli, "batch", manifest, "-o", "out")
    assert "it runs the code of a module, which a file that is not named may not do" in line
    assert "--config cohort/slidetile.toml, or type --detector mine:all_of_it" in line
    assert not os.path.lexists("was-run")
    named = cohort("detector = 'otsu'")
    assert effective(cli, named)["detector"] == ("otsu", "file")


@pytest.mark.parametrize("line", ["cluster = 'evil.yaml'", "scheduler = 'tcp://evil:8786'"])
def test_a_file_that_is_found_begins_no_programs_and_takes_no_code(cli, cohort, line):
    (told,) = refused(cli, "batch", cohort(line), "-o", "out")
    assert "which a file that is not named may not do: take the file with --config" in told
    assert not os.path.lexists("out")


@pytest.mark.usefixtures("module")
def test_a_file_that_is_named_may_name_a_detector_of_ones_own(cli, sample, settings):
    lab = settings("detector = 'mine:all_of_it'", "deep/lab.toml")
    result = cli("tissue", sample, "--config", lab, "--json")
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["tissue"][0]["found_by"] == "all_of_it"
    assert os.path.lexists("was-run")


@pytest.mark.usefixtures("module")
def test_a_module_beside_the_file_is_not_looked_for(cli, sample, settings, tmp_path):
    lab = settings("detector = 'mine:all_of_it'", "deep/lab.toml")
    (tmp_path / "mine.py").rename(tmp_path / "deep" / "mine.py")
    (line,) = refused(cli, "tissue", sample, "--config", lab)
    assert "mine cannot be imported" in line
    assert not os.path.lexists("deep/was-run")


@pytest.mark.usefixtures("module")
def test_showing_settings_runs_no_code(cli, settings):
    lab = settings("detector = 'mine:all_of_it'")
    assert effective(cli, "--config", lab)["detector"] == ("mine:all_of_it", "file")
    typed = effective(cli, "--detector", "mine:all_of_it")
    assert typed["detector"] == ("mine:all_of_it", "command line")
    assert not os.path.lexists("was-run")


@pytest.mark.parametrize("key", ["overwrite", "restart"])
def test_a_file_that_is_found_deletes_nothing(cli, cohort, key):
    (line,) = refused(cli, "batch", cohort(f"{key} = true"), "-o", "out")
    assert "stores, which a file that is not named may not do" in line
    assert effective(cli, cohort(f"{key} = false"))[key] == (False, "file")
    assert effective(cli, "--config", "cohort/slidetile.toml")[key] == (False, "file")
    assert effective(
        cli, "--config", cohort(f"{key} = true").replace("cohort.csv", "slidetile.toml")
    )[key] == (True, "file")


def test_settings_beside_manifests_that_a_glob_matches_are_taken(cli, cohort):
    cohort("tile-size = 256\n", "lab/one")
    assert effective(cli, "lab/*/cohort.csv")["tile-size"] == (256, "file")
    assert effective(cli, "lab/*.csv")["tile-size"][0] != 256  # nothing matches
    cohort("tile-size = 512\n", "lab/two")
    (line,) = refused(cli, "config", "lab/*/cohort.csv")
    assert line.startswith("Several manifests have settings beside them")

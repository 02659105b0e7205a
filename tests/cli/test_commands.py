"""The command line: what it says, where it says it, and how it ends."""

import json
import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import slidetile as st
from slidetile.format.table import QUALITY_COLUMNS
from slidetile.raster.drawing import GRID_COLOUR, OUTLINE_COLOUR


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path, monkeypatch):
    folder = tmp_path / "cwd"
    folder.mkdir()
    monkeypatch.chdir(folder)


@pytest.fixture(scope="module")
def store(sample, tmp_path_factory):
    path = tmp_path_factory.mktemp("store") / "known.zarr"
    return st.tile_slide(sample, path, st.Recipe(tile=st.TileSpec(size=512)))


def facts(text):
    """The lines `name  value` of a report."""
    return dict(re.split(r"\s{2,}", line, maxsplit=1) for line in text.splitlines())


def test_info_on_a_slide(cli, sample):
    result = cli("info", sample)
    assert (result.exit_code, result.stderr) == (0, "")
    told = facts(result.stdout)
    assert told["slide"] == "sample.svs"
    assert told["size"] == "3840×2560 px"
    assert told["levels"] == "3840×2560 (1/1), 960×640 (1/4)"
    assert told["resolution"] == "0.5 µm per pixel"
    assert told["objective"] == "20×"
    assert told["file"] == "1.3 MB"
    assert told["native tiles"] == "256×256, 256×256"
    assert told["colour profile"] == "none"
    assert "scan area" not in told


def test_info_with_another_mpp_and_reader(cli, sample):
    told = json.loads(
        cli("info", sample, "--slide-mpp", "0.25", "--reader", "openslide", "--json").stdout
    )
    assert told["mpp_um"] == [0.25, 0.25]
    assert told["reader"] == "openslide"


def test_info_on_a_store(cli, store):
    told = facts(cli("info", store.path).stdout)
    assert told["slide"] == "sample.svs"
    assert told["tiles"] == str(len(store))
    assert told["tile size"] == "512 px"
    assert told["codec"] == "native"
    assert told["tiles take"] == f"{sum(store.tiles['bytes'].to_pylist()) / 1e6:.1f} MB"
    assert told["median shares"].endswith("clipped 0.0 %, pen 0.0 %")


def test_info_tells_the_medians(cli, store):
    told = json.loads(cli("info", store.path, "--json").stdout)["quality"]
    assert told["mpp_um"] == [4.0, 4.0]
    assert list(told["medians"]) == list(QUALITY_COLUMNS)
    for name, value in told["medians"].items():
        assert value == pytest.approx(np.median(store.tiles[name].to_numpy()))
    assert told["tiles_with_pen"] == 0
    sharpness = f"{told['medians']['laplacian_variance']:,.0f}"
    assert f"{sharpness} (variance of the Laplacian, at 4 µm" in cli("info", store.path).stdout


def test_info_on_a_folder_that_is_no_store(cli, tmp_path):
    result = cli("info", tmp_path)
    assert result.exit_code == 1
    assert "is a folder that holds no store" in result.stderr


def test_plan_tells_and_writes_nothing(cli, sample, store, tmp_path):
    result = cli("plan", sample, "--tile-size", "512", "--json")
    assert (result.exit_code, result.stderr) == (0, "")
    told = json.loads(result.stdout)
    assert told["tiles"] == len(store)
    assert told["grid_tiles"] == 8 * 5
    assert told["codec"] == "native"
    assert told["seconds"] > 0
    assert told["fits"] is (told["store_bytes"] <= told["free_bytes"])
    told = facts(cli("plan", sample, "--tile-size", "512").stdout)
    assert told["tiles"] == str(len(store))
    assert told["grid"] == "40 tiles of 512 px"
    assert re.fullmatch(r"[\d.,]+ [µm]m², [\d.]+ % of the slide; pieces: \d+", told["tissue"])
    assert re.match(r"\d+ pieces, [\d.,]+ [µm]m²", told["found"])
    assert re.fullmatch(r"less than 0.1 s|[\d.]+ s", told["time"])
    assert told["disk"].endswith("GB free, it fits")
    assert list((tmp_path / "cwd").iterdir()) == []


def test_plan_draws_mask_and_grid(cli, sample):
    result = cli("plan", sample, "--tile-size", "512", "--preview", "plan.png")
    assert facts(result.stdout)["preview"] == "plan.png"
    with Image.open("plan.png") as picture:
        assert picture.format == "PNG"
        assert picture.width / picture.height == pytest.approx(3840 / 2560, rel=0.01)
        colours = {colour for _, colour in picture.getcolors(1 << 24)}
    assert {OUTLINE_COLOUR, GRID_COLOUR} <= colours


def test_tile_names_the_store_after_the_slide(cli, sample, tree):
    result = cli("tile", sample)
    assert result.exit_code == 0
    told = facts(result.stdout)
    assert told["store"] == "sample.zarr"
    assert told["unreadable"] == "0"
    assert re.fullmatch(r"less than 0.1 s|[\d.]+ s", told["time"])
    assert re.fullmatch(r"[\d.]+ [MG]B at most", told["memory"])
    assert result.stderr.splitlines()[-1].startswith(f"{told['tiles']}/{told['tiles']} tiles, ")
    st.tile_slide(sample, "library.zarr")
    assert tree(st.open_store("sample.zarr").path) == tree(st.open_store("library.zarr").path)


def test_options_reach_the_store(cli, sample):
    options = (
        "--tile-size 256 --min-tissue-fraction 0.5 --codec jpeg --jpeg-quality 70 "
        "--tissue-mpp 16 --slide-mpp 0.4 --reader openslide --workers 1 "
        "--edge shift --sample 20 --seed 4"
    )
    assert cli("tile", sample, "-o", "deep/down/x.zarr", *options.split()).exit_code == 0
    store = st.open_store("deep/down/x.zarr")
    assert (store.tile_size, store.codec, store.mpp) == (256, "jpeg", (0.4, 0.4))
    assert store.attributes["source"]["reader"] == "openslide"
    parameters = store.attributes["parameters"]
    assert parameters["min_tissue_fraction"] == 0.5
    assert (parameters["edge"], parameters["sample"], parameters["seed"]) == ("shift", 20, 4)
    assert len(store) == 20
    assert parameters["codec"]["quality"] == 70
    assert parameters["tissue"]["mpp"] == 16


def test_json_is_all_a_machine_gets(command, sample, tmp_path):
    done = command("tile", sample, "-o", tmp_path / "x.zarr", "--json")
    assert (done.exit_code, done.stderr) == (0, "")
    assert json.loads(done.stdout)["store"]["tiles"] == len(st.open_store(tmp_path / "x.zarr"))


def test_without_a_terminal_progress_is_plain_lines(command, sample, tmp_path):
    done = command("tile", sample, "-o", tmp_path / "x.zarr")
    assert done.exit_code == 0
    tiles = len(st.open_store(tmp_path / "x.zarr"))
    line = rf"\d+/{tiles} tiles, [\d.]+ tiles/s, [\d.]+ (bytes|kB|MB)/s\n"
    assert re.fullmatch(f"({line})+", done.stderr)
    assert "tiles, " not in done.stdout


def test_on_a_terminal_progress_is_a_bar(sample, tmp_path):
    ours, theirs = pty.openpty()
    code = "from slidetile.cli.commands import main; main()"
    arguments = ["tile", sample, "-o", tmp_path / "x.zarr"]
    with subprocess.Popen(
        [sys.executable, "-c", code, *arguments],
        stdout=subprocess.PIPE,
        stderr=theirs,
        env={**os.environ, "TERM": "xterm", "COLUMNS": "100"},
    ) as running:
        os.close(theirs)
        seen = b"".join(iter(lambda: _read(ours), b"")).decode()
        told = running.stdout.read().decode()
    os.close(ours)
    assert running.returncode == 0
    assert "━" in seen
    tiles = len(st.open_store(tmp_path / "x.zarr"))
    assert f"{tiles}/{tiles}" in seen
    assert "\x1b[" in seen
    assert facts(told)["tiles"] == str(tiles)


def _read(terminal):
    try:
        return os.read(terminal, 1 << 16)
    except OSError:  # Linux says so when the other side has closed
        return b""


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("--tile-size 1000", "multiple of 16 from 16 to 8192 pixels, but this one is 1000"),
        ("--tile-size big", "not a valid integer"),
        ("--min-tissue-fraction 5", "between 0 and 1, but this one is 5"),
        ("--codec jpeg --jpeg-quality 0", "0 is not in the range 1<=x<=100"),
        ("--codec jxl --effort 10", "10 is not in the range 1<=x<=9"),
        ("--effort 3", "--effort needs --codec jxl, but the codec is auto"),
        ("--codec zstd --effort 3", "--effort needs --codec jxl, but the codec is zstd"),
        ("--jpeg-quality 80", "--jpeg-quality needs --codec jpeg, but the codec is auto"),
        ("--mpp 0.005", "between 0.05 and 200 µm per pixel, but this one is 0.005"),
        ("--slide-mpp 0.005", "between 0.05 and 200 µm per pixel, but this one is 0.005"),
        ("--tissue-mpp 0", "more than 0 and up to 500 µm per pixel, not 0"),
        (
            "--reader bioformats",
            '"ome-zarr", "czi", "isyntax", "picture", "openslide", but not',
        ),
        ("--codec gif", "'gif' is not one of"),
        ("--edge pad", "'pad' is not one of 'keep', 'drop', 'shift'"),
        ("--max-tiles 0", "0 is not in the range x>=1"),
        ("--max-tiles 5 --sample 5", "give only one"),
        ("--seed 5", "The seed 5 is for a random sample, but sample is not given"),
        ("--workers 0", "0 is not in the range x>=1"),
        ("--overwrite --restart", "give the one you mean"),
        ("--no-such-option", "No such option"),
    ],
)
@pytest.mark.parametrize("name", ["tile", "batch"])
def test_wrong_values_are_wrong_usage(cli, sample, tmp_path, name, options, message):
    result = cli(name, sample, "-o", "x.zarr", *options.split())
    assert result.exit_code == 2
    assert message in result.stderr
    assert result.stdout == ""
    assert list((tmp_path / "cwd").iterdir()) == []


def test_a_missing_argument_is_wrong_usage(cli):
    for name in ("info", "plan", "tile", "batch"):
        result = cli(name)
        assert result.exit_code == 2
        assert "Missing argument" in result.stderr


def test_help_names_the_defaults(cli):
    text = " ".join(cli("tile", "-h").stdout.split())
    for default in ("1024", "0.05", "auto", "90", "8, coarser on large slides"):
        assert f"[default: {default}]" in text
    assert "3 finished, but some tiles could not be read" in " ".join(cli("--help").stdout.split())
    assert st.__version__ in cli("--version").stdout


def test_an_existing_store_is_kept_unless_overwritten(cli, sample, tree, tmp_path):
    path = tmp_path / "x.zarr"
    assert cli("tile", sample, "-o", path).exit_code == 0
    before = tree(path)
    for more in ((), ("--restart",)):
        result = cli("tile", sample, "-o", path, "--tile-size", "512", *more)
        assert result.exit_code == 1
        assert (
            "and was made with other settings: tile_size is 1024 there, and 512 is asked"
            in result.stderr
        )
        assert "overwrite it on purpose with --overwrite" in result.stderr
        assert tree(path) == before
    assert cli("tile", sample, "-o", path, "--tile-size", "512", "--overwrite").exit_code == 0
    assert st.open_store(path).tile_size == 512
    assert [p.name for p in tmp_path.iterdir() if "x.zarr" in p.name] == ["x.zarr"]


def test_overwriting_with_a_bad_slide_keeps_the_store(cli, store, tree, tmp_path):
    bad = tmp_path / "bad.svs"
    bad.write_bytes(b"no slide")
    before = tree(store.path)
    assert cli("tile", bad, "-o", store.path, "--overwrite").exit_code == 1
    assert tree(store.path) == before


@pytest.mark.parametrize("option", ["--overwrite", "--restart", "--json"])
def test_a_folder_that_is_no_store_is_never_replaced(cli, sample, tmp_path, option):
    folder = tmp_path / "precious"
    folder.mkdir()
    (folder / "thesis.txt").write_text("years of work")
    result = cli("tile", sample, "-o", folder, option)
    assert result.exit_code == 1
    assert result.stderr.count("\n") == 1
    assert [p.name for p in folder.iterdir()] == ["thesis.txt"]


@pytest.mark.parametrize("codec", ["native", "zstd"])
def test_unreadable_tiles_end_with_3(command, damaged_sample, sample, tmp_path, codec):
    path = tmp_path / "x.zarr"
    options = ("--tile-size", "512", "--codec", codec)
    done = command("tile", damaged_sample, "-o", path, *options)
    assert done.exit_code == 3
    assert done.stderr.endswith(
        "warning: unreadable tiles: 1 (no start marker: 1); see the column status of the tile "
        "table\n"
    )
    assert facts(done.stdout)["unreadable"] == "1 (no start marker: 1)"
    store = st.open_store(path)
    statuses = store.tiles["status"].to_pylist()
    bad = statuses.index("unreadable")
    assert statuses.count("ok") == len(store) - 1
    with st.open_slide(sample) as whole:
        different = (store[bad] != whole.read_region(store.tile_region(bad))).any(axis=2)
        assert different.sum() > 200 * 200
        assert (store[bad][different] == 255).all()
        for index in (bad - 1, bad + 1):
            expected = whole.read_region(store.tile_region(index))
            np.testing.assert_array_equal(store[index], expected)


@pytest.mark.parametrize("codec", ["native", "zstd", "jxl", "jpeg", "raw"])
def test_anonymous_stores_tell_no_name(cli, sample, tree, tmp_path, codec):
    slide = tmp_path / "Jane-Doe-1970.svs"
    slide.write_bytes(sample.read_bytes())
    secrets = [b"jane-doe-1970", b"aperio", b"drawn by slidetile"]
    found = {}
    for more in ((), ("--anonymous",)):
        path = tmp_path / f"a{len(more)}.zarr"
        assert cli("tile", slide, "-o", path, "--codec", codec, *more).exit_code == 0
        content = b"".join(name.encode() + data for name, data in tree(path).items()).lower()
        found[bool(more)] = [secret for secret in secrets if secret in content]
    assert found == {False: [b"jane-doe-1970", b"aperio"], True: []}
    assert json.loads(cli("info", path, "--json").stdout)["slide_name"] is None
    assert facts(cli("info", path).stdout)["slide"] == "left out"


def test_an_effort_reaches_the_store(cli, sample):
    for name, *effort in (("a.zarr",), ("b.zarr", "--effort", "2")):
        assert cli("tile", sample, "-o", name, "--codec", "jxl", *effort).exit_code == 0
    first, second = (st.open_store(name) for name in ("a.zarr", "b.zarr"))
    assert [s.attributes["parameters"]["codec"] for s in (first, second)] == [
        {"effort": 1},
        {"effort": 2},
    ]
    np.testing.assert_array_equal(first[0], second[0])


def test_a_reader_of_the_output_may_leave(sample):
    program = f"{sys.executable} -c 'from slidetile.cli.commands import main; main()' info {sample}"
    done = subprocess.run(
        ["sh", "-c", f"({program}; echo $? >&2) | true"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr == "1\n"


@pytest.mark.skipif(sys.platform != "linux", reason="only here may a name hold any bytes")
def test_a_name_that_is_no_text(cli, sample):
    name = os.fsdecode(b"caf\xe9.svs")
    Path(name).write_bytes(sample.read_bytes())
    result = cli("tile", name)
    assert result.exit_code == 0
    assert facts(result.stdout)["slide"] == "caf\ufffd.svs"
    assert st.open_store("caf\ufffd.zarr").attributes["source"]["name"] == "caf\ufffd.svs"


def test_verbose_tells_why_it_is_not_native(cli, sample):
    options = ("tile", sample, "-o", "x.zarr", "--reader", "openslide")
    assert "not native, so zstd" in cli("-v", *options).stderr
    assert "not native" not in cli(*options, "--overwrite").stderr


def test_what_is_left_out_of_a_normal_slide_is_one_short_line(cli, sample):
    (line,) = [each for each in cli("plan", sample).stdout.splitlines() if "left out" in each]
    assert line.split(maxsplit=2)[2] == (
        "4 pieces of tissue, 2,864 µm² (too small, --min-piece-area-um2); "
        "1 tile with tissue (too little tissue, --min-tissue-fraction)"
    )
    told = cli("-v", "plan", sample).stderr
    assert (
        "pieces of tissue that are smaller than 2,458 µm²: 4 of 6 (2,864 µm² together); a sm"
        in told
    )

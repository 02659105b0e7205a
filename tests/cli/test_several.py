"""Several paths at once, folders, addresses, and crashes that are kept away."""

import os
import shutil

import pytest

import slidetile as st
from slidetile.cli.several import Meant, each_outcome, stores_meant, things_meant


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path, monkeypatch):
    (tmp_path / "cwd").mkdir()
    monkeypatch.chdir(tmp_path / "cwd")


@pytest.fixture
def stores(sample, tmp_path):
    """A folder with two stores, an unfinished one, and a slide."""
    folder = tmp_path / "out"
    for name in ("a.zarr", "b.zarr"):
        st.tile_slide(sample, folder / name, st.Recipe(tile=st.TileSpec(size=512)))
    (folder / "c.zarr.partial").mkdir()
    shutil.copy(sample, folder / "s.svs")
    return folder


def test_what_paths_stand_for(stores, sample):
    a, b, slide = stores / "a.zarr", stores / "b.zarr", stores / "s.svs"
    assert things_meant([stores]) == Meant([a, b, stores / "c.zarr", slide], is_one=False)
    assert stores_meant([stores]) == Meant([a, b, stores / "c.zarr"], is_one=False)
    (stores / "a.zarr.partial").mkdir()  # by which it is replaced
    assert stores_meant([stores]) == Meant([a, b, stores / "c.zarr"], is_one=False)
    assert things_meant([a]) == stores_meant([a]) == Meant([a], is_one=True)
    assert things_meant([a, sample, a]) == Meant([a, sample], is_one=False)
    assert things_meant([stores / "c.zarr.partial"]).is_one


def test_info_of_a_folder_and_of_several(cli, stores, sample):
    result = cli("info", stores)
    assert result.exit_code == 1
    assert result.stderr.startswith(f"error: {stores / 'c.zarr'} is not finished")
    (stores / "c.zarr.partial").rmdir()
    result = cli("info", stores)
    assert (result.exit_code, result.stderr) == (0, "")
    names = [line.split()[1] for line in result.stdout.splitlines() if line.startswith("store ")]
    assert names == [str(stores / "a.zarr"), str(stores / "b.zarr")]
    assert cli("info", sample, "none.svs").exit_code == 1
    result = cli("info", "none.svs", sample)
    assert result.exit_code == 1
    assert result.stderr == "error: none.svs does not exist.\n"
    assert "3840×2560 px" in result.stdout


def test_verify_of_a_folder_and_of_several(cli, stores, sample):
    a, b = stores / "a.zarr", stores / "b.zarr"
    result = cli("verify", stores)
    assert (result.exit_code, result.stdout) == (1, f"{a}: findings: 0\n{b}: findings: 0\n")
    assert result.stderr.startswith(f"error: {stores / 'c.zarr'} is not finished")
    (stores / "c.zarr.partial").rmdir()
    for line in ([stores], [a, b]):
        result = cli("verify", *line)
        assert (result.exit_code, result.stderr) == (0, "")
        assert result.stdout == f"{a}: findings: 0\n{b}: findings: 0\n"
    (b / "tiles" / "tiles.parquet").unlink()
    result = cli("verify", stores)
    assert result.exit_code == 1
    assert f"{b}: tiles/tiles.parquet: it is missing\n" in result.stdout
    assert result.stdout.startswith(f"{a}: findings: 0\n")
    result = cli("verify", stores, "--slide", sample)
    assert result.exit_code == 2
    assert "--slide is of one store, but 2 are given" in result.stderr


@pytest.mark.parametrize(
    "line",
    [
        ("plan", "{}", "--preview", "s3://x/p.png"),
        ("plan", "{}", "--geojson", "s3://x/p.json"),
        ("tissue", "{}", "--preview", "gs://x/p.png"),
        ("tile", "{}", "--annotations", "https://x/drawn.geojson"),
    ],
)
def test_addresses_are_refused_where_only_files_are_read(cli, sample, tmp_path, line):
    result = cli(*(word.replace("{}", str(sample)) for word in line))
    assert result.exit_code == 2
    assert "is an address: here, only a local file can be used" in result.stderr
    assert list((tmp_path / "cwd").iterdir()) == []


@pytest.mark.slow
def test_a_path_may_look_like_an_address(cli, sample):
    for folder in ("run:1", "s3:x", "file:x"):
        store = f"{folder}/a.zarr"
        for line in (("tile", sample, "-o", store), ("info", store), ("verify", store, "--deep")):
            result = cli(*line)
            assert result.exit_code == 0, result.stderr
        assert st.open_store(store).zarr["0"].ndim == 3
        assert cli("batch", sample, "-o", f"{folder}/out").exit_code == 0


@pytest.mark.parametrize("name", [".", "..", "/"])
def test_a_folder_is_no_name_for_a_store(cli, sample, tmp_path, name):
    for more in ((), ("--overwrite",)):
        result = cli("tile", sample, "-o", name, *more)
        assert result.exit_code == 1
        assert result.stderr == (
            f"error: {name} is a folder, and no name for a store: name one in it, such as "
            f"{'/' if name == '/' else '' if name == '.' else '../'}NAME.zarr.\n"
        )
    assert [path.name for path in tmp_path.iterdir()] == ["cwd"]


@pytest.mark.parametrize("name", [".", ".."])
def test_a_folder_without_anything_is_told(cli, name):
    for command in ("info", "verify"):
        result = cli(command, name)
        assert result.exit_code == 1
        assert result.stderr.startswith(f"error: {name} is a folder that holds no store")
    assert cli("info", "/").stderr.startswith("error: / is the whole file system")


def test_an_empty_path_is_wrong_usage(cli, sample):
    for line in (("info", ""), ("tile", sample, "-o", "")):
        result = cli(*line)
        assert result.exit_code == 2
        assert "the path is empty" in result.stderr


def end(path):
    """Stand for a library that crashes on a file."""
    return os.abort() if path.name == "bad" else path.name


@pytest.mark.parametrize("is_one", [False, True])
def test_a_crash_is_its_paths_own(tmp_path, is_one):
    paths = [tmp_path / name for name in (("bad",) if is_one else ("a", "bad", "b"))]
    shown = []
    if is_one:
        with pytest.raises(st.SlideReadError, match="bad could not be read: its process died"):
            each_outcome(end, Meant(paths, is_one=True), shown.append, isolate=True)
        return
    outcomes = each_outcome(end, Meant(paths, is_one=False), shown.append, isolate=True)
    assert outcomes == shown
    assert (outcomes[0], outcomes[2]) == ("a", "b")
    assert "died of signal 6" in str(outcomes[1])


@pytest.mark.slow
def test_isolated_is_the_same(command, sample, tree, tmp_path):
    for more in ((), ("--isolate",)):
        info = command("info", sample, "--json", *more)
        assert info.exit_code == 0
        told = command("tile", sample, "-o", tmp_path / f"{len(more)}.zarr", "--json", *more)
        assert (told.exit_code, told.stderr) == (0, "")
    assert tree(tmp_path / "0.zarr") == tree(tmp_path / "1.zarr")


def test_an_isolated_crash_is_a_sentence(command, sample, tmp_path):
    (tmp_path / "mine.py").write_text("import os\ndef detect(image): os.abort()\n")
    options = ["-o", tmp_path / "x.zarr", "--detector", "mine:detect", "--isolate"]
    done = command("tile", sample, *options, before=["env", "-C", tmp_path])
    assert done.exit_code == 1
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith(
        f"error: {sample} could not be read: its process died of signal 6"
    )
    assert not (tmp_path / "x.zarr").exists()


@pytest.mark.parametrize("name", ["tile", "plan"])
@pytest.mark.parametrize("act", ["sys.exit(0)", "raise SystemExit", "raise GeneratorExit"])
def test_a_detector_does_not_end_the_command(command, sample, tmp_path, name, act):
    (tmp_path / "mine.py").write_text(f"import sys\ndef detect(image):\n    {act}\n")
    done = command(name, sample, "--detector", "mine:detect", before=["env", "-C", tmp_path])
    assert done.exit_code == 1
    assert done.stderr.startswith("error: The detector detect wanted to end the program")
    assert done.stderr.count("\n") == 1


def test_a_module_of_a_detector_does_not_end_the_command(command, sample, tmp_path):
    (tmp_path / "mine.py").write_text("raise SystemExit\n")
    done = command("plan", sample, "--detector", "mine:x", before=["env", "-C", tmp_path])
    assert done.exit_code == 1
    assert done.stderr.startswith("error: The detector mine:x wanted to end the program")


def test_a_bug_does_not_read_as_wrong_usage(command, sample, tmp_path):
    (tmp_path / "mine.py").write_text("def detect(image): raise ValueError('mine\\x1b[0m')\n")
    for name in ("tile", "plan"):
        done = command(name, sample, "--detector", "mine:detect", before=["env", "-C", tmp_path])
        assert done.exit_code == 1
        assert done.stderr.endswith("ValueError: mine\\x1b[0m\n")
        assert "Usage" not in done.stderr


@pytest.mark.parametrize("name", ["tile", "plan"])
@pytest.mark.parametrize("option", [("--mpp", 0.2), ("--objective", "80x")])
def test_what_does_not_fit_the_slide_is_wrong_usage(cli, sample, name, option):
    result = cli(name, sample, *option)
    assert result.exit_code == 2
    assert "Usage" in result.stderr


@pytest.mark.parametrize("processes", [0, 1])
def test_a_time_limit_on_the_command_line(cli, sample, tmp_path, processes):
    line = ("batch", sample, "-o", tmp_path / "out", "--timeout", 100, "--processes", processes)
    result = cli(*line)
    assert result.exit_code == (0 if processes else 2)
    if not processes:
        assert "--timeout ends a slide's process: it needs --processes 1 or more" in result.stderr
        assert cli(*line, "--isolate").exit_code == 0

"""What lies at a path that is no store is told by what it is, before anything is read."""

import os
import shutil

import pytest
from known_tissue import drawn

import slidetile as st
from slidetile.export.exporting import export_store
from slidetile.store.location import stores_in


@pytest.fixture(scope="module")
def folder(sample, tmp_path_factory):
    """A folder of two stores, one of them unfinished, and of other things."""
    folder = tmp_path_factory.mktemp("location") / "out"
    folder.mkdir()
    recipe = st.Recipe(tile=st.TileSpec(size=512), detector=drawn)
    st.tile_slide(sample, folder / "a.zarr", recipe)
    shutil.copytree(folder / "a.zarr", folder / "b.zarr")
    part = shutil.copytree(folder / "a.zarr", folder / "c.zarr.partial")
    (part / "zarr.json").unlink()
    (part / "unfinished.json").write_text("{}")
    shutil.copy(sample, folder / "a.svs")
    (folder / "empty").mkdir()
    (folder / "other.zarr").mkdir()
    (folder / "other.zarr" / "zarr.json").write_text(
        '{"zarr_format": 3, "node_type": "group", "attributes": {}}'
    )
    os.mkfifo(folder / "pipe.zarr")
    (folder / "hollow.zarr" / "zarr.json").mkdir(parents=True)
    shutil.copytree(folder / "a.zarr", folder / "lost.zarr")
    (folder / "lost.zarr" / "zarr.json").unlink()
    return folder


CASES = [
    ("a.svs", "is a file, not a store: a store is a folder that slidetile tile makes from a slide"),
    ("none.zarr", "does not exist"),
    ("c.zarr", "is not finished: .*c.zarr.partial beside it is an unfinished store. Run the"),
    ("c.zarr.partial", "is not finished: it is an unfinished store. Run the command"),
    (
        "empty",
        "empty is a folder that holds no store, and is none: .* A store is a folder NAME.zarr",
    ),
    (".", "It is a folder that holds 2 stores: give the path of one, such as .*a.zarr"),
    ("empty/..", "It is a folder that holds 2 stores: give the path of one, such as .*a.zarr"),
    ("/", "/ is a folder that holds no store, and is none"),
    ("other.zarr", "attributes.slidetile is missing"),
    ("pipe.zarr", "is neither a folder nor a file, so it is not a store"),
    ("hollow.zarr", "hollow.zarr/zarr.json is not a regular file"),
    ("a.svs/b.zarr", "does not exist"),
    ("file:///nowhere/a.zarr", "/nowhere/a.zarr does not exist"),
    ("a" * 300, "File name too long"),
]


TOLD_BY_COMMANDS = [case for case in CASES if "a.svs" not in case[0] and "://" not in case[0]]
"""Those that commands do not tell in words of their own."""


@pytest.mark.parametrize(("name", "message"), CASES)
def test_what_is_no_store_is_told_by_what_it_is(folder, monkeypatch, name, message):
    monkeypatch.chdir(folder)
    for use in (st.open_store, st.TileStore, st.verify_store):
        with pytest.raises(st.StoreError, match=message):
            use(name)


def test_a_folder_that_is_named_as_a_store_may_be_unfinished(tmp_path):
    (tmp_path / "bare.zarr").mkdir()
    with pytest.raises(st.StoreError, match=r"bare.zarr has no root zarr.json: it is not finished"):
        st.open_store(tmp_path / "bare.zarr")


@pytest.mark.parametrize("command", ["verify", "info", "export"])
@pytest.mark.parametrize(("name", "message"), TOLD_BY_COMMANDS)
def test_commands_say_the_same(folder, monkeypatch, cli, tmp_path, command, name, message):
    monkeypatch.chdir(folder)
    if name in (".", "empty/..") or (command != "export" and (name == "/" or len(name) == 300)):
        pytest.skip("it stands for what is in it, or for a slide")
    more = ["-o", tmp_path / "a.geojson"] if command == "export" else []
    result = cli(command, name, *more)
    assert result.exit_code == 1
    text = " ".join(result.stderr.split())
    assert message.split(".*")[0] in text
    assert "Traceback" not in text


def test_a_store_can_be_opened_from_within_and_through_a_link(folder, monkeypatch, tmp_path):
    monkeypatch.chdir(folder / "a.zarr")
    store = st.open_store(".")
    assert len(store)
    assert "<strong>a.zarr</strong>" in store._repr_html_()
    export_store(store, tmp_path / "a.geojson")
    (tmp_path / "link.zarr").symlink_to(folder / "b.zarr")
    assert len(st.open_store(tmp_path / "link.zarr")) == len(store)
    assert len(st.open_store(os.fsencode("../a.zarr"))) == len(store)


def test_a_store_that_lost_its_root_is_damaged(folder):
    with pytest.raises(st.StoreError, match=r"has lost its zarr.json: it is a damaged store"):
        st.open_store(folder / "lost.zarr")
    assert "zarr.json: it is missing" in "\n".join(map(str, st.verify_store(folder / "lost.zarr")))


def test_the_stores_of_a_folder_are_found_by_their_files_and_damaged_ones_by_their_names(
    folder, cli, tmp_path
):
    damaged = ["hollow.zarr", "lost.zarr", "other.zarr"]
    found = sorted(path.name for path in stores_in(folder))
    assert found == ["a.zarr", "b.zarr", *damaged]
    shutil.copytree(folder / "a.zarr", tmp_path / "no suffix")
    assert list(stores_in(tmp_path)) == [tmp_path / "no suffix"]
    assert cli("verify", tmp_path).stdout == f"{tmp_path / 'no suffix'}: findings: 0\n"
    assert cli("info", tmp_path).stderr == ""

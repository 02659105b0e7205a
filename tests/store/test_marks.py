"""Which folders are slidetile's own, and what may be removed."""

import os

import pytest

import slidetile as st
from slidetile.format.names import PARTIAL_NOTE
from slidetile.store.marks import (
    hierarchy_above,
    is_bare,
    is_ours,
    is_store,
    is_unfinished,
    links_in,
    remove_ours,
)

NOTE = b'{"slidetile": {}}'
ROOT = b'{"attributes": {"slidetile": {}}}'


@pytest.fixture
def folder(tmp_path):
    path = tmp_path / "x.zarr"
    path.mkdir()
    return path


def test_a_store_and_an_unfinished_one_are_known_by_what_they_say(folder):
    assert not is_store(folder)
    (folder / "zarr.json").write_bytes(ROOT)
    assert is_store(folder)
    assert not is_unfinished(folder)
    (folder / PARTIAL_NOTE).write_bytes(NOTE)
    assert is_unfinished(folder)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{}",
        b"[]",
        b'{"attributes": {}}',
        b'{"attributes": {"slidetile": 1}}',
        b'{"attributes": {"ome": {}}}',
        b"\xff",
        b'{"attributes": {"slidetile": {}}}' + b" " * (1 << 24),
    ],
    ids=["empty", "nothing", "list", "no mark", "number", "others", "no text", "endless"],
)
def test_other_folders_are_not_ours(folder, data):
    (folder / "zarr.json").write_bytes(data)
    (folder / PARTIAL_NOTE).write_bytes(data)
    assert not is_ours(folder)
    with pytest.raises(st.StoreExistsError, match="is not slidetile's, so it is not removed"):
        remove_ours(folder)
    assert (folder / "zarr.json").read_bytes() == data


def test_a_pipe_is_not_waited_for(folder):
    os.mkfifo(folder / "zarr.json")
    assert not is_ours(folder)


def test_links_are_not_ours(folder, tmp_path):
    (folder / "zarr.json").write_bytes(ROOT)
    link = tmp_path / "link"
    link.symlink_to(folder)
    assert not is_ours(link)
    other = tmp_path / "other"
    other.mkdir()
    (other / "zarr.json").symlink_to(folder / "zarr.json")
    assert not is_ours(other)


def test_a_folder_without_files_of_anybody_is_bare(folder):
    (folder / "0" / "c").mkdir(parents=True)
    (folder / "0" / ".0123456789abcdef.tmp").touch()
    assert is_bare(folder)
    remove_ours(folder)
    assert not folder.exists()


@pytest.mark.parametrize("name", ["mine.tmp", ".0123.tmp", ".0123456789abcdef.tmp.txt"])
def test_a_temporary_file_of_others_is_theirs(folder, name):
    (folder / name).touch()
    assert not is_ours(folder)


def test_what_links_lead_to_stays(folder, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "thesis").write_text("years of work")
    (folder / "zarr.json").write_bytes(ROOT)
    (folder / "0").symlink_to(elsewhere)
    (folder / "1").mkdir()
    (folder / "1" / "c").symlink_to(elsewhere / "thesis")
    assert set(links_in(folder)) == {folder / "0", folder / "1" / "c"}
    remove_ours(folder)
    assert not folder.exists()
    assert (elsewhere / "thesis").read_text() == "years of work"


def test_the_marks_go_last(folder, monkeypatch):
    for name in ("0", "zarr.json", PARTIAL_NOTE, "zzz"):
        (folder / name).write_bytes({"zarr.json": ROOT, PARTIAL_NOTE: NOTE}.get(name, b""))
    gone = []
    monkeypatch.setattr(type(folder), "unlink", lambda path, **_: gone.append(path.name))
    with pytest.raises(OSError, match="not empty"):
        remove_ours(folder)
    assert set(gone[:2]) == {"0", "zzz"}
    assert is_ours(folder)


def test_the_hierarchy_above(folder, tmp_path):
    inside = folder / "a" / "b.zarr"
    assert hierarchy_above(inside) is None
    (folder / "zarr.json").write_bytes(b"{}")
    assert hierarchy_above(inside) == folder
    assert hierarchy_above(folder) is None
    link = tmp_path / "link"
    link.symlink_to(folder)
    assert hierarchy_above(link / "b.zarr") in (link, folder)
    (folder / "zarr.json").rename(folder / PARTIAL_NOTE)
    assert hierarchy_above(inside) == folder

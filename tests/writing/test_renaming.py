"""A store's codec is called by its other name: no chunk changes, and the store is always whole."""

import errno
import os
import shutil
import signal
import subprocess
import sys

import pytest

import slidetile as st
from slidetile.writing.partial import tidy_up


def files(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.fixture
def store(sample, tmp_path):
    return st.tile_slide(sample, tmp_path / "a.zarr", st.Recipe(tile=st.TileSpec(size=512)))


def test_a_name_and_back_are_the_same_bytes(sample, store, tmp_path):
    before = files(store.path)
    renamed = st.rename_codec(store.path)
    assert st.verify_store(store.path, deep=True) == ()
    options = st.WriteOptions(codec_name="jpeg")
    recipe = st.Recipe(tile=st.TileSpec(size=512))
    written = st.tile_slide(sample, tmp_path / "c.zarr", recipe, options=options)
    assert files(written.path) == files(store.path)
    assert st.rename_codec(store.path).metadata == renamed.metadata  # it has that name already
    st.rename_codec(store.path, "imagecodecs_jpeg")
    assert files(store.path) == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.zarr", "c.zarr"]


def test_a_reader_of_the_store_notices(store):
    st.rename_codec(store.path)
    with pytest.raises(st.StoreError, match="was replaced or changed"):
        store[0]


def test_a_file_system_without_links_takes_copies(store, monkeypatch):
    before = files(store.path)

    def link(*_args, **_options):
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", link)
    st.rename_codec(store.path)
    st.rename_codec(store.path, "imagecodecs_jpeg")
    assert files(store.path) == before


def test_what_has_one_name_is_refused(sample, tmp_path):
    store = st.tile_slide(sample, tmp_path / "z.zarr", st.Recipe(codec="zstd"))
    with pytest.raises(st.StoreError, match="one name"):
        st.rename_codec(store.path)
    with pytest.raises(st.StoreError, match="in a bucket"):
        st.rename_codec("s3://bucket/a.zarr")


def test_damaged_metadata_are_not_written_anew(store):
    path = store.path / "1/zarr.json"
    path.write_bytes(path.read_bytes().replace(b'"attributes": {}', b'"attributes":  {}'))
    before = files(store.path)
    with pytest.raises(st.StoreError, match=r"1/zarr\.json is not what was written"):
        st.rename_codec(store.path)
    assert files(store.path) == before


def test_what_somebody_else_put_into_it_is_not_lost(store, tmp_path):
    for theirs in (store.path / "labels/nuclei.txt", store.path / "link"):
        if theirs.name == "link":
            theirs.symlink_to(tmp_path)
        else:
            theirs.write_text("years of work")
        before = files(store.path)
        with pytest.raises(st.StoreError, match=rf"{theirs.name} is not one of the store's files"):
            st.rename_codec(store.path)
        assert files(store.path) == before
        theirs.unlink()
    st.rename_codec(store.path)


def test_another_unfinished_store_beside_it_stays(store, tmp_path):
    partial = tmp_path / "a.zarr.partial"
    shutil.copytree(store.path, partial)
    (partial / "zarr.json").rename(partial / "unfinished.json")
    (partial / "unfinished.json").write_text('{"what": "", "slidetile": {"codec": "zstd"}}')
    with pytest.raises(st.StoreExistsError, match="other settings"):
        st.rename_codec(store.path)
    assert partial.exists()


KILLED = """
import os, signal, sys
import slidetile.writing.partial as partial
count = [int(sys.argv[2])]
def counted(call):
    def act(*args, **options):
        if not count[0]:
            os.kill(os.getpid(), signal.SIGKILL)
        count[0] -= 1
        return call(*args, **options)
    return act
import slidetile.writing.renaming as renaming
os.link = counted(os.link)
partial.write_whole = counted(partial.write_whole)
partial.replace_folder = counted(partial.replace_folder)
partial.remove_ours = counted(partial.remove_ours)
renaming.rename_codec(sys.argv[1])
"""


def test_killed_anywhere_the_store_is_whole(store):
    """Killed before each step; the store there is one or the other, and the next run finishes."""
    before = files(store.path)
    wanted = None
    for step in range(60):
        killed = subprocess.run([sys.executable, "-c", KILLED, store.path, str(step)], check=False)
        tidy_up(store.path)
        if killed.returncode == 0:
            break
        assert killed.returncode == -signal.SIGKILL
        found = files(store.path)
        if found != before:
            assert st.verify_store(store.path) == ()
        st.rename_codec(store.path)
        wanted = wanted or files(store.path)
        assert files(store.path) == wanted
        st.rename_codec(store.path, "imagecodecs_jpeg")
        assert files(store.path) == before
    assert step > 10

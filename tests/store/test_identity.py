"""A handle belongs to one store: what is put in its place is never taken for it."""

import multiprocessing
import os
import pickle
import shutil

import numpy as np
import pytest
from known_tissue import drawn

import slidetile as st


@pytest.fixture(scope="module")
def made(sample, tmp_path_factory):
    """Two stores of one slide that differ in their tiles alone."""
    folder = tmp_path_factory.mktemp("identity")
    for size in (512, 256):
        recipe = st.Recipe(tile=st.TileSpec(size=size), codec="zstd", detector=drawn)
        st.tile_slide(sample, folder / f"{size}.zarr", recipe)
    return folder


@pytest.fixture
def path(made, tmp_path):
    return shutil.copytree(made / "512.zarr", tmp_path / "s.zarr")


def test_a_deleted_store_is_told(path):
    fresh = st.open_store(path)
    windows = fresh.windows(size=128)
    shutil.rmtree(path)
    for read in (lambda: fresh[0], lambda: list(fresh), lambda: windows[0]):
        with pytest.raises(st.StoreError, match="was deleted or moved since it was opened"):
            read()


def test_a_moved_store_is_told_and_one_moved_back_is_read(path):
    opened = st.open_store(path)
    before = opened[0]
    path.rename(path.with_name("other.zarr"))
    with pytest.raises(st.StoreError, match="was deleted or moved since it was opened"):
        opened[0]
    path.with_name("other.zarr").rename(path)
    assert np.array_equal(opened[0], before)


@pytest.mark.parametrize("way", ["overwrite", "rename", "same folder"])
def test_another_store_in_its_place_is_told(path, made, sample, way):
    opened = st.open_store(path)
    windows = opened.windows(size=128)
    for read in (lambda: opened[0], lambda: windows[0]):
        read()  # indexes are known from now on
    fresh = st.open_store(path)
    if way == "overwrite":
        recipe = st.Recipe(tile=st.TileSpec(size=256), codec="zstd", detector=drawn)
        options = st.WriteOptions(existing="overwrite")
        st.tile_slide(sample, path, recipe, options=options)
    elif way == "rename":
        shutil.rmtree(path)
        shutil.copytree(made / "256.zarr", path)
    else:
        for entry in list(path.iterdir()):
            shutil.rmtree(entry, ignore_errors=True)
        shutil.copytree(made / "256.zarr", path, dirs_exist_ok=True)
    for read in (
        lambda: opened[0],
        lambda: list(opened),
        lambda: windows[0],
        lambda: fresh.windows(size=64),
        lambda: fresh.overview,
        fresh._repr_html_,
        lambda: fresh.read_region(st.Region(x=0, y=0, width=9, height=9), level=1),
    ):
        with pytest.raises(st.StoreError, match="was replaced or changed since it was opened"):
            read()
    assert len(st.open_store(path)) != len(opened)


def test_the_same_store_made_again_is_the_same(path, made):
    opened = st.open_store(path)
    shutil.rmtree(path)
    shutil.copytree(made / "512.zarr", path)
    assert np.array_equal(opened[3], st.open_store(made / "512.zarr")[3])


def test_a_file_put_into_the_folder_does_not_end_it(path):
    opened = st.open_store(path)
    before = opened[0]
    (path / ".DS_Store").write_bytes(b"")
    os.utime(path)
    assert np.array_equal(opened[0], before)


def test_a_handle_that_crosses_to_a_process_stays_its_stores(path, made):
    opened = st.open_store(path)
    crossing = [pickle.dumps(thing) for thing in (opened, opened.windows(size=128))]
    assert all(len(pickle.loads(data)) for data in crossing)  # noqa: S301  our own bytes
    shutil.rmtree(path)
    shutil.copytree(made / "256.zarr", path)
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        told = pool.map(_reopened, crossing)
    assert all("was replaced or changed since it was opened" in message for message in told)


def _reopened(data):
    try:
        return repr(pickle.loads(data)[0])  # noqa: S301  our own bytes
    except st.StoreError as error:
        return str(error)


def test_a_relative_path_outlives_a_change_of_folder(path, monkeypatch):
    monkeypatch.chdir(path.parent)
    opened = st.open_store(path.name)
    monkeypatch.chdir("/")
    assert opened[0].shape == (512, 512, 3)
    assert str(opened.path) == path.name

"""What is not slidetile's is never deleted, overwritten or written into."""

import shutil

import pytest

import slidetile as st
from slidetile.runtime import exchange as exchanges

OVERWRITE = st.WriteOptions(existing="overwrite")
RESTART = st.WriteOptions(existing="restart")
CONTINUE = st.WriteOptions()
SMALL = st.Recipe(tile=st.TileSpec(size=512))


def precious(folder):
    folder.mkdir()
    (folder / "thesis.txt").write_text("years of work")
    (folder / "zarr.json").write_text('{"zarr_format": 3, "node_type": "group"}')
    return folder


def refused(sample, out, options):
    with pytest.raises(st.StoreExistsError) as caught:
        st.tile_slide(sample, out, options=options)
    return str(caught.value)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "x.zarr"


@pytest.mark.parametrize("options", [CONTINUE, RESTART, OVERWRITE])
@pytest.mark.parametrize("suffix", ["", ".partial"])
def test_a_zarr_group_of_others(sample, tree, tmp_path, path, options, suffix):
    theirs = precious(tmp_path / f"x.zarr{suffix}")
    before = tree(tmp_path)
    told = refused(sample, path, options)
    assert str(theirs) in told
    assert "so it is not" in told
    assert tree(tmp_path) == before


def test_what_has_the_name_of_a_replaced_store(sample, tree, tmp_path, path):
    theirs = precious(tmp_path / "x.zarr.replaced")
    st.tile_slide(sample, path, SMALL)  # replaces nothing, so does not need that name
    before = tree(tmp_path)
    assert f"{theirs} is not slidetile's" in refused(sample, path, OVERWRITE)
    assert tree(tmp_path) == before


@pytest.mark.parametrize("options", [CONTINUE, RESTART, OVERWRITE])
@pytest.mark.parametrize("suffix", ["", ".partial"])
def test_a_link_is_not_followed_and_not_replaced(sample, tree, tmp_path, path, options, suffix):
    store = st.tile_slide(sample, tmp_path / "real.zarr", SMALL).path
    link = tmp_path / f"x.zarr{suffix}"
    link.symlink_to(store)
    before = tree(tmp_path)
    assert str(link) in refused(sample, path, options)
    assert tree(tmp_path) == before
    assert link.is_symlink()


def test_a_link_that_leads_nowhere(sample, tmp_path, path):
    path.symlink_to(tmp_path / "disk" / "x.zarr")
    assert "is a symbolic link to" in refused(sample, path, CONTINUE)
    assert [entry.name for entry in tmp_path.iterdir()] == ["x.zarr"]


class Interrupted(Exception):  # noqa: N818  no error: a test's way to stop
    """Stops a run."""


def stop(progress):
    if progress.shards_done:
        raise Interrupted


@pytest.fixture
def partial(sample, path):
    recipe = st.Recipe(tile=SMALL.tile, codec="zstd")
    with pytest.raises(Interrupted):
        st.tile_slide(sample, path, recipe, on_progress=stop)
    return path.with_name("x.zarr.partial")


@pytest.mark.parametrize("is_restarted", [False, True])
def test_links_in_an_unfinished_store(sample, tree, tmp_path, path, partial, is_restarted):
    theirs = tmp_path / "theirs"
    shutil.move(partial / "1", theirs)
    (partial / "1").symlink_to(theirs)
    before = tree(theirs)
    recipe = st.Recipe(tile=SMALL.tile, codec="zstd")
    if is_restarted:
        st.tile_slide(sample, path, recipe, options=RESTART)
    else:
        with pytest.raises(st.StoreMismatchError, match="partial/1 is a symbolic link"):
            st.tile_slide(sample, path, recipe)
    assert tree(theirs) == before


@pytest.mark.parametrize("parent", ["outer.zarr", "x.zarr.partial", "outer.zarr/0", "link"])
@pytest.mark.parametrize("options", [CONTINUE, RESTART, OVERWRITE])
def test_a_store_in_a_store(sample, tree, tmp_path, partial, parent, options):
    outer = st.tile_slide(sample, tmp_path / "outer.zarr", SMALL).path
    (tmp_path / "link").symlink_to(outer)
    before = tree(tmp_path)
    assert "lies in the store" in refused(sample, tmp_path / parent / "inner.zarr", options)
    assert tree(tmp_path) == before
    assert partial.exists()


def test_a_store_in_a_file(sample, tmp_path):
    file = tmp_path / "file"
    file.write_text("mine")
    with pytest.raises(NotADirectoryError, match=r"lies in .*file, which is not a folder"):
        st.tile_slide(sample, file / "a" / "x.zarr")
    assert file.read_text() == "mine"


@pytest.mark.parametrize("name", ["s.svs", "notes.txt"])
@pytest.mark.parametrize("options", [CONTINUE, RESTART, OVERWRITE])
def test_a_file(sample, tmp_path, name, options):
    file = tmp_path / name
    shutil.copy(sample, file)
    assert f"{file} is not a store" in refused(sample, file, options)
    assert file.read_bytes() == sample.read_bytes()


@pytest.mark.parametrize("name", ["x.zarr.partial", "x.zarr.replaced"])
def test_a_file_beside_it(sample, tmp_path, path, name):
    st.tile_slide(sample, path, SMALL)
    (tmp_path / name).write_text("mine")
    assert f"{name} is not slidetile's" in refused(sample, path, OVERWRITE)
    assert (tmp_path / name).read_text() == "mine"


def test_a_run_killed_before_its_first_file_is_no_hindrance(sample, tree, tmp_path, path):
    (tmp_path / "x.zarr.partial").mkdir()
    (tmp_path / "x.zarr.partial" / ".0123456789abcdef.tmp").write_bytes(b'{"sli')
    whole = tree(st.tile_slide(sample, tmp_path / "whole.zarr", SMALL).path)
    assert tree(st.tile_slide(sample, path, SMALL).path) == whole


@pytest.mark.parametrize("can_exchange", [True, False])
def test_a_failing_replacement_leaves_the_old_store(
    sample, tree, path, tmp_path, monkeypatch, can_exchange
):
    """Whatever the step that fails, the finished store has its name, and the next run succeeds."""
    st.tile_slide(sample, path, SMALL)
    before = tree(path)

    def fail(*_):
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(exchanges, "exchange", fail if can_exchange else lambda *_: False)
        if not can_exchange:
            rename = type(path).rename
            patch.setattr(
                type(path),
                "rename",
                lambda me, to: fail() if me.name.endswith(".partial") else rename(me, to),
            )
        with pytest.raises(OSError, match="Input/output"):
            st.tile_slide(sample, path, options=OVERWRITE)
    assert tree(path) == before
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["x.zarr", "x.zarr.partial"]
    assert st.tile_slide(sample, path, options=OVERWRITE).tile_size == 1024
    assert [entry.name for entry in tmp_path.iterdir()] == ["x.zarr"]


@pytest.mark.parametrize("is_there", [True, False])
def test_a_store_left_aside_is_put_back_or_removed(sample, tree, tmp_path, path, is_there):
    """As a run leaves it that was killed while it replaced a store."""
    if is_there:
        st.tile_slide(sample, path)
    old = st.tile_slide(sample, tmp_path / "x.zarr.replaced", SMALL).path
    before = tree(old)
    with pytest.raises(st.StoreExistsError, match="--overwrite"):
        st.tile_slide(sample, path, st.Recipe(tile=st.TileSpec(size=256)))
    assert not old.exists()
    assert st.open_store(path).tile_size == (1024 if is_there else 512)
    assert (tree(path) == before) is not is_there


def test_an_old_store_that_was_exchanged_but_not_renamed_is_replaced_too(sample, tmp_path, path):
    old = tmp_path / "x.zarr.partial"
    st.tile_slide(sample, old, SMALL)
    st.tile_slide(sample, path, options=OVERWRITE)
    assert st.open_store(path).tile_size == 1024
    assert [entry.name for entry in tmp_path.iterdir()] == ["x.zarr"]


@pytest.mark.parametrize("place", ["outer.zarr", "outer.zarr/stores", "outer.zarr/0"])
def test_a_batch_in_a_store(cli, sample, tree, tmp_path, place):
    outer = st.tile_slide(sample, tmp_path / "outer.zarr", SMALL).path
    before = tree(tmp_path)
    result = cli("batch", sample, "-o", tmp_path / place)
    assert result.exit_code == 1
    assert f"lies in the store {outer}" in result.stderr
    assert tree(tmp_path) == before
    assert not (outer / "stores").exists()

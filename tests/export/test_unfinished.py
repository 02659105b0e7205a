"""What an unfinished export is to others: one process writes it, and what it leaves is its own."""

import subprocess
import sys

import pytest

import slidetile as st

SPECS = {
    "webdataset": st.WebdatasetExport(size=512, shard_bytes=1),
    "ome-tiff": st.OmeTiffExport(),
    "dicom": st.DicomExport(),
}
RESUMABLE = pytest.mark.parametrize("kind", SPECS)

KILLED = """
import os, sys
import slidetile as st
spec = st.WebdatasetExport(size=200, shard_bytes=150_000)
end = lambda progress: os._exit(9) if progress.tiles_done >= 128 else None
st.export_store(st.open_store(sys.argv[1]), sys.argv[2], spec, on_progress=end)
"""


def content(place, tree):
    return tree(place) if place.is_dir() else place.read_bytes()


@RESUMABLE
def test_two_runs_into_one_output_at_once_do_not_mix(stores, tmp_path, tree, kind):
    store, place, refused = stores("native"), tmp_path / "out", []

    def again(_):
        if not refused:
            with pytest.raises(st.StoreBusyError, match=r"out.*is being written by .*choose") as at:
                st.export_store(store, place, SPECS[kind])
            refused.append(str(at.value))

    st.export_store(store, place, SPECS[kind], on_progress=again)
    st.export_store(store, tmp_path / "alone", SPECS[kind])
    assert len(refused) == 1
    assert "unfinished" not in refused[0], "it names the output"
    assert content(place, tree) == content(tmp_path / "alone", tree)


def test_shards_of_two_stores_are_written_into_one_folder_at_once(stores, tmp_path, tree):
    spec, others = SPECS["webdataset"], []

    def other(_):
        if not others:
            others.append(st.export_store(stores("zstd"), tmp_path / "out", spec))

    st.export_store(stores("native"), tmp_path / "out", spec, on_progress=other)
    for name in ("native", "zstd"):
        st.export_store(stores(name), tmp_path / "alone", spec)
    assert tree(tmp_path / "out") == tree(tmp_path / "alone")


def test_what_a_killed_run_leaves_is_removed_and_nothing_of_others(stores, tmp_path, tree):
    store, out = stores("native"), tmp_path / "out"
    spec = st.WebdatasetExport(size=200, shard_bytes=150_000)
    out.mkdir()
    others = out / ".0123456789abcdef.tmp"  # perhaps a shard that another run is writing
    others.write_bytes(b"theirs")
    command = [sys.executable, "-c", KILLED, store.path, out]
    assert subprocess.run(command, check=False).returncode == 9
    begun = out / "native.shards.unfinished"
    assert sorted(path.name for path in out.iterdir()) == [others.name, begun.name]
    assert list(begun.glob(".*.tmp")), "it was writing a shard"
    kept = {path: path.stat().st_ino for path in begun.glob("*.tar")}
    assert kept
    st.export_store(store, out, spec)
    st.export_store(store, tmp_path / "alone", spec)
    assert tree(out) == tree(tmp_path / "alone") | {others.name: b"theirs"}
    assert kept == {path: (out / path.name).stat().st_ino for path in kept}


@RESUMABLE
def test_what_is_left_at_the_start_is_removed(stores, tmp_path, kind, stop, stopped):
    place = tmp_path / "out"
    with pytest.raises(stopped):
        st.export_store(stores("native"), place, SPECS[kind], on_progress=stop(1), workers=1)
    (begun,) = tmp_path.rglob("*.unfinished")
    (begun / ".0123456789abcdef.tmp").write_bytes(b"half")
    with pytest.raises(stopped):
        st.export_store(stores("native"), place, SPECS[kind], on_progress=stop(1), workers=1)
    assert not list(begun.glob("*.tmp"))


@pytest.mark.parametrize("kind", ["ome-tiff", "dicom"])
def test_where_the_last_step_fails_the_next_run_makes_nothing_anew(stores, tmp_path, tree, kind):
    store, place, seen = stores("native"), tmp_path / "out", []

    def put_something_there(progress):
        if progress.shards_done == progress.shards_total:
            place.mkdir()
            (place / "mine.txt").write_text("mine")

    with pytest.raises(st.StoreExistsError, match="out is a folder, and not"):
        st.export_store(store, place, SPECS[kind], on_progress=put_something_there)
    assert (place / "mine.txt").read_text() == "mine"
    place.rename(tmp_path / "moved")
    st.export_store(store, place, SPECS[kind], on_progress=seen.append)
    assert not seen, "all parts were there"
    st.export_store(store, tmp_path / "alone", SPECS[kind])
    assert content(place, tree) == content(tmp_path / "alone", tree)


def test_where_the_last_step_of_shards_fails_none_is_made_anew(stores, tmp_path, tree):
    store, out, seen = stores("native"), tmp_path / "out", []

    def put_something_there(progress):
        if progress.tiles_done == progress.tiles_total:
            (out / "native-000003.tar").write_bytes(b"mine")

    with pytest.raises(FileExistsError, match=r"native-000003\.tar exists and is no shard"):
        st.export_store(store, out, SPECS["webdataset"], on_progress=put_something_there)
    assert (out / "native-000003.tar").read_bytes() == b"mine"
    (out / "native-000003.tar").unlink()
    st.export_store(store, out, SPECS["webdataset"], on_progress=seen.append)
    assert not seen
    st.export_store(store, tmp_path / "alone", SPECS["webdataset"])
    assert tree(out) == tree(tmp_path / "alone")


@RESUMABLE
def test_a_finished_output_stays_until_the_new_one_is_whole(
    stores, tmp_path, tree, kind, stop, stopped
):
    place, folder = tmp_path / "out", tmp_path / "a.zarr"
    folder.symlink_to(stores("native").path)
    st.export_store(st.open_store(folder), place, SPECS[kind])
    before = content(place, tree)
    spec = type(SPECS[kind])(existing="overwrite", **OTHER[kind])
    with pytest.raises(stopped):
        st.export_store(st.open_store(folder), place, spec, on_progress=stop(1), workers=1)
    if kind == "webdataset":
        assert before.items() <= content(place, tree).items()
    else:
        assert content(place, tree) == before
    st.export_store(st.open_store(folder), place, spec)
    assert content(place, tree) != before
    assert not list(tmp_path.rglob("*.unfinished"))


OTHER = {
    "webdataset": {"size": 256},
    "ome-tiff": {"codec": "jpeg"},
    "dicom": {"codec": "jpeg"},
}


@pytest.mark.parametrize("kind", ["ome-tiff", "dicom"])
def test_where_the_disk_is_full_at_the_last_step_hardly_any_part_is_made_anew(
    stores, tmp_path, tree, small_disk, kind
):
    disk, resize = small_disk
    store, place, ballast, seen = stores("native"), disk / "out", disk / "ballast", []
    resize(16_000)

    def fill(progress):
        if progress.shards_done == progress.shards_total:
            with pytest.raises(OSError, match="No space"):
                ballast.write_bytes(bytes(20_000_000))

    with pytest.raises(OSError, match="No space"):
        st.export_store(store, place, SPECS[kind], on_progress=fill)
    assert not place.exists()
    ballast.unlink()
    st.export_store(store, place, SPECS[kind], on_progress=seen.append)
    assert len(seen) < 9, "all but those that were still in a buffer are there"
    assert seen[-1].shards_total > 100
    st.export_store(store, tmp_path / "alone", SPECS[kind])
    assert content(place, tree) == content(tmp_path / "alone", tree)

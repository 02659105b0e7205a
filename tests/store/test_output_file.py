"""Outputs replace what slidetile wrote, and nothing else."""

import os
import shutil

import pytest

import slidetile as st
from slidetile.annotations.export import GEOJSON
from slidetile.store.output_file import PNG, check_output, write_output

KINDS = [PNG, GEOJSON]


@pytest.mark.parametrize("kind", KINDS)
def test_new_empty_and_own_files_are_written(tmp_path, kind):
    path = tmp_path / "x"
    for before in (None, b"", kind.begins + b"before"):
        if before is not None:
            path.write_bytes(before)
        write_output(path, [kind.begins, b"after"], kind)
        assert path.read_bytes() == kind.begins + b"after"
    assert os.listdir(tmp_path) == ["x"]  # noqa: PTH208  names only


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "data", [b"years of work", b"{}", b"\x89PN", b'{"type":"FeatureCollection"']
)
def test_others_are_not_replaced(tmp_path, kind, data):
    path = tmp_path / "x"
    path.write_bytes(data)
    with pytest.raises(FileExistsError, match=rf"x exists and is not {kind.name}.*another output"):
        write_output(path, [b""], kind)
    assert path.read_bytes() == data


@pytest.mark.parametrize("kind", KINDS)
def test_links_devices_and_pipes_are_not_replaced(tmp_path, kind):
    link, pipe = tmp_path / "link", tmp_path / "pipe"
    link.symlink_to(tmp_path / "none")
    os.mkfifo(pipe)
    with pytest.raises(FileExistsError, match=r"is a symbolic link to .*none, so it is not"):
        write_output(link, [b""], kind)
    with pytest.raises(FileExistsError, match="is not a regular file"):
        write_output(pipe, [b""], kind)


ANY = ["plan --preview", "plan --geojson", "export -o"]


@pytest.mark.parametrize("output", ANY)
def test_a_slide_is_never_replaced(cli, sample, tmp_path, output):
    slide, other = tmp_path / "s.svs", tmp_path / "other.svs"
    for path in (slide, other):
        shutil.copy(sample, path)
    store = st.tile_slide(slide, tmp_path / "x.zarr").path
    name, option = output.split()
    before = sample.read_bytes()
    for path in (slide, other):
        result = cli(name, store if name == "export" else slide, option, path)
        assert result.exit_code == 1
        assert result.stderr.startswith(f"error: {path} exists and is not ")
        assert slide.read_bytes() == other.read_bytes() == before


@pytest.mark.parametrize("output", ANY)
def test_nothing_is_written_into_a_store(cli, sample, tree, tmp_path, output):
    store = st.tile_slide(sample, tmp_path / "x.zarr").path
    before = tree(store)
    name, option = output.split()
    for path in (store / "p.png", store / "0" / "zarr.json", store):
        result = cli(name, store if name == "export" else sample, option, path)
        # A store's name is no name of GeoJSON either, which is seen first.
        is_named = name == "export" and path == store
        assert result.exit_code == (2 if is_named else 1), result.stdout
        assert f"rror: {path} " in result.stderr
    assert tree(store) == before


@pytest.mark.parametrize("output", ANY)
def test_temporary_names_are_of_no_file_of_the_users(cli, sample, tmp_path, output):
    store = st.tile_slide(sample, tmp_path / "x.zarr").path
    name, option = output.split()
    precious = tmp_path / "precious"
    precious.write_text("years of work")
    (tmp_path / "x.out.tmp").write_text("mine")
    (tmp_path / "x.out.partial").symlink_to(precious)
    (tmp_path / ".x.out.tmp").symlink_to(precious)
    for _ in range(2):  # the second replaces the first
        result = cli(name, store if name == "export" else sample, option, tmp_path / "x.out")
        assert result.exit_code == 0, result.stderr
    assert precious.read_text() == "years of work"
    assert (tmp_path / "x.out.tmp").read_text() == "mine"
    assert (tmp_path / "x.out").stat().st_size
    check_output(tmp_path / "new", PNG)

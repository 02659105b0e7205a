"""What lies where an export is to be written: it stays, and the message says what it is."""

import pytest

from slidetile.export.kinds import KINDS

ENDS = {"hs2p": ".coordinates.npz"}


@pytest.fixture(params=KINDS)
def kind(request):
    return request.param


@pytest.fixture
def export(kind, stores, cli):
    """Export a store to a place; more options follow."""
    codec = ("--codec", "raw") if kind == "zarr" else ()
    return lambda place, *more: cli(
        "export", stores("native").path, "--to", kind, *codec, "-o", place, *more
    )


def refused(done, *words):
    assert done.exit_code == 1, done.output
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert "File exists" not in line
    for word in words:
        assert word in line
    assert any(remedy in line for remedy in ("choose another", "move it away", "name one")), line


def test_another_file_stays(kind, export, tmp_path):
    place = tmp_path / f"slide{ENDS.get(kind, '.svs')}"
    place.write_bytes(b"a slide")
    for more in ((), ("--overwrite",)) if kind in ("ome-tiff", "dicom", "webdataset") else ((),):
        done = export(place, *more)
        refused(done, str(place), "not", "a folder" if kind == "webdataset" else "not")
        assert "--overwrite" not in done.stderr, "it would not help"
    assert place.read_bytes() == b"a slide"
    assert list(tmp_path.iterdir()) == [place]


def test_another_folder_stays(kind, export, tmp_path):
    place = tmp_path / f"slides{ENDS.get(kind, '')}"
    place.mkdir()
    (place / "mine.txt").write_text("mine")
    done = export(place)
    if kind == "webdataset":  # it may have others' files
        assert done.exit_code == 0
        assert (place / "native.shards.json").exists()
    else:
        refused(done, str(place), "is not a store" if kind == "zarr" else "is a folder")
        assert "--overwrite" not in done.stderr, "it would not help"
        assert list(tmp_path.iterdir()) == [place]
    assert (place / "mine.txt").read_text() == "mine"


def test_an_empty_folder_is_filled_where_a_folder_is_written(kind, export, tmp_path):
    place = tmp_path / f"out{ENDS.get(kind, '')}"
    place.mkdir()
    done = export(place)
    if kind in ("dicom", "webdataset"):
        assert done.exit_code == 0, done.output
        assert list(place.iterdir())
    else:
        refused(done, str(place), "is not a store" if kind == "zarr" else "folder")
        assert not list(place.iterdir())


def test_a_path_in_a_file_is_told(kind, export, tmp_path):
    (tmp_path / "file").write_text("mine")
    done = export(tmp_path / "file" / f"out{ENDS.get(kind, '')}")
    assert done.exit_code == 1
    assert f"lies in {tmp_path / 'file'}, which is not a folder" in done.stderr


def test_a_link_stays(kind, export, tmp_path):
    place = tmp_path / f"out{ENDS.get(kind, '')}"
    place.symlink_to(tmp_path / "nowhere")
    done = export(place)
    assert done.exit_code == 1
    assert f"a symbolic link to {tmp_path / 'nowhere'}" in done.stderr
    assert place.readlink() == tmp_path / "nowhere"
    assert list(tmp_path.iterdir()) == [place]

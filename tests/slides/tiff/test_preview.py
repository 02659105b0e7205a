"""A TIFF that shows a slide whose pixels lie in other files is not taken for the slide."""

import struct

import pytest
import tifffile
from pictures import pattern

from slidetile.slides.opening import open_slide
from slidetile.slides.reader import FinalRefusalError

ETS = b"SIS\0" + struct.pack("<III", 64, 2, 4) + bytes(48) + b"ETS\0" + bytes(228)
READERS = pytest.mark.parametrize("reader", [None, "tiff", "openslide"])


def preview(path, *, is_marked=True):
    """A small TIFF, behind whose header Olympus's own begins, as in a .vsi."""
    tifffile.imwrite(path, pattern(300, 400), photometric="rgb", tile=(64, 64), metadata=None)
    if is_marked:
        data = path.read_bytes()
        (first,) = struct.unpack_from("<I", data, 4)
        (count,) = struct.unpack_from("<H", data, first)
        moved = data[first : first + 2 + 12 * count + 4]  # the directory goes to the end
        header = data[:4] + struct.pack("<I", len(data)) + b"\x18\0IS" + data[12:]
        path.write_bytes(header + moved)
    return path


def pixels(path, name="frame_t.ets"):
    folder = path.with_name(f"_{path.stem}_") / "stack10001"
    folder.mkdir(parents=True)
    (folder / name).write_bytes(ETS if name.endswith("ets") else b"II+\0")


@READERS
@pytest.mark.parametrize("name", ["a.vsi", "a.tif"])
@pytest.mark.parametrize("frame", ["frame_t.ets", "frame_t_0.ets", "frame_t.tif"])
def test_olympus_vsi_names_where_the_pixels_lie(tmp_path, reader, name, frame):
    path = preview(tmp_path / name)
    pixels(path, frame)
    with pytest.raises(
        FinalRefusalError, match=rf"an Olympus VSI; .* lie in _a_/stack10001/{frame}"
    ):
        open_slide(path, reader=reader)


@READERS
@pytest.mark.parametrize("name", ["a.vsi", "a.tif"])
def test_olympus_vsi_without_its_folder_says_what_is_missing(tmp_path, reader, name):
    path = preview(tmp_path / name)
    with pytest.raises(FinalRefusalError, match="in the folder _a_ beside it, which is missing"):
        open_slide(path, reader=reader)


@READERS
def test_a_name_tells_where_the_content_does_not(tmp_path, reader):
    path = preview(tmp_path / "a.VSI", is_marked=False)
    with pytest.raises(FinalRefusalError, match="Olympus VSI"):
        open_slide(path, reader=reader)


@READERS
def test_pixels_beside_any_tiff_tell_that_it_is_a_preview(tmp_path, reader):
    path = preview(tmp_path / "a.tif", is_marked=False)
    pixels(path)
    with pytest.raises(FinalRefusalError, match=r"a preview; .* lie in _a_/stack10001/frame_t.ets"):
        open_slide(path, reader=reader)


def test_a_folder_of_a_like_name_is_no_sidecar(tmp_path):
    path = preview(tmp_path / "a.tif", is_marked=False)
    folder = tmp_path / "_a_" / "stack1"
    folder.mkdir(parents=True)
    (folder / "frame_t.ets").write_bytes(b"notes")
    (folder / "frame_t.tif").write_bytes(path.read_bytes())
    open_slide(path).close()

"""Files that are no slides: named by what they hold, with what to do, and never "no TIFF"."""

import json
from pathlib import Path

import pytest

import slidetile as st
from slidetile.slides.container import container_of
from slidetile.slides.dicom.file import WHOLE_SLIDE, class_of

DICOM = bytes(128) + b"DICM"


def element(group, number, kind, value):
    tag = group.to_bytes(2, "little") + number.to_bytes(2, "little")
    return tag + kind + len(value).to_bytes(2, "little") + value


KINDS = {
    "a.vsi-like": (b"II*\0\x10\0\0\0\x18\0IS", "an Olympus VSI"),
    "frame_t.ets": (b"SIS\0\x40\0\0\0", "an Olympus ETS file"),
    "a.kfb": (b"\xf1\x01\xee\xeeKFB\0", "a KFBIO KFB slide"),
    "a.kfbf": (b"\xf1\x01\xee\xeeKFBF", "a KFBIO KFB slide"),
    "a.sdpc": (b"SQ" + bytes(16) + b"\x9c\0\0\0", "an SQRAY SDPC slide"),
    "a.tmap": (b"\x01\x02\x03", "a TMAP slide"),
    "a.mds": (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "a Motic MDS slide"),
    "a.isyntax": (b'<DataObject ObjectType="DPUfsImport">', "a Philips iSyntax slide"),
    "b.isyntax": (
        b'<?xml version="1.0"?>\n<DataObject ObjectType="DPUfsImport">',
        "a Philips iSyntax slide",
    ),
    "a.czi": (b"ZISRAWFILE" + bytes(22), "a Zeiss CZI"),
    "a.lif": (b"p\0\0\0\x2a\0\0\0*", "a Leica LIF file"),
    "a.nd2": (b"\xda\xce\xbe\n", "a Nikon ND2 file"),
    "a.oir": (b"OLYMPUSRAWFORMAT", "an Olympus OIR file"),
    "a.zvi": (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an OLE compound file"),
    "a.db": (b"SQLite format 3\0", "an SQLite database"),
    "a.ims": (b"\x89HDF\r\n\x1a\n", "an HDF5 file"),
    "a.mrxs": (b"\xff\xd8\xff\xe0", "a MIRAX slide"),
    "Index.dat": (b"01.02", "a MIRAX data file"),
    "a.jxl": (b"\xff\x0a\x00", "a JPEG XL picture"),
    "a.webp": (b"RIFF\0\0\0\0WEBP", "a WebP picture"),
    "a.heic": (b"\0\0\0\x18ftypheic", "a HEIF picture"),
    "a.gif": (b"GIF89a", "a GIF picture"),
    "a.bmp": (b"BM\0\0\0\0\0\0\0\0", "a BMP picture"),
    "a.zip": (b"PK\x03\x04", "a zip archive"),
    "a.svs.gz": (b"\x1f\x8b\x08", "a gzip archive"),
    "a.tar": (b"name".ljust(257, b"\0") + b"ustar", "a tar archive"),
    "a.pdf": (b"%PDF-1.7", "a PDF document"),
    "lfs.svs": (b"version https://git-lfs.github.com/spec/v1\n", "a pointer of Git LFS"),
    "login.svs": (b"<!DOCTYPE html><html>", "a web page"),
    "a.xml": (b"\xef\xbb\xbf<?xml version='1.0'?><a/>", "an XML file"),
    "a.geojson": (b'{"type": "FeatureCollection"}', "a JSON file"),
    "a.csv": ("a,b\nµ,2\n".encode(), "a text file"),
    "hole.svs": (bytes(4096), "a file of zeros"),
    "DICOMDIR": (
        DICOM + element(2, 2, b"UI", b"1.2.840.10008.1.3.10\0"),
        "a DICOM file of the class Media Storage Directory",
    ),
    "other.dcm": (
        DICOM + element(2, 2, b"UI", b"1.2.3.4"),
        "a DICOM file of the class 1.2.3.4",
    ),
}


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("reader", [None, "tiff", "openslide"])
def test_the_message_names_what_it_is_and_what_to_do(tmp_path, name, reader):
    content, words = KINDS[name]
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(st.SlideError, match=f"it is {words}") as caught:
        st.open_slide(path, reader=reader)
    sentences = str(caught.value).rstrip(".").split(". ")
    assert len(sentences) > 1 or "; " in sentences[0]  # the remedy
    assert "not a TIFF" not in str(caught.value) or reader == "tiff"


def test_every_kind_of_table_is_reached():
    for name, (content, words) in KINDS.items():
        found = container_of(content[:4096], Path(name))
        assert found is not None, name
        assert found.name.split(" ")[0] in ("a", "an")
        assert found.name.startswith(words.replace("\\", ""))


def test_what_nobody_knows_is_said_to_be_unknown(tmp_path):
    path = tmp_path / "x.svs"
    path.write_bytes(b"\x01\x02\x03")
    with pytest.raises(st.UnsupportedSlideError, match="of no kind that slidetile knows"):
        st.open_slide(path)


def test_a_segmentation_is_named_by_its_class(shared_slides):
    path = shared_slides / "seg_image_sm_dots_tiled_full.dcm"
    with pytest.raises(st.UnsupportedSlideError, match="a DICOM file of the class Segmentation"):
        st.open_slide(path)
    assert class_of((shared_slides / "sm_image.dcm").read_bytes()) == WHOLE_SLIDE


@pytest.mark.parametrize("end", range(128, 400, 7))
def test_a_dicom_head_that_is_cut_raises_nothing(shared_slides, end):
    whole = (shared_slides / "sm_image.dcm").read_bytes()
    assert class_of(whole[:end]) in (None, WHOLE_SLIDE)
    class_of(whole[:150] + whole[170:end])


def test_a_folder_that_a_series_fills_is_the_slide(shared_slides, cli, tmp_path, monkeypatch):
    folder = shared_slides / "dicom-CMU-1-Small-Region"
    one = min(folder.glob("*.dcm"))
    with st.open_slide(folder) as slide, st.open_slide(one) as same:
        assert (slide.path, slide.source) == (same.path, same.source)
    monkeypatch.chdir(tmp_path)
    told = json.loads(cli("info", folder, "--json").stdout)
    assert (told["kind"], told["slide_name"]) == ("slide", same.path.name)
    assert cli("plan", folder).exit_code == 0
    assert cli("tile", folder).exit_code == 0
    (store,) = tmp_path.glob("*.zarr")
    assert store.name == f"{folder.name}.zarr"
    assert cli("verify", store, "--slide", folder, "--deep").exit_code == 0
    assert cli("batch", folder, "-o", "out", "--processes", 0).exit_code == 0


def test_a_zarr_folder_is_named(shared_slides, tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / ".zgroup").write_text("{}")
    with pytest.raises(st.SlideReadError, match="is a Zarr folder"):
        st.open_slide(tmp_path / "a")
    folders = [each for each in (shared_slides / "omezarr").iterdir() if each.is_dir()]
    assert folders
    for folder in folders:
        with pytest.raises(st.UnsupportedSlideError, match="64-bit floating-point numbers"):
            st.open_slide(folder)

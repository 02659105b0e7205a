"""Files beside a slide: none that may be its finest level is passed over, and no other matters."""

import os
import shutil

import dicom_files
import numpy as np
import pytest
from pydicom.uid import generate_uid

import slidetile as st
from slidetile.slides.dicom import _glances

SERIES_TAG = b"\x20\x00\x0e\x00UI"


@pytest.fixture
def pair(picture, tmp_path):
    """Write a coarse and a finest level; return their paths."""

    def made(**options):
        series = generate_uid()
        coarse, finest = tmp_path / "coarse.dcm", tmp_path / "finest.dcm"
        small = np.ascontiguousarray(picture[::2, ::2])
        dicom_files.write_picture(coarse, small, series=series, kind="raw", mpp=1.0)
        dicom_files.write_picture(finest, picture, series=series, kind="raw", **options)
        return coarse, finest

    return made


def emptied(path):
    path.write_bytes(b"")


def zeroed(path):
    path.write_bytes(bytes(path.stat().st_size))


def unlinked(path):
    path.unlink()
    path.symlink_to(path.with_name("nowhere"))


def overwritten(path):
    path.write_text("<html>please log in</html>")


def cut_at(offset):
    def cut(path):
        path.write_bytes(path.read_bytes()[:offset])

    return cut


def cut_before_its_series(path):
    data = path.read_bytes()
    path.write_bytes(data[: data.index(SERIES_TAG)])


def cut_within_its_series(path):
    data = path.read_bytes()
    path.write_bytes(data[: data.index(SERIES_TAG) + 20])


def without_series(path):
    path.write_bytes(path.read_bytes().replace(SERIES_TAG, b"\x20\x00\x0f\x00UI", 1))


HARM = {
    "no series": (without_series, "does not say which series it is of"),
    "empty": (emptied, r"is empty \(0 bytes\)"),
    "zeros": (zeroed, "begins with zeros"),
    "a dangling link": (unlinked, r"cannot be read \(No such file"),
    "a page instead": (overwritten, "is not DICOM"),
    "cut in its first group": (cut_at(140), "cannot be read"),
    "cut before its class": (cut_at(400), "in its folder"),
    "cut before its series": (cut_before_its_series, "ends within its header"),
    "cut in its series": (cut_within_its_series, "ends within its header"),
}


@pytest.mark.parametrize("harm", HARM)
def test_a_file_that_may_be_the_finest_level_is_not_passed_over(pair, harm):
    change, words = HARM[harm]
    coarse, finest = pair()
    change(finest)
    for path in (coarse.parent, coarse):
        with pytest.raises(st.SlideError, match=rf"finest\.dcm .*{words}|{words}") as raised:
            st.open_slide(path)
        assert "finest.dcm in its folder" in str(raised.value)
        assert "copy it again" in str(raised.value)


def test_a_long_element_before_the_series_hides_no_level(pair):
    def private(dataset):
        dataset.add_new(0x00090010, "LO", "VENDOR")
        dataset.add_new(0x00091001, "OB", bytes(70_000))

    coarse, finest = pair(change=private)
    for path in (coarse.parent, coarse, finest):
        with st.open_slide(path) as slide:
            assert [level.size for level in slide.levels] == [(700, 530), (350, 265)]
            assert slide.name == "finest.dcm"


def test_what_is_no_slides_file_is_in_nobodys_way(pair, shared_slides):
    coarse, _ = pair()
    folder = coarse.parent
    (folder / "notes.txt").write_text("of the scanner")
    (folder / "DONE").write_bytes(b"")
    (folder / "blank.img").write_bytes(bytes(5000))
    (folder / ".hidden.dcm").write_bytes(b"")
    (folder / "sub.dcm").mkdir()
    os.mkfifo(folder / "pipe.dcm")
    shutil.copy(shared_slides / "seg_image_sm_dots_tiled_full.dcm", folder / "seg.dcm")
    media = folder / "DICOMDIR"
    media.write_bytes(
        coarse.read_bytes().replace(b"5.1.4.1.1.77.1.6", b"1.3.10\0\0\0\0\0\0\0\0\0\0")
    )
    for path in (folder, coarse):
        with st.open_slide(path) as slide:
            assert [level.size for level in slide.levels] == [(700, 530), (350, 265)]


def test_a_file_that_stays_as_it_is_is_looked_at_once(pair, picture, monkeypatch):
    coarse, finest = pair()
    looked = []

    def counted(path, look=_glances._look):
        looked.append(path.name)
        return look(path)

    monkeypatch.setattr(_glances, "_look", counted)
    for path in (coarse, finest):
        os.utime(path, (1_000_000_000, 1_000_000_000))
    for path in (coarse.parent, coarse, finest):
        st.open_slide(path).close()
    assert sorted(looked) == ["coarse.dcm", "finest.dcm"]
    dicom_files.write_picture(finest, picture, kind="raw")  # of another series now
    with st.open_slide(coarse) as slide:
        assert len(slide.levels) == 1
    assert looked[2:] == ["finest.dcm"]
    st.open_slide(coarse).close()
    assert looked[2:] == ["finest.dcm"] * 2  # it is too young to be known


def test_no_more_files_are_remembered_than_fit(pair, monkeypatch):
    monkeypatch.setattr(_glances, "_MOST_KNOWN", 1)
    for path in pair():
        os.utime(path, (1_000_000_000, 1_000_000_000))
        assert _glances.glance_at(path).is_level
    assert len(_glances._known._files) == 1

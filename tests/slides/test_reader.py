"""Readers: how they are named, whom `open_slide` asks, and what it says where all refuse."""

import numpy as np
import pytest

import slidetile as st
from slidetile.errors import SlideReadError, UnsupportedSlideError
from slidetile.slides import Reader, opening, readers
from slidetile.slides.reader import FinalRefusalError, OtherReaderError


class ToySlide(st.ArraySlide):
    reader = "toy"


def opens(path, *, mpp=None):
    return ToySlide(np.full((8, 8, 3), 255, np.uint8), mpp=mpp, name=path.name)


def refuses(kind):
    def refuse(path, *, mpp=None):  # noqa: ARG001
        raise kind(f"{path.name} cannot be opened: it is a toy without wheels.")

    return refuse


def reader(open_):
    return Reader(
        name="toy", kind="toy", recognises=lambda head: head.startswith(b"toy"), open=open_
    )


@pytest.fixture
def toy(tmp_path):
    path = tmp_path / "a.toy"
    path.write_bytes(b"toy" * 10_000)
    return path


@pytest.mark.parametrize("name", ["", "Toy", "my toy", "toy/x", "toy\n", "t" * 65])
def test_a_name_is_fit_for_the_command_line_and_for_stores(name):
    with pytest.raises(ValueError, match="1–64 lower-case letters"):
        Reader(name=name, kind="toy", recognises=bool, open=opens)


def test_a_reader_of_ones_own_opens_what_it_is_given(toy):
    slide = st.open_slide(toy, reader=reader(opens), mpp=0.5)
    assert (slide.reader, slide.mpp, slide.source.name) == ("toy", (0.5, 0.5), "a.toy")


def test_a_recipe_takes_one_too(toy):
    assert st.Recipe(reader=reader(opens)).open(toy).reader == "toy"
    with pytest.raises(ValueError, match="reader is one of"):
        st.Recipe(reader="bioformats")


def test_one_may_take_folders(tmp_path, monkeypatch):
    (tmp_path / "toys").mkdir()
    folders = Reader(
        name="toys",
        kind="box of toys",
        recognises=None,
        recognises_folder=lambda path: path.name == "toys",
        open=opens,
    )
    assert st.open_slide(tmp_path / "toys", reader=folders).reader == "toy"
    with pytest.raises(SlideReadError, match="is a folder, not a slide"):
        st.open_slide(tmp_path, reader=folders)
    ask(monkeypatch, folders)
    assert st.open_slide(tmp_path / "toys").reader == "toy"


def ask(monkeypatch, *more):
    """Have `open_slide` ask more readers, before the others."""
    for module in (readers, opening):
        monkeypatch.setattr(module, "READERS", (*more, *module.READERS))


def test_it_is_asked_for_the_files_it_recognises_only(toy, sample, monkeypatch):
    ask(monkeypatch, reader(opens))
    assert st.open_slide(toy).reader == "toy"
    assert st.open_slide(toy, reader="toy").reader == "toy"
    with st.open_slide(sample) as slide:
        assert slide.reader == "tiff"


def test_where_it_refuses_the_others_are_asked(toy, monkeypatch):
    ask(monkeypatch, reader(refuses(UnsupportedSlideError)))
    with pytest.raises(
        UnsupportedSlideError,
        match=r"it is a text file, and it is a toy without wheels, and OpenSlide says .*Convert it",
    ):
        st.open_slide(toy)


def test_what_it_leaves_to_others_is_not_to_be_converted(toy, monkeypatch):
    ask(monkeypatch, reader(refuses(OtherReaderError)))
    with pytest.raises(UnsupportedSlideError, match="OpenSlide says") as caught:
        st.open_slide(toy)
    assert "Convert it" not in str(caught.value)


def test_where_its_refusal_is_final_nobody_else_is_asked(toy, monkeypatch):
    ask(monkeypatch, reader(refuses(FinalRefusalError)), reader(opens))
    with pytest.raises(FinalRefusalError, match="without wheels"):
        st.open_slide(toy)


@pytest.mark.parametrize(
    ("name", "reader", "words"),
    [
        ("CMU-1-small.tiff", "dicom", "it is a TIFF, not a DICOM"),
        ("wsic-XYC.png", "dicom", "it is a PNG picture, not a DICOM"),
        ("sm_image.dcm", "tiff", "it is a DICOM file, not a TIFF"),
        ("CMU-1-small.tiff", "ome-zarr", "it is a file, and OME-Zarr slides are folders"),
    ],
)
def test_the_wrong_reader_is_told_to_be_left_out(shared_slides, name, reader, words):
    with pytest.raises(UnsupportedSlideError, match=f"{words}. Leave the reader out"):
        st.open_slide(shared_slides / name, reader=reader)

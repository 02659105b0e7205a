"""Which file belongs to a slide, and what is recorded of it."""

import unicodedata

import numpy as np
import pytest

import slidetile as st

NAMES = {"composed": "Prüfung é.svs"}
NAMES["decomposed"] = unicodedata.normalize("NFD", NAMES["composed"])


def slide_named(name):
    return st.ArraySlide(np.full((8, 8, 3), 255, np.uint8), name=name)


@pytest.mark.parametrize(
    "file", ["a.geojson", "a.svs.geojson", "a.geojson.gz", "a.xml", "a.annotations", "a.svs.npy"]
)
def test_a_folder_gives_the_file_named_as_the_slide(tmp_path, file):
    (tmp_path / file).touch()
    (tmp_path / "b.geojson").touch()
    (tmp_path / "a.json").mkdir()
    spec = st.AnnotationsSpec(path=tmp_path)
    assert spec.file_for(slide_named("a.svs")) == tmp_path / file


def test_a_file_is_every_slides(tmp_path):
    spec = st.AnnotationsSpec(path=tmp_path / "any.xml")
    assert spec.file_for(slide_named("a.svs")) == tmp_path / "any.xml"


def test_the_slide_is_not_its_own_mask(tmp_path):
    (tmp_path / "a.tif").touch()
    with pytest.raises(st.AnnotationError, match=r"no annotations for a\.tif: add a\.geojson, or"):
        st.AnnotationsSpec(path=tmp_path).file_for(slide_named("a.tif"))


def test_several_files_are_too_many(tmp_path):
    for name in ("a.geojson", "a.svs.xml"):
        (tmp_path / name).touch()
    with pytest.raises(
        st.AnnotationError, match=r"a\.geojson, a\.svs\.xml: keep one|a\.svs\.xml, a"
    ):
        st.AnnotationsSpec(path=tmp_path).file_for(slide_named("a.svs"))


@pytest.mark.parametrize("slide", NAMES)
@pytest.mark.parametrize("file", NAMES)
def test_names_are_the_same_in_either_normal_form(tmp_path, slide, file):
    path = tmp_path / f"{NAMES[file]}.geojson"
    path.touch()
    assert st.AnnotationsSpec(path=tmp_path).file_for(slide_named(NAMES[slide])) == path


def test_what_is_recorded_is_the_content_and_the_choices(tmp_path):
    path = tmp_path / "a.geojson"
    path.write_bytes(b"{}")
    spec = st.AnnotationsSpec(path=path, mode="exclude", classes=["b", "a", "b"], unit="um")
    assert spec.parameters(slide_named("a.svs")) == {
        "mode": "exclude",
        "sha256": "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a",
        "classes": ["a", "b"],
        "unit": "um",
        "origin": "auto",
    }
    path.unlink()
    with pytest.raises(st.AnnotationError, match=r"a\.geojson cannot be read: No such file"):
        spec.parameters(slide_named("a.svs"))


def test_an_empty_file_is_named(tmp_path):
    (tmp_path / "drawn.xml").touch()
    with pytest.raises(st.AnnotationError, match=r"^drawn\.xml cannot be used: it is empty"):
        st.AnnotationsSpec(path=tmp_path / "drawn.xml").parameters(slide_named("a.svs"))

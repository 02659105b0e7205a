"""Which objects below a prefix are slides: by their names, and by their first bytes."""

import shutil

import pytest
from object_storage import Fault

import slidetile as st
from slidetile.cloud.objects import write_object
from slidetile.cohort.inputs import bucket
from slidetile.cohort.inputs.bucket import slides_at
from slidetile.cohort.inputs.folder import find_slides
from slidetile.errors import SlideReadError


@pytest.fixture
def folder(sample, shared_slides, tmp_path):
    """A folder of slides whose names say nothing, and of what is none."""
    found = tmp_path / "found"
    (found / "series").mkdir(parents=True)
    shutil.copy(sample, found / "scan 1")
    shutil.copy(sample, found / "b.svs")
    shutil.copy(sample, found / "export.v2")
    for number, path in enumerate(sorted((shared_slides / "dicom-CMU-1-Small-Region").iterdir())):
        shutil.copy(path, found / "series" / f"IM{number}")
    shutil.copy(shared_slides / "seg_image_sm_dots_tiled_full.dcm", found / "seg.dcm")
    (found / "README").write_text("of the lab")
    (found / "notes.txt").write_text("of the lab")
    (found / "empty").touch()
    (found / ".hidden").write_bytes(sample.read_bytes())
    return found


def names(prefix, slides):
    return sorted(each.key[len(prefix.key) + 1 :] for each in slides)


def test_the_same_are_found_as_in_a_folder(folder, lab, caplog):
    prefix = lab.put(folder)
    local = [path.relative_to(folder).as_posix() for path in find_slides([folder])]
    caplog.clear()
    found = names(prefix, slides_at(prefix))
    assert found == sorted(local)
    assert [name for name in found if "/" not in name] == ["b.svs", "export.v2", "scan 1"]
    (series,) = (name for name in found if "/" in name)
    with st.open_slide(prefix / series) as there, st.open_slide(folder / "series") as here:
        assert (there.width, there.height) == (here.width, here.height)
    told = "no slides: 4 (no suffix 1, .txt 1, DICOM file of the class Segmentation 1, text file 1)"
    assert sorted(told.split()) == sorted(
        caplog.text.split("they are ")[1].split(". Give")[0].split()
    )


def test_a_look_takes_one_request_and_names_that_tell_take_none(folder, lab):
    prefix = lab.put(folder)
    slides_at(prefix)
    asked = [
        each.key.partition("/found/")[2] for each in lab.proxy.of("GET") if "/found/" in each.key
    ]
    for name in ("scan%201", "export.v2", "README"):
        assert asked.count(name) == 1, asked
    assert not {"b.svs", "notes.txt", "empty", ".hidden"} & set(asked)
    assert lab.proxy.of("HEAD", ending="scan%201") == []


def test_no_more_are_looked_at_than_so_many_and_that_is_told(folder, lab, caplog, monkeypatch):
    monkeypatch.setattr(bucket, "MOST_LOOKED", 2)
    prefix = lab.put(folder)
    assert names(prefix, slides_at(prefix)) == ["b.svs", "export.v2"]
    assert "the first 2 were looked at, and 5 were not" in caplog.text


def test_what_a_cohort_below_it_has_written_is_not_looked_at(sample, lab, caplog):
    lab.put(sample, "all/a.svs")
    cohort = lab.home / "all" / "out"
    st.tile_slides([lab.home / "all" / "a.svs"], cohort, st.Recipe(codec="raw"), processes=0)
    write_object(cohort / "logs" / "x", [b"?"])
    lab.proxy.clear()
    caplog.clear()
    assert names(lab.home, slides_at(lab.home)) == ["all/a.svs"]
    assert len(lab.proxy.requests) == 1
    assert "left out" not in caplog.text


def test_an_object_that_may_not_be_read_is_left_out_and_a_bucket_that_fails_is_told(folder, lab):
    prefix = lab.put(folder)
    denied, fails = Fault(status=403, code="AccessDenied"), Fault(status=500)
    lab.proxy.fault = lambda each: denied if each.key.endswith("scan%201") else None
    assert "scan 1" not in names(prefix, slides_at(prefix))
    lab.proxy.fault = lambda each: fails if each.key.endswith("scan%201") else None
    with pytest.raises(SlideReadError, match="its server fails"):
        slides_at(prefix)


def test_a_prefix_without_slides_is_told(lab, cli, tmp_path):
    write_object(lab.home / "none" / "README", [b"of the lab"])
    ended = cli("batch", lab.home / "none", "-o", tmp_path / "out")
    assert ended.exit_code == 1
    assert f"no slides found in {lab.home / 'none'}" in ended.stderr
    assert "no slides: 1 (text file 1)" in ended.stderr

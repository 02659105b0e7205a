"""A file that cannot be read stops its slide, which the same command continues or begins anew."""

import os
import shutil

import dicom_files
import numpy as np
import pydicom
import pytest
from batches import tile_here

import slidetile as st
from slidetile.slides.openslide import _neighbours

SMALL = st.Recipe(tile=st.TileSpec(size=256))
CODECS = ["native", "zstd", "raw", "jxl", "jpeg"]


@pytest.fixture
def slide(sample, tmp_path):
    return shutil.copy(sample, tmp_path / "s.svs")


def changing(slide, change):
    """Return a function that changes the file once some shards are written."""
    done = []

    def on_progress(progress):
        if progress.shards_done and not done:
            done.append(True)
            change(slide)

    return on_progress


def touch(path):
    os.utime(path, (1, 1))


def overwrite_the_middle(path):
    with path.open("r+b") as file:
        file.seek(path.stat().st_size // 2)
        (byte,) = file.read(1)
        file.seek(-1, os.SEEK_CUR)
        file.write(bytes([byte ^ 1]))


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("change", [touch, overwrite_the_middle])
def test_a_slide_that_changes_is_not_finished(slide, tree, tmp_path, codec, change):
    recipe = st.Recipe(tile=SMALL.tile, codec=codec)
    out = tmp_path / "x.zarr"
    with pytest.raises(st.SlideReadError, match=r"s\.svs changed while it was read"):
        st.tile_slide(slide, out, recipe, on_progress=changing(slide, change))
    assert [path.name for path in tmp_path.iterdir()] == ["s.svs"]
    whole = st.tile_slide(slide, tmp_path / "whole.zarr", recipe).path
    assert tree(st.tile_slide(slide, out, recipe).path) == tree(whole)


@pytest.mark.parametrize("change", [{"color": "srgb"}, {"mpp": 1.0}], ids=["srgb", "mpp"])
def test_a_slide_that_changes_beneath_a_view_is_not_finished(slide, tmp_path, change):
    recipe = st.Recipe(tile=SMALL.tile, codec="zstd", **change)
    with pytest.raises(st.SlideReadError, match=r"s\.svs changed while it was read"):
        st.tile_slide(slide, tmp_path / "x.zarr", recipe, on_progress=changing(slide, touch))
    assert [path.name for path in tmp_path.iterdir()] == ["s.svs"]


def test_a_slide_that_is_gone_for_a_while_continues(slide, tree, tmp_path):
    recipe = st.Recipe(tile=SMALL.tile, codec="zstd")
    whole = tree(st.tile_slide(slide, tmp_path / "whole.zarr", recipe).path)
    out, away = tmp_path / "x.zarr", tmp_path / "away"
    change = changing(slide, lambda path: path.rename(away))
    with pytest.raises(st.SlideReadError, match=r"s\.svs is gone: what is written is kept"):
        st.tile_slide(slide, out, recipe, on_progress=change)
    away.rename(slide)
    seen = []
    assert tree(st.tile_slide(slide, out, recipe, on_progress=seen.append).path) == whole
    assert seen[0].shards_done == seen[0].shards_total


def test_a_slide_in_memory_does_not_change(tmp_path):
    slide = st.ArraySlide(np.zeros((64, 64, 3), np.uint8))
    plan = st.plan_tiles(slide, st.find_tissue(slide), st.TileSpec(size=64, min_tissue_fraction=0))
    assert len(st.write_tiles(slide, plan, tmp_path / "x.zarr")) == 1


def test_a_batch_goes_on_when_the_file_is_complete(sample, tree, tmp_path):
    """As where slides are tiled while the scanner still writes them."""
    slide, out = tmp_path / "s.svs", tmp_path / "out"
    slide.write_bytes(sample.read_bytes()[:900_000])
    assert tile_here([slide], out, SMALL).results[0].status in ("failed", "unreadable tiles")
    slide.write_bytes(sample.read_bytes())
    (result,) = tile_here([slide], out, SMALL).results
    assert (result.status, result.unreadable) == ("ok", 0), result.reason
    whole = st.tile_slide(slide, tmp_path / "whole.zarr", SMALL).path
    assert tree(out / "s.zarr") == tree(whole)


SERIES = "dicom-CMU-1-Small-Region"


@pytest.fixture
def series(shared_slides, tmp_path):
    """The files of a DICOM series, level 0 first, its label, and one of another slide."""
    folder = shutil.copytree(shared_slides / SERIES, tmp_path / "series")
    first, label, *_ = sorted(folder.glob("*.dcm"), key=lambda path: -path.stat().st_size)
    with st.open_slide(first) as slide:
        half = np.ascontiguousarray(slide.read_region(slide.bounds)[::2, ::2])
    own = pydicom.dcmread(first, specific_tags=["SeriesInstanceUID"]).SeriesInstanceUID
    second, _ = dicom_files.write_picture(folder / "2.dcm", half, frame=(240, 240), series=own)
    shutil.copy(shared_slides / "sm_image.dcm", folder / "other.dcm")
    return first, second, label, folder / "other.dcm"


@pytest.mark.parametrize("which", ["of the series", "a label", "of another slide"])
def test_the_files_beside_a_slide_are_watched_too(series, tmp_path, which):
    first, second, label, other = series
    recipe = st.Recipe(tile=SMALL.tile, codec="zstd", slide_mpp=0.5)
    touched = {"of the series": second, "a label": label}.get(which, other)
    change = changing(touched, touch)
    out = tmp_path / "x.zarr"
    if which == "of the series":
        with pytest.raises(st.SlideReadError, match=f"{second.name} changed while it was read"):
            st.tile_slide(first, out, recipe, on_progress=change)
        assert not list(tmp_path.glob("x.zarr*"))
    whole = st.tile_slide(first, out, recipe, on_progress=change)
    assert touched.stat().st_mtime == 1
    assert st.verify_store(whole.path) == ()


def test_the_files_of_mirax_and_of_lists_are_known(tmp_path):
    (tmp_path / "a").mkdir()
    for name in ("a.mrxs", "a/Slidedat.ini", "a/Data0000.dat", "a_1.jpg", "b.jpg"):
        (tmp_path / name).write_bytes(b"x")
    listed = b"[Virtual Microscope Specimen]\nImageFile=a_1.jpg\n"
    (tmp_path / "a.vms").write_bytes(listed)

    def own(name):
        path = tmp_path / name
        found = _neighbours.own_neighbours(path, _neighbours.find_neighbours(path), None)
        return {str(each.relative_to(tmp_path)) for each in found}

    assert own("a.mrxs") == {"a/Slidedat.ini", "a/Data0000.dat"}
    assert own("a.vms") == {"a_1.jpg"}
    assert own("b.jpg") == set()

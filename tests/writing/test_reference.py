"""Stores without pixels, and the whole stores that are made of them later."""

import os
import pickle
import signal as signals
import subprocess
import sys
import time

import numpy as np
import pytest
from channel_files import NAMES, ome_tiff, signal
from ome_zarr import write_image
from vendor_files import write_mirax

import slidetile as st
from slidetile.choices import UnfitChoiceError
from slidetile.format.names import partial_path
from slidetile.recipe.done import done_before

TILES = st.TileSpec(size=256)
ALL = st.TileSpec(size=256, min_tissue_fraction=0)
REFERENCE = st.Recipe(codec="reference", tile=TILES)

SLIDES = {
    "sample.svs": "native",
    "CMU-1-Small-Region.svs": "native",
    "CMU-1-small.tiff": "native",
    "test3-DAPI.ndpi": "native",
    "multi_frame_jpeg_camelyon_challenge_image.dcm": "native",
    "dicom-CMU-1-Small-Region": "native",
    "made/philips.tiff": "native",
    "made/brightfield.ndpi": "native",
    "made/leica.scn": "native",
    "made/dicom_fragments.dcm": "native",
    "made/aperio33003.svs": "zstd",
    "yb10kx5k.zstd.tiff": "zstd",
    "wsic-XYC.png": "zstd",
}
"""Slides of every reader that has one here, and what `auto` comes to."""


@pytest.fixture(params=SLIDES)
def slide_path(request, sample, shared_slides):
    return sample if request.param == "sample.svs" else shared_slides / request.param


def whole_of(store):
    return st.Region(x=0, y=0, width=store.levels[0].width, height=store.levels[0].height)


def assert_same_pixels(store, other):
    """Compare all tiles, and all levels of a size that both have."""
    assert len(store) == len(other)
    for index in range(len(other)):
        np.testing.assert_array_equal(store[index], other[index])
    sizes = [level.size for level in store.levels]
    for number, level in enumerate(other.levels):
        if level.size in sizes and other.codec == "native":
            mine = store.read_region(whole_of(store), level=sizes.index(level.size))
            np.testing.assert_array_equal(mine, other.read_region(whole_of(store), level=number))


def test_it_reads_as_the_stores_that_hold_pixels_and_becomes_one(slide_path, tmp_path, tree):
    store = st.tile_slide(slide_path, tmp_path / "a.zarr", REFERENCE)
    direct = st.tile_slide(slide_path, tmp_path / "b.zarr", st.Recipe(tile=TILES))
    assert direct.codec == SLIDES[str(slide_path).split("/slides/")[-1].split("samples/")[-1]]
    assert (store.codec, store.tile_bytes) == ("reference", 0)
    assert_same_pixels(store, direct)
    assert not any("/c/" in name and name[0].isdigit() for name in tree(store.path))
    stored = sum(path.stat().st_size for path in store.path.rglob("*") if path.is_file())
    assert stored < 2 * store.overview.nbytes + 100_000  # the overview, the tissue, the table
    st.write_whole_store(store, tmp_path / "whole.zarr")
    assert tree(tmp_path / "whole.zarr") == tree(direct.path)
    assert st.verify_store(store.path, deep=True) == ()


def test_a_slide_that_openslide_alone_opens(tmp_path, tree):
    path = tmp_path / "a.mrxs"
    write_mirax(path, signal(700, 900, 3, bits=8))
    recipe = st.Recipe(codec="reference", tile=ALL)
    store = st.tile_slide(path, tmp_path / "a.zarr", recipe)
    assert store.slide.reader == "openslide"
    direct = st.tile_slide(path, tmp_path / "b.zarr", st.Recipe(tile=ALL))
    assert_same_pixels(store, direct)
    st.write_whole_store(store, tmp_path / "whole.zarr")
    assert tree(tmp_path / "whole.zarr") == tree(direct.path)


def test_channels_and_sixteen_bits(tmp_path, tree):
    path = tmp_path / "a.ome.tif"
    ome_tiff(path, signal(700, 900, len(NAMES), bits=16))
    recipe = st.Recipe(codec="reference", tile=ALL, channels=("2", "0"))
    store = st.tile_slide(path, tmp_path / "a.zarr", recipe)
    assert (store.dtype, len(store.channels)) == (np.uint16, 2)
    direct = st.tile_slide(path, tmp_path / "b.zarr", st.Recipe(tile=ALL, channels=("2", "0")))
    assert_same_pixels(store, direct)
    st.write_whole_store(store, tmp_path / "whole.zarr", codec="raw")
    raw = st.tile_slide(
        path, tmp_path / "c.zarr", st.Recipe(tile=ALL, codec="raw", channels=("2", "0"))
    )
    assert tree(tmp_path / "whole.zarr") == tree(raw.path)


def test_a_slide_that_is_a_folder(tmp_path, tree):
    pixels = signal(700, 900, 3, bits=8)
    write_image(tmp_path / "slide.zarr", [pixels, pixels[::2, ::2]])
    recipe = st.Recipe(codec="reference", tile=ALL)
    store = st.tile_slide(tmp_path / "slide.zarr", tmp_path / "a.zarr", recipe)
    direct = st.tile_slide(tmp_path / "slide.zarr", tmp_path / "b.zarr", st.Recipe(tile=ALL))
    assert_same_pixels(store, direct)
    st.write_whole_store(store, tmp_path / "whole.zarr")
    assert tree(tmp_path / "whole.zarr") == tree(direct.path)
    assert st.verify_store(store.path, deep=True) == ()


def test_windows_views_and_cards_work_as_of_any_store(sample, tmp_path):
    store = st.tile_slide(sample, tmp_path / "a.zarr", REFERENCE)
    native = st.tile_slide(sample, tmp_path / "b.zarr", st.Recipe(tile=TILES))
    for options in ({"size": 100, "stride": 90}, {"size": 64, "mpp": 1.3}, {"size": 64, "mpp": 2}):
        mine, theirs = store.windows(**options), native.windows(**options)
        np.testing.assert_array_equal(mine.coordinates, theirs.coordinates)
        for one, other in zip(mine, theirs, strict=True):
            np.testing.assert_array_equal(one, other)
    quality = ("tile_id", "status", "mean_red", "laplacian_variance", "pen_fraction")
    assert store.tiles.select(quality).equals(native.tiles.select(quality))
    assert "<img" in store._repr_html_()
    copies = pickle.loads(  # noqa: S301
        pickle.dumps((store, store.select([3, 1]), store.windows(size=64)))
    )
    np.testing.assert_array_equal(copies[0][3], native[3])
    np.testing.assert_array_equal(copies[1][0], native[3])
    np.testing.assert_array_equal(copies[2][5], native.windows(size=64)[5])


def test_zarr_libraries_refuse_it_and_do_not_see_background(sample, tmp_path):
    import zarr

    store = st.tile_slide(sample, tmp_path / "a.zarr", REFERENCE)
    group = zarr.open_group(store.path, mode="r")
    with pytest.raises(Exception, match="slidetile_reference"):
        group["0"]
    with pytest.raises(Exception, match="slidetile_reference"):
        store.zarr["0"]


def test_same_slide_and_settings_are_done_and_the_same_bytes(sample, tmp_path, tree):
    store = st.tile_slide(sample, tmp_path / "a.zarr", REFERENCE)
    assert done_before(sample, store.path, REFERENCE) is not None
    before = tree(store.path)
    with pytest.raises(st.StoreExistsError, match="other settings"):
        st.tile_slide(sample, store.path, st.Recipe(tile=TILES))
    with pytest.raises(st.StoreExistsError):
        st.tile_slide(sample, store.path, st.Recipe(codec="reference"))
    overwrite = st.WriteOptions(existing="overwrite")
    st.tile_slide(sample, store.path, REFERENCE, options=overwrite)
    assert tree(store.path) == before


@pytest.mark.parametrize(
    ("choice", "match"),
    [
        ({"mpp": 1.0}, "another resolution"),
        ({"color": "srgb"}, "colours in sRGB"),
    ],
)
def test_what_would_change_pixels_is_refused(sample, tmp_path, choice, match):
    with pytest.raises(UnfitChoiceError, match=match):
        st.tile_slide(sample, tmp_path / "a.zarr", st.Recipe(codec="reference", **choice))
    assert list(tmp_path.iterdir()) == []


def test_samples_that_are_mapped_are_refused(tmp_path):
    ome_tiff(tmp_path / "a.ome.tif", signal(700, 900, len(NAMES), bits=16))
    recipe = st.Recipe(codec="reference", dtype="uint8")
    with pytest.raises(UnfitChoiceError, match="mapped onto 8 bits"):
        st.tile_slide(tmp_path / "a.ome.tif", tmp_path / "a.zarr", recipe)


def test_it_cannot_be_anonymous(sample, tmp_path):
    with pytest.raises(UnfitChoiceError, match="anonymous"):
        st.tile_slide(
            sample, tmp_path / "a.zarr", REFERENCE, options=st.WriteOptions(anonymous=True)
        )
    assert list(tmp_path.glob("a.zarr*")) == []


def test_a_slide_without_a_file_is_refused(tmp_path):
    slide = st.ArraySlide(np.full((600, 600, 3), 120, np.uint8), mpp=0.5)
    plan = st.plan_tiles(slide, st.find_tissue(slide), ALL)
    with pytest.raises(UnfitChoiceError, match="was opened by array"):
        st.write_tiles(slide, plan, tmp_path / "a.zarr", codec="reference")


def test_a_store_with_pixels_is_whole(sample, tmp_path):
    store = st.tile_slide(sample, tmp_path / "a.zarr", st.Recipe(tile=TILES))
    with pytest.raises(st.StoreError, match="holds its pixels already"):
        st.write_whole_store(store, tmp_path / "b.zarr")
    reference = st.tile_slide(sample, tmp_path / "c.zarr", REFERENCE)
    with pytest.raises(ValueError, match="not reference"):
        st.write_whole_store(reference, tmp_path / "b.zarr", codec="reference")
    assert not list(tmp_path.glob("b.zarr*"))


def test_damage_of_the_slide_is_an_error_and_never_background(damaged_sample, tmp_path):
    store = st.tile_slide(damaged_sample, tmp_path / "a.zarr", REFERENCE)
    native = st.tile_slide(damaged_sample, tmp_path / "b.zarr", st.Recipe(tile=TILES))
    bad = native.tiles["status"].to_pylist().index("unreadable")
    with pytest.raises(st.StoreError, match="could not be read from the slide"):
        store[bad]
    np.testing.assert_array_equal(store[bad + 2], native[bad + 2])
    found = st.verify_store(store.path, deep=True)
    assert [finding.path for finding in found] == ["0/zarr.json"]
    assert "does not decode in the slide" in found[0].what
    st.write_whole_store(store, tmp_path / "whole.zarr")
    assert st.open_store(tmp_path / "whole.zarr").unreadable == native.unreadable


def test_damage_that_measuring_meets_is_marked(shared_slides, tmp_path):
    data = bytearray((shared_slides / "CMU-1-Small-Region.svs").read_bytes())
    with st.open_slide(shared_slides / "CMU-1-Small-Region.svs") as slide:
        grid = slide._grids[0]
        place = int(grid.counts.argmax())
        start, size = int(grid.offsets[place]), int(grid.counts[place])
    data[start : start + size] = bytes(size)
    (tmp_path / "a.svs").write_bytes(data)
    store = st.tile_slide(tmp_path / "a.svs", tmp_path / "a.zarr", REFERENCE)
    native = st.tile_slide(tmp_path / "a.svs", tmp_path / "b.zarr", st.Recipe(tile=TILES))
    assert store.unreadable == native.unreadable > 0
    assert store.tiles["status"].equals(native.tiles["status"])
    assert st.verify_store(store.path, deep=True) == ()


KILLED = """
import sys, threading, os, signal, time
import slidetile as st
from slidetile.writing import _run
slow = _run.Run._measure
def measure(self, writer):
    print("begun", flush=True)
    time.sleep(60)
_run.Run._measure = measure
st.tile_slide(sys.argv[1], sys.argv[2], st.Recipe(codec="reference", tile=st.TileSpec(size=256)))
"""


def test_a_run_killed_in_the_middle_leaves_no_store_and_is_continued(sample, tmp_path, tree):
    expected = tree(st.tile_slide(sample, tmp_path / "whole.zarr", REFERENCE).path)
    target = tmp_path / "a.zarr"
    with subprocess.Popen(
        [sys.executable, "-c", KILLED, sample, target], stdout=subprocess.PIPE, text=True
    ) as run:
        assert run.stdout.readline() == "begun\n"
        os.kill(run.pid, signals.SIGKILL)
    assert not target.exists()
    assert partial_path(target).is_dir()
    with pytest.raises(st.IncompleteStoreError):
        st.open_store(target)
    deadline = time.monotonic() + 60
    while True:
        try:
            st.tile_slide(sample, target, REFERENCE)
        except st.StoreBusyError:  # the killed run counts as alive for a while
            assert time.monotonic() < deadline
            time.sleep(0.5)
        else:
            break
    assert tree(target) == expected

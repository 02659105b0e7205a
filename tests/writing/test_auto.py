"""The codec auto says why it is not native: in the store, the summary and the table of a batch."""

import csv
import io
import json
import shutil

import pytest
import tifffile
from pictures import pattern
from PIL import Image

import slidetile as st
from slidetile.format.names import PARTIAL_NOTE

EVERYWHERE = ("--min-tissue-fraction", "0")
SIZE = {"tile": st.TileSpec(size=256, min_tissue_fraction=0)}


def tiff(path, channels=3, **options):
    options = {"tile": (64, 64), "metadata": None, **options}
    options.setdefault("photometric", "rgb" if channels == 3 else "minisblack")
    pixels = pattern(300, 421, channels)
    scale = {"resolution": (20_000, 20_000), "resolutionunit": "CENTIMETER"}
    tifffile.imwrite(path, pixels if channels == 3 else pixels[..., 0], **options, **scale)
    return path


def progressive(path):
    file = io.BytesIO()
    Image.fromarray(pattern(256, 256)).save(file, "JPEG", quality=90, progressive=True)
    streams = [file.getvalue()] * 2
    options = {"tile": (256, 256), "photometric": "ycbcr", "compression": 7, "metadata": None}
    options |= {"shape": (256, 512, 3), "dtype": "uint8", "subsampling": (2, 2)}
    tifffile.imwrite(path, iter(streams), **options)
    return path


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (
            lambda path: tiff(path, compression="jpeg2000"),
            "JPEG 2000 takes ten times as long to read as zstd",
        ),
        (tiff, "its tiles are uncompressed, not JPEG, JPEG 2000 or WebP"),
        (lambda path: tiff(path, tile=None, rowsperstrip=64), "strips, not tiles"),
        (lambda path: tiff(path, 1, compression="jpeg"), "one channel"),
        (
            lambda path: tiff(path, tile=(48, 48), compression="jpeg"),
            "tiles of 48×48 px do not fit: sides are 64–4096 px, in steps of 8",
        ),
        (progressive, "a tile's JPEG is not baseline (its frame is SOF2)"),
    ],
)
def test_the_store_says_why(tmp_path, make, reason):
    path = make(tmp_path / "a.tif")
    store = st.tile_slide(path, tmp_path / "a.zarr", st.Recipe(**SIZE))
    assert (store.codec, store.metadata.not_native) == ("zstd", reason)
    assert st.verify_store(store.path, deep=True) == ()
    by_name = st.tile_slide(path, tmp_path / "b.zarr", st.Recipe(codec="zstd", **SIZE))
    assert by_name.metadata.not_native is None
    assert store.attributes["not_native"] == reason
    # Which way the codec was chosen makes no other store.
    again = st.tile_slide(path, tmp_path / "b.zarr", st.Recipe(**SIZE))
    assert again.metadata.not_native is None


def test_a_native_store_says_nothing(sample, tmp_path):
    store = st.tile_slide(sample, tmp_path / "a.zarr")
    assert (store.codec, store.metadata.not_native) == ("native", None)
    assert "not_native" not in json.loads((store.path / "zarr.json").read_text())["attributes"]


def test_another_resolution_is_a_reason(sample, tmp_path):
    store = st.tile_slide(sample, tmp_path / "a.zarr", st.Recipe(mpp=0.7))
    assert store.metadata.not_native.startswith("another resolution was asked for")
    halved = st.tile_slide(sample, tmp_path / "b.zarr", st.Recipe(mpp=2.0))
    assert (halved.codec, halved.metadata.not_native) == ("native", None)


def test_openslide_and_arrays_have_no_tiles_to_copy(shared_slides):
    with st.open_slide(shared_slides / "test3-DAPI.ndpi", reader="openslide") as slide:
        assert slide.native_obstacle(0) == "OpenSlide gives out no compressed tiles"
    array = st.ArraySlide(pattern(64, 64))
    assert array.native_obstacle(0) == "its pixels lie in memory"
    with pytest.raises(IndexError):
        array.native_obstacle(1)


def test_a_store_that_is_continued_keeps_its_reason(tmp_path):
    path = progressive(tmp_path / "a.tif")
    recipe = st.Recipe(**SIZE)
    whole = st.tile_slide(path, tmp_path / "whole.zarr", recipe)
    begun_with = {name: each for name, each in whole.attributes.items() if name != "selection"}
    note = {"what": "", "slidetile": begun_with}
    (begun := tmp_path / "a.zarr.partial").mkdir()
    (begun / PARTIAL_NOTE).write_text(json.dumps(note))
    continued = st.tile_slide(path, tmp_path / "a.zarr", recipe)
    assert continued.metadata == whole.metadata
    shutil.rmtree(continued.path)
    del note["slidetile"]["not_native"]
    begun.mkdir()
    (begun / PARTIAL_NOTE).write_text(json.dumps(note))
    unsaid = st.tile_slide(path, tmp_path / "a.zarr", recipe)
    assert unsaid.metadata.not_native == "the store was begun with the codec zstd"


def test_the_summary_says_why(cli, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    tiff(tmp_path / "a.tif", compression="lzw")
    why = "its tiles are LZW, not JPEG, JPEG 2000 or WebP"
    done = cli("tile", "a.tif", *EVERYWHERE)
    assert f"zstd (not native: {why})" in done.stdout
    assert f"zstd (not native: {why})" in cli("plan", "a.tif", *EVERYWHERE).stdout
    assert f"none ({why})" in cli("info", "a.tif").stdout
    told = json.loads(cli("info", "a.zarr", "--json").stdout)
    assert told["not_native"] == why
    assert cli("batch", "a.tif", "-o", "out", "--processes", "0", *EVERYWHERE).exit_code == 0
    with (tmp_path / "out" / "summary.csv").open() as file:
        (row,) = csv.DictReader(file)
    assert row["not_native"] == why


def test_a_contradiction_of_colours_is_in_the_store_and_in_info(cli, shared_slides, tmp_path):
    path = shared_slides / "petebankhead-OS-1-detail.ome.tif"
    done = cli("info", path)
    assert "says RGB, but its JPEG" in done.stdout
    assert "says RGB, but its JPEG" in done.stderr
    out = tmp_path / "a.zarr"
    assert cli("tile", path, "-o", out, "--mpp", "0.9", "--anonymous").exit_code == 0
    note = st.open_store(out).metadata.source.colour_note
    assert note.endswith("read as YCbCr")

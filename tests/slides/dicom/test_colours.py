"""Files that say two things of their colours: the reading that can be true is taken, and told."""

import json
import os

import dicom_files
import imagecodecs
import numpy as np
import pydicom
import pytest
import simplejpeg
from PIL import Image

import slidetile as st

_ADOBE = b"\xff\xee\x00\x0eAdobe\x00\x64\x00\x00\x00\x00"


def with_jfif(stream):
    return stream[:2] + b"\xff\xe0\x00\x10JFIF\x00\x01\x01\x00\x00\x01\x00\x01\x00\x00" + stream[2:]


def with_adobe(stream, transform):
    return stream[:2] + _ADOBE + bytes([transform]) + stream[2:]


def full(tile):
    return dicom_files.jpeg(tile, subsampling="444")


def rgb(tile):
    return dicom_files.jpeg(tile, colours="RGB")


CONTRADICTING = {
    # How a tile is encoded, and what the file says.
    "JFIF": (lambda tile: with_jfif(full(tile)), "RGB", "is marked as JFIF: read as YCbCr"),
    "4:2:0": (
        lambda tile: dicom_files.jpeg(tile, subsampling="420"),
        "RGB",
        "stores chroma smaller than luma: read as YCbCr",
    ),
    "Adobe's YCbCr": (
        lambda tile: with_adobe(full(tile), 1),
        "RGB",
        "has Adobe's marker of YCbCr: read as YCbCr",
    ),
    "Adobe's RGB": (
        lambda tile: with_adobe(rgb(tile), 0),
        "YBR_FULL_422",
        "has Adobe's marker of RGB: read as RGB",
    ),
}
AGREEING = {
    "RGB": (rgb, "RGB"),
    "RGB by Adobe": (lambda tile: with_adobe(rgb(tile), 0), "RGB"),
    "YCbCr": (full, "YBR_FULL"),
    "YCbCr 4:2:0": (lambda tile: dicom_files.jpeg(tile, subsampling="420"), "YBR_FULL_422"),
    "YCbCr by JFIF": (lambda tile: with_jfif(full(tile)), "YBR_FULL_422"),
    "YCbCr by Adobe": (lambda tile: with_adobe(full(tile), 1), "YBR_FULL_422"),
}


def write(folder, picture, encode, photometric, kind="jpeg"):
    frames = [encode(np.ascontiguousarray(tile)) for tile in dicom_files.cut(picture, 256, 256)]
    path = folder / "a.dcm"
    options = {"kind": kind, "photometric": photometric}
    return dicom_files.write(path, frames, size=(700, 530), frame=(256, 256), **options)


def distance(path, picture):
    with st.open_slide(path) as slide:
        pixels = slide.read_region(slide.bounds)
        return np.abs(pixels.astype(int) - picture).mean(), slide.colour_note


@pytest.mark.parametrize("kind", CONTRADICTING)
def test_the_reading_that_can_be_true_is_taken_and_told(picture, tmp_path, caplog, cli, kind):
    encode, photometric, words = CONTRADICTING[kind]
    path = write(tmp_path, picture, encode, photometric)
    far, note = distance(path, picture)
    assert far < 4
    assert note == f"says {photometric}, but its JPEG {words}"
    assert f"a.dcm {note}." in caplog.text
    assert note in cli("info", path).output
    assert json.loads(cli("info", path, "--json").stdout)["colour_note"] == note
    recipe = st.Recipe(tile=st.TileSpec(size=256, min_tissue_fraction=0))
    store = st.tile_slide(path, tmp_path / "x.zarr", recipe)
    assert store.codec == "native"
    assert store.metadata.source.colour_note == note
    assert note in cli("info", store.path).output
    assert json.loads(cli("info", store.path, "--json").stdout)["colour_note"] == note
    with st.open_slide(path) as slide:
        assert st.verify_store(store.path, slide=slide, deep=True) == ()


def test_pydicom_reads_jfif_under_the_tag_of_rgb_alike(picture, tmp_path):
    encode, photometric, _ = CONTRADICTING["JFIF"]
    path = write(tmp_path, picture, encode, photometric)
    with pytest.warns(UserWarning, match="JFIF APP marker"):
        theirs = next(pydicom.pixels.iter_pixels(pydicom.dcmread(path)))
    with st.open_slide(path) as slide:
        ours = slide.read_region(st.Region(x=0, y=0, width=256, height=256))
    assert np.abs(ours.astype(int) - theirs).max() <= 2


@pytest.mark.parametrize("kind", AGREEING)
def test_what_agrees_is_read_as_it_says_without_a_word(picture, tmp_path, caplog, kind):
    encode, photometric = AGREEING[kind]
    path = write(tmp_path, picture, encode, photometric)
    far, note = distance(path, picture)
    assert far < 4
    assert note is None
    assert not caplog.records


def lossless(tile, *, transformed):
    return imagecodecs.jpeg2k_encode(tile, level=0, codecformat="j2k", mct=transformed)


def ycbcr(tile):
    """A tile as YCbCr that no codestream's transform undoes, as in Aperio's 33003."""
    return lossless(np.asarray(Image.fromarray(tile).convert("YCbCr")), transformed=False)


JPEG2000 = {
    "transformed": (lambda tile: lossless(tile, transformed=True), "YBR_RCT", None),
    "RGB": (lambda tile: lossless(tile, transformed=False), "RGB", None),
    "transformed RGB": (lambda tile: lossless(tile, transformed=True), "RGB", None),
    "YCbCr": (ycbcr, "YBR_FULL_422", None),
    "ICT without a transform": (ycbcr, "YBR_ICT", "has no transform of its own: read as YCbCr"),
    "RCT without a transform": (
        lambda tile: lossless(tile, transformed=False),
        "YBR_RCT",
        "has no transform of its own: read as RGB",
    ),
    "transformed YCbCr": (
        lambda tile: lossless(tile, transformed=True),
        "YBR_FULL",
        "has a transform of its own: read as RGB",
    ),
}


@pytest.mark.parametrize("kind", JPEG2000)
def test_jpeg2000_is_converted_where_no_transform_has(picture, tmp_path, kind):
    encode, photometric, words = JPEG2000[kind]
    path = write(tmp_path, picture, encode, photometric, kind="jpeg2000")
    far, note = distance(path, picture)
    assert far < 1
    assert note == (words and f"says {photometric}, but its JPEG 2000 {words}")


def test_each_frame_is_judged_by_itself(picture, tmp_path):
    tiles = dicom_files.cut(picture, 256, 256)
    frames = [rgb(tile) if number % 2 else full(tile) for number, tile in enumerate(tiles)]
    frames = [stream if n % 2 else with_jfif(stream) for n, stream in enumerate(frames)]
    path = dicom_files.write(
        tmp_path / "a.dcm", frames, size=(700, 530), frame=(256, 256), photometric="RGB"
    )
    assert distance(path, picture)[0] < 4
    stream = simplejpeg.encode_jpeg(np.ascontiguousarray(tiles[0]))
    assert dicom_files.bare(stream) != stream


@pytest.mark.parametrize("segment", [0, 8000, 60_000])
@pytest.mark.parametrize("empty", [0, 1, 3])
def test_a_contradiction_is_told_of_the_first_frame_that_has_bytes(
    picture, tmp_path, segment, empty
):
    def encode(tile):
        long = b"\xff\xe2" + (segment + 2).to_bytes(2) + bytes(segment)
        stream = full(tile)
        return with_jfif(stream[:2] + long * (segment > 0) + stream[2:])

    frames = [encode(tile) for tile in dicom_files.cut(picture, 256, 256)]
    frames[:empty] = [b""] * empty
    path = dicom_files.write(
        *(tmp_path / "a.dcm", frames), size=(700, 530), frame=(256, 256), photometric="RGB"
    )
    with st.open_slide(path) as slide:
        assert slide.colour_note == "says RGB, but its JPEG is marked as JFIF: read as YCbCr"


def test_a_name_that_is_no_text_is_told_as_text(picture, tmp_path, caplog):
    encode, photometric, _ = CONTRADICTING["JFIF"]
    path = write(tmp_path, picture, encode, photometric)
    st.open_slide(path.rename(tmp_path / os.fsdecode(b"\xffa.dcm"))).close()
    assert "\N{REPLACEMENT CHARACTER}a.dcm says RGB" in caplog.text

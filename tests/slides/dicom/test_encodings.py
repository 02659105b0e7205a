"""Frames of every codec, against the pixels they were made of and what pydicom decodes."""

import struct
import sys
from pathlib import Path

import dicom_files
import imagecodecs
import numpy as np
import pydicom
import pytest

import slidetile as st


def whole(path):
    with st.open_slide(path) as slide:
        return slide.read_region(slide.bounds)


def by_pydicom(path):
    """The whole picture as pydicom decodes it, frames of 128×96."""
    data = pydicom.dcmread(path)
    width, height = data.TotalPixelMatrixColumns, data.TotalPixelMatrixRows
    columns = -(-width // data.Columns)
    frames = list(pydicom.pixels.iter_pixels(data))
    rows = [np.concatenate(frames[at : at + columns], 1) for at in range(0, len(frames), columns)]
    return np.concatenate(rows)[:height, :width]


LOSSLESS = {
    "jpeg2000": "YBR_RCT",
    "jpegls": "RGB",
    "rle": "RGB",
    "raw": "RGB",
    "implicit": "RGB",
}


@pytest.mark.parametrize("kind", LOSSLESS)
def test_lossless_colours_come_back(picture, tmp_path, kind):
    photometric = LOSSLESS[kind]
    path, _ = dicom_files.write_picture(
        tmp_path / "a.dcm", picture, frame=(128, 96), kind=kind, photometric=photometric
    )
    np.testing.assert_array_equal(whole(path), picture)
    if kind != "jpegls":  # pydicom needs another library for that
        np.testing.assert_array_equal(by_pydicom(path), picture)


@pytest.mark.parametrize("kind", LOSSLESS)
@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
def test_lossless_grey_comes_back(picture, tmp_path, kind, photometric):
    grey = np.ascontiguousarray(picture[..., 1])
    path, _ = dicom_files.write_picture(
        tmp_path / "a.dcm", grey, frame=(127, 97), kind=kind, photometric=photometric
    )
    expected = 255 - grey if photometric == "MONOCHROME1" else grey
    np.testing.assert_array_equal(whole(path), expected[..., None])
    if kind != "jpegls":
        np.testing.assert_array_equal(by_pydicom(path), grey)


def by_components(tile):
    """Return a tile as JPEG-LS of a scan for each component (ISO 14495-1, ILV 0)."""
    height, width, count = tile.shape
    kinds = b"".join(bytes((number + 1, 0x11, 0)) for number in range(count))
    frame = struct.pack(">HBHHB", 8 + 3 * count, 8, height, width, count) + kinds
    scans = []
    for number in range(count):
        stream = bytes(imagecodecs.jpegls_encode(np.ascontiguousarray(tile[..., number])))
        at = stream.index(b"\xff\xda")
        scans.append(stream[at : at + 5] + bytes([number + 1]) + stream[at + 6 : -2])
    return b"\xff\xd8\xff\xf7" + frame + b"".join(scans) + b"\xff\xd9"


def test_jpegls_component_by_component_comes_back(picture, tmp_path):
    tiles = dicom_files.cut(picture, 128, 96)
    frames = [by_components(tile) for tile in tiles]
    frames[1] = dicom_files.encode(tiles[1], "jpegls")  # pixel by pixel or line by line
    frames[2] = frames[2][:500]
    path = dicom_files.write(
        *(tmp_path / "a.dcm", frames),
        size=(700, 530), frame=(128, 96), kind="jpegls", photometric="RGB",
    )  # fmt: skip
    with st.open_slide(path) as slide:
        for region in (
            st.Region(x=0, y=0, width=256, height=96),
            st.Region(x=0, y=96, width=700, height=434),
        ):
            np.testing.assert_array_equal(slide.read_region(region), picture[region.slices])
        with pytest.raises(st.DamagedPixelsError, match="column 2, row 0"):
            slide.read_region(st.Region(x=256, y=0, width=9, height=9))


def test_raw_frames_as_short_as_the_head_of_an_item_are_no_empty_ones(picture, tmp_path):
    grey = np.ascontiguousarray(picture[:40, :60, 1])
    path, _ = dicom_files.write_picture(tmp_path / "a.dcm", grey, frame=(4, 2), kind="raw")
    np.testing.assert_array_equal(whole(path)[..., 0], grey)


def test_grey_jpeg_is_decoded(picture, tmp_path):
    grey = np.ascontiguousarray(picture[..., 1])
    path, _ = dicom_files.write_picture(tmp_path / "a.dcm", grey, frame=(128, 96))
    np.testing.assert_array_equal(whole(path)[..., 0], by_pydicom(path))
    with st.open_slide(path) as slide:
        assert slide.channels == 1
        assert slide.native_tiles(0) is None


def test_planes_are_put_together(picture, tmp_path):
    def planar(dataset):
        dataset.PlanarConfiguration = 1

    frames = [
        np.ascontiguousarray(tile.transpose(2, 0, 1)).tobytes()
        for tile in dicom_files.cut(picture, 128, 96)
    ]
    path = dicom_files.write(
        tmp_path / "a.dcm",
        frames,
        size=(700, 530),
        frame=(128, 96),
        kind="raw",
        photometric="RGB",
        change=planar,
    )
    np.testing.assert_array_equal(whole(path), picture)
    np.testing.assert_array_equal(by_pydicom(path), picture)


@pytest.mark.parametrize("kind", ["raw", "rle", "jpegls"])
def test_ycbcr_of_lossless_frames_becomes_rgb(picture, tmp_path, kind):
    ycbcr = pydicom.pixels.convert_color_space(picture, "RGB", "YBR_FULL")
    path, _ = dicom_files.write_picture(
        tmp_path / "a.dcm", ycbcr, frame=(128, 96), kind=kind, photometric="YBR_FULL"
    )
    expected = pydicom.pixels.convert_color_space(ycbcr, "YBR_FULL", "RGB")
    assert np.abs(whole(path).astype(int) - expected).max() <= 1


@pytest.mark.parametrize("kind", ["jpeg2000", "jpegls", "rle", "jpeg"])
def test_frames_of_another_shape_are_damaged(picture, tmp_path, kind):
    tiles = dicom_files.cut(picture, 128, 96)
    frames = [dicom_files.encode(tile, kind) for tile in tiles]
    for number, shape in ((0, np.s_[:90]), (1, np.s_[:, :100]), (2, np.s_[:, :, 1])):
        frames[number] = dicom_files.encode(tiles[number][shape], kind)
    path = dicom_files.write(
        tmp_path / "a.dcm",
        frames,
        size=(700, 530),
        frame=(128, 96),
        kind=kind,
        photometric="YBR_FULL_422" if kind == "jpeg" else "RGB",
    )
    with st.open_slide(path) as slide:
        for number in range(3):
            with pytest.raises(st.DamagedPixelsError, match=f"Frame column {number}, row 0"):
                slide.read_region(st.Region(x=number * 128, y=0, width=9, height=9))
        slide.read_region(st.Region(x=3 * 128, y=0, width=128, height=96))


def test_uncompressed_ycbcr_of_lower_resolution_is_refused(picture, tmp_path):
    path, _ = dicom_files.write_picture(
        tmp_path / "a.dcm", picture, kind="raw", photometric="YBR_FULL_422"
    )
    with pytest.raises(st.UnsupportedSlideError, match="colours have a lower resolution"):
        st.open_slide(path)


def bytes_read():
    """What this process has asked the system to read, from whatever file."""
    found = Path("/proc/self/io").read_text().splitlines()[0]
    return int(found.removeprefix("rchar: "))


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells what a process has read")
@pytest.mark.parametrize("photometric", ["RGB", "YBR_FULL"])
def test_of_uncompressed_frames_the_rows_are_read_that_a_region_needs(tmp_path, photometric):
    stored = np.random.default_rng(5).integers(0, 256, (1500, 2100, 3), np.uint8)
    path, _ = dicom_files.write_picture(
        tmp_path / "a.dcm", stored, frame=(1024, 1024), kind="raw", photometric=photometric
    )
    pixels = whole(path)
    if photometric == "RGB":
        np.testing.assert_array_equal(pixels, stored)
    with st.open_slide(path) as slide:
        assert slide.background  # which is looked for once, in a coarse level
        for x, y, width, height in (
            (1000, 700, 64, 8),
            (0, 1020, 2100, 9),
            (2000, 1490, 100, 10),
            (-5, -5, 2200, 20),
            (1900, 1400, 300, 300),
        ):
            region = st.Region(x=x, y=y, width=width, height=height)
            inside = region.intersection(slide.bounds)
            before = bytes_read()
            fetched = slide.fetch(region)
            assert bytes_read() - before < 3 * 1024 * (inside.height + 2) * 3 + 10_000
            shown = fetched.pixels()[inside.relative_to(region).slices]
            np.testing.assert_array_equal(shown, pixels[inside.slices])
            part = st.Region(x=20, y=6, width=40, height=2)
            np.testing.assert_array_equal(
                fetched.crop(part).pixels(), fetched.pixels()[part.slices]
            )

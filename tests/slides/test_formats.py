"""The README's table of formats: each row is opened, copied or decoded, as it says."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import dicom_files
import imagecodecs
import numpy as np
import pytest
import tifffile
from channel_files import ome_tiff, qptiff, signal
from czi_files import JPEG_XR, ZSTD1, mosaic, write_czi
from ome_zarr import write_image
from paths import REAL, ROOT
from pictures import pattern
from vendor_files import write_bif, write_mirax, write_trestle, write_ventana, write_vms

import slidetile as st
from slidetile.errors import NotNativeError

APERIO_RGB, WEBP, JPEG2000 = 33005, 50001, 34712
APERIO = "Aperio Image Library v12\r\n1024x512|AppMag = 20|MPP = 0.5"


def stained(height=512, width=1024):
    """Return a picture as purple as tissue."""
    return (pattern(height, width) % 20 + np.array([150, 80, 140])).astype(np.uint8)


def jpeg2000(cell):
    return bytes(imagecodecs.jpeg2k_encode(cell, level=40, codecformat="j2k", mct=True))


def webp(cell):
    return bytes(imagecodecs.webp_encode(cell, level=85, lossless=False))


def tiff(**options):
    """Return what writes a TIFF with tifffile."""
    kinds = {"tile": (256, 256), "photometric": "rgb", "metadata": None} | options
    return lambda folder: tifffile.imwrite(folder / "a.tiff", stained(), **kinds)


def tiff_of(compression, encode, **options):
    """Return what writes a TIFF whose tiles are these streams."""
    kinds = {"tile": (256, 256), "photometric": "rgb", "metadata": None} | options
    pixels = stained()
    cells = [
        np.ascontiguousarray(cell)
        for row in np.split(pixels, 2)
        for cell in np.split(row, 4, axis=1)
    ]

    def write(folder):
        with tifffile.TiffWriter(folder / "a.tiff") as writer:
            streams = iter([encode(cell) for cell in cells])
            shape = {"shape": pixels.shape, "dtype": "uint8", "compression": compression}
            writer.write(streams, **shape, **kinds)

    return write


def dicom(kind, **options):
    """Return what writes a DICOM file whose frames are encoded in a way."""
    return lambda folder: dicom_files.write_picture(
        folder / "a.dcm", stained(), kind=kind, **options
    )


def ome_zarr(zarr_format):
    levels = [stained(), stained()[::2, ::2]]
    return lambda folder: write_image(folder / "a.zarr", levels, zarr_format=zarr_format)


def ome_zarr_of(zarr_format, bits):
    pixels = signal(512, 768, 4, bits=bits)
    return lambda folder: write_image(folder / "a.zarr", [pixels], zarr_format=zarr_format)


def channels(write, bits=16, **options):
    """Return what writes a slide of several channels."""
    return lambda folder: write(folder / "a.tiff", signal(512, 768, 4, bits=bits), **options)


def imagej(path, pixels):
    planes = np.moveaxis(pixels, -1, 0)
    tifffile.imwrite(path, planes, imagej=True, metadata={"axes": "CYX"})


def deep_tiff(count):
    """Return what writes a TIFF of grey or colours of 16 bits."""
    pixels = signal(512, 768, count)
    kinds = {"photometric": "rgb" if count == 3 else "minisblack", "metadata": None}
    image = pixels if count == 3 else pixels[..., 0]
    return lambda folder: tifffile.imwrite(folder / "a.tiff", image, tile=(256, 256), **kinds)


def czi(compression):
    tiles = mosaic([stained(), stained()[::2, ::2]], compression=compression)
    return lambda folder: write_czi(folder / "a.czi", tiles)


def picture(suffix):
    def write(folder):
        from PIL import Image

        Image.fromarray(stained()).save(folder / f"a{suffix}")

    return write


class Example(NamedTuple):
    """A slide of a row."""

    vendor: str
    file: str | Callable[[Path], object]
    """The name of a real slide, or what writes one into a folder."""


EXAMPLES = {
    "Aperio SVS, JPEG": [Example("aperio", "CMU-1-Small-Region.svs")],
    "Aperio SVS, JPEG 2000 (33005)": [
        Example("aperio", tiff_of(APERIO_RGB, jpeg2000, description=APERIO))
    ],
    "Aperio SVS, JPEG 2000 of YCbCr (33003)": [Example("aperio", "made/aperio33003.svs")],
    "others that describe themselves as Aperio does (Motic, Huron, …)": [
        Example("motic", "made/motic.svs")
    ],
    "OME-TIFF, JPEG": [Example("ome", "petebankhead-OS-1-detail.ome.tif")],
    "OME-TIFF, channels of 8 or 16 bits": [
        Example("ome", channels(ome_tiff, bits=8)),
        Example("ome", channels(ome_tiff)),
        Example("ome", channels(ome_tiff, compression="jpeg2000")),
        Example("ome", "2048x2048_ome6_tiled.ome.tif"),
    ],
    "ImageJ, channels of 8 or 16 bits": [
        Example("generic-tiff", channels(imagej, bits=8)),
        Example("generic-tiff", channels(imagej)),
    ],
    "PerkinElmer QPTIFF, channels": [Example("perkinelmer", channels(qptiff))],
    "tiled TIFF, JPEG": [
        Example("generic-tiff", "wsic-CMU-1-Small-Region.jpeg.tiff"),
        Example("generic-tiff", "CMU-1-small.tiff"),
    ],
    "tiled TIFF, WebP": [Example("generic-tiff", tiff_of(WEBP, webp))],
    "tiled TIFF, JPEG 2000 (34712)": [Example("generic-tiff", tiff_of(JPEG2000, jpeg2000))],
    "TIFF, LZW, deflate or uncompressed, or in strips": [
        Example("generic-tiff", tiff(compression="lzw")),
        Example("generic-tiff", tiff(compression="deflate")),
        Example("generic-tiff", tiff()),
        Example("generic-tiff", tiff(tile=None, rowsperstrip=64)),
    ],
    "TIFF, grey or RGB of 16 bits": [
        Example("generic-tiff", deep_tiff(1)),
        Example("generic-tiff", deep_tiff(3)),
    ],
    "Hamamatsu NDPI": [
        Example("hamamatsu", "made/brightfield.ndpi"),
    ],
    "Hamamatsu NDPI, fluorescence": [Example("hamamatsu", "test3-DAPI.ndpi")],
    "Hamamatsu VMS": [Example("hamamatsu", lambda folder: write_vms(folder / "a.vms", stained()))],
    "Philips TIFF": [Example("philips", "made/philips.tiff")],
    "Leica SCN, one area": [Example("leica", "made/leica.scn")],
    "Leica SCN, several areas": [Example("leica", "several areas")],
    "Ventana TIFF, stitched": [
        Example("ventana", lambda folder: write_ventana(folder / "a.tif", stained()))
    ],
    "Ventana BIF, overlapping": [
        Example("ventana", lambda folder: write_bif(folder / "a.bif", stained()))
    ],
    "MIRAX": [Example("mirax", lambda folder: write_mirax(folder / "a.mrxs", stained()))],
    "Trestle": [Example("trestle", lambda folder: write_trestle(folder / "a.tif", stained()))],
    "DICOM, JPEG": [
        Example("dicom", "multi_frame_jpeg_camelyon_challenge_image.dcm"),
        Example("dicom", "dicom-CMU-1-Small-Region"),
    ],
    "DICOM, JPEG, in fragments or sparse": [
        Example("dicom", "made/dicom_fragments.dcm"),
        Example("dicom", "made/dicom_sparse.dcm"),
    ],
    "DICOM, JPEG 2000": [Example("dicom", dicom("jpeg2000"))],
    "DICOM, uncompressed, JPEG-LS or run lengths": [
        Example("dicom", dicom("raw")),
        Example("dicom", dicom("jpegls")),
        Example("dicom", dicom("rle")),
    ],
    "DICOM, grey of 9 to 16 bits": [
        Example("dicom", "sm_image_grayscale.dcm"),
    ],
    "OME-Zarr 0.4 and 0.5": [Example("ome-zarr", ome_zarr(2)), Example("ome-zarr", ome_zarr(3))],
    "OME-Zarr 0.4 and 0.5, channels of 8 or 16 bits": [
        Example("ome-zarr", ome_zarr_of(2, bits=16)),
        Example("ome-zarr", ome_zarr_of(3, bits=8)),
    ],
    "Zeiss CZI": [Example("zeiss", czi(ZSTD1)), Example("zeiss", czi(JPEG_XR))],
    "PNG, JPEG and JPEG 2000 pictures": [
        Example("png", picture(".png")),
        Example("jpeg", picture(".jpg")),
        Example("jpeg2000", picture(".jp2")),
    ],
}

KNOWN = {"a real slide": REAL, "real tiles in a made file": tuple(each / "made" for each in REAL)}
"""Where the slides of a kind of test lie; files that are made lie nowhere."""


class Row(NamedTuple):
    format: str
    reader: str
    native: str
    tested: str


def rows():
    text = (ROOT / "README.md").read_text("utf-8")
    table = re.search(r"\n\| format \|.*\n\|[-|]*\n((?:\|.*\n)+)", text)[1]
    return [
        Row(*(cell.strip().strip("`") for cell in line.strip("|").split("|")))
        for line in table.splitlines()
    ]


def everything(slide):
    """Return the plan of all of a slide, whatever is on it."""
    tissue = st.find_tissue(
        slide, detector=all_of_it, min_piece_area_um2=0, min_hole_area_um2=0, tissue_margin_um=0
    )
    return st.plan_tiles(slide, tissue, st.TileSpec(size=256))


def all_of_it(image):
    return np.ones(image.shape[:2], np.bool_)


def test_the_table_has_a_row_for_each_format():
    assert [row.format for row in rows()] == list(EXAMPLES)


CASES = [(row, example) for row in rows() for example in EXAMPLES.get(row.format, ())]


@pytest.fixture
def file(request, tmp_path, shared_slides):
    _, example = request.param
    if example.file == "several areas":
        return request.getfixturevalue("scanned_slide")
    if isinstance(example.file, str):
        return shared_slides / example.file
    example.file(tmp_path)
    return min(tmp_path.glob("a.*"))


@pytest.mark.parametrize(
    ("row", "vendor", "file"),
    [(row, example.vendor, (row, example)) for row, example in CASES],
    indirect=["file"],
    ids=[f"{row.format} {number}" for number, (row, _) in enumerate(CASES)],
)
def test_a_row_is_as_it_says(row, vendor, file, tmp_path):
    folders = KNOWN.get(row.tested, ())
    assert not folders or file.parent in folders
    assert folders or row.tested == "a made file"
    with st.open_slide(file) as slide:
        assert (slide.reader, slide.vendor) == (row.reader, vendor)
        plan = everything(slide)
        store = st.write_tiles(slide, plan, tmp_path / "auto.zarr")
        assert store.codec == ("native" if row.native == "copied" else "zstd")
        assert len(store) == len(plan)
        if row.native == "copied when asked":
            store = st.write_tiles(slide, plan, tmp_path / "native.zarr", codec="native")
            assert store.codec == "native"
        if row.native == "decoded":
            assert store.metadata.not_native
            with pytest.raises(NotNativeError):
                st.write_tiles(slide, plan, tmp_path / "native.zarr", codec="native")
        assert not list(st.verify_store(store.path, slide=slide, deep=True))

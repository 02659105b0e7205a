"""Level 0 of every reader is, to the bit, what another program reads; which one, is said per case.

OpenSlide is the oracle of what it opens, but it is no oracle where a file contradicts itself about
its colours (it goes by the tag): there it is the library that goes by the stream.
"""

import io
import re

import numpy as np
import openslide
import pydicom
import pytest
import tensorstore
import tifffile
from ome_zarr import write_image
from pictures import pattern
from PIL import Image
from vendor_files import write_bif, write_mirax, write_ventana, write_vms
from wsidicom import WsiDicom

from slidetile.slides.opening import open_slide


def by_openslide(path):
    """Return the pixels on white, and without what Leica's canvas has around the scan area."""
    file = next(path.glob("*.dcm")) if path.is_dir() else path
    with openslide.OpenSlide(file) as slide:
        known = slide.properties
        names = [f"openslide.bounds-{each}" for each in ("x", "y", "width", "height")]
        is_leica = known["openslide.vendor"] == "leica"
        box = [int(known[name]) for name in names] if is_leica else [0, 0, *slide.dimensions]
        rgba = np.asarray(slide.read_region(box[:2], 0, box[2:]))
    return np.where(rgba[..., 3:] == 0, 255, rgba[..., :3])


def by_tifffile(path):
    return tifffile.imread(path, key=0)


def by_pillow(path):
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"))


def by_wsidicom(path):
    with WsiDicom.open(path) as slide:
        size = slide.size
        return np.asarray(slide.read_region((0, 0), 0, (size.width, size.height)))


def by_pydicom(path):
    """Return the frames side by side, as they lie in a file that is TILED_FULL."""
    data = pydicom.dcmread(path)
    width, height = data.TotalPixelMatrixColumns, data.TotalPixelMatrixRows
    across, down = -(-width // data.Columns), -(-height // data.Rows)
    whole = np.zeros((down * data.Rows, across * data.Columns, 3), np.uint8)
    for number, frame in enumerate(pydicom.pixels.iter_pixels(data)):
        row, column = divmod(number, across)
        y, x = row * data.Rows, column * data.Columns
        whole[y : y + data.Rows, x : x + data.Columns] = frame
    return whole[:height, :width]


def by_tensorstore(folder):
    store = {"driver": "file", "path": str(folder / "0")}
    array = tensorstore.open({"driver": "zarr3", "kvstore": store}).result()
    return array.read().result().transpose(1, 2, 0)


def by_its_jpeg(path):
    """Return the one JPEG of a Hamamatsu VMS."""
    return by_pillow(path.with_name(f"{path.stem}_image.jpg"))


def by_its_jpegs(path):
    """Return the JPEGs of a MIRAX slide's data, row by row: three in each."""
    data = path.with_suffix("").joinpath("Data0000.dat").read_bytes()
    cells = [by_pillow(io.BytesIO(jpeg)) for jpeg in re.split(b"(?=\xff\xd8\xff)", data)[1:]]
    return np.vstack([np.hstack(cells[n : n + 3]) for n in range(0, len(cells), 3)])


def by_second_page(path):
    """Return a Ventana slide's tiles, whose overlaps are of no pixel."""
    return tifffile.imread(path, key=1)


MADE = {
    "a.vms": write_vms,
    "a.mrxs": write_mirax,
    "a.bif": write_bif,
    "a.tif": write_ventana,
    "a.zarr": lambda path, pixels: write_image(path, [pixels]),
    "a.png": lambda path, pixels: Image.fromarray(pixels).save(path),
    "a.jpg": lambda path, pixels: Image.fromarray(pixels).save(path),
    "a.jp2": lambda path, pixels: Image.fromarray(pixels).save(path),
    "lzw.tiff": lambda path, pixels: tifffile.imwrite(path, pixels, compression="lzw"),
    "deflate.tiff": lambda path, pixels: tifffile.imwrite(
        path, pixels, tile=(64, 64), compression="deflate", predictor=2
    ),
    "raw.tiff": lambda path, pixels: tifffile.imwrite(path, pixels, rowsperstrip=16),
    "webp.tiff": lambda path, pixels: tifffile.imwrite(
        path, pixels, tile=(64, 64), compression="webp"
    ),
    "jpeg2000.tiff": lambda path, pixels: tifffile.imwrite(
        path, pixels, tile=(64, 64), compression="jpeg2000"
    ),
}

CASES = [
    ("CMU-1-Small-Region.svs", "tiff", by_openslide),
    ("CMU-1-Small-Region.svs", "tiff", by_tifffile),
    ("CMU-1-small.tiff", "tiff", by_openslide),
    ("CMU-1-small.tiff", "tiff", by_tifffile),
    ("wsic-CMU-1-Small-Region.jpeg.tiff", "tiff", by_openslide),
    ("petebankhead-OS-1-detail.ome.tif", "tiff", by_tifffile),
    ("made/aperio33003.svs", "tiff", by_openslide),
    ("made/motic.svs", "tiff", by_openslide),
    ("made/brightfield.ndpi", "tiff", by_openslide),
    ("test3-DAPI.ndpi", "tiff", by_openslide),
    ("made/philips.tiff", "tiff", by_openslide),
    ("made/leica.scn", "tiff", by_openslide),
    ("multi_frame_jpeg_camelyon_challenge_image.dcm", "dicom", by_openslide),
    ("multi_frame_jpeg_camelyon_challenge_image.dcm", "dicom", by_wsidicom),
    ("dicom-CMU-1-Small-Region", "dicom", by_wsidicom),
    ("wsi2dcm_jpeg.dcm", "dicom", by_openslide),
    ("sm_image.dcm", "dicom", by_pydicom),
    ("made/dicom_fragments.dcm", "dicom", by_openslide),
    ("made/dicom_sparse.dcm", "dicom", by_openslide),
    ("wsic-XYC.png", "picture", by_pillow),
    ("a.vms", "openslide", by_its_jpeg),
    ("a.mrxs", "openslide", by_its_jpegs),
    ("a.bif", "openslide", by_second_page),
    ("a.tif", "tiff", by_openslide),
    ("a.zarr", "ome-zarr", by_tensorstore),
    ("a.png", "picture", by_pillow),
    ("a.jpg", "picture", by_pillow),
    ("a.jp2", "picture", by_pillow),
    ("lzw.tiff", "tiff", by_tifffile),
    ("deflate.tiff", "tiff", by_tifffile),
    ("raw.tiff", "tiff", by_tifffile),
    ("webp.tiff", "tiff", by_tifffile),
    ("jpeg2000.tiff", "tiff", by_tifffile),
]


@pytest.mark.parametrize(
    ("name", "reader", "oracle"), CASES, ids=[f"{name} {each.__name__}" for name, _, each in CASES]
)
def test_level_0_is_the_oracles(shared_slides, tmp_path, name, reader, oracle):
    if name in MADE:
        path = tmp_path / name
        MADE[name](path, (pattern(512, 768) % 40 + 150).astype(np.uint8))
    else:
        path = shared_slides / name
    with open_slide(path) as slide:
        assert slide.reader == reader
        read = slide.read_region(slide.bounds)
    np.testing.assert_array_equal(read, oracle(path))

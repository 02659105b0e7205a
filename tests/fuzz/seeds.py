"""Well-formed inputs, small enough that thousands of their mutants are read in a minute.

Knows how to make them; the real ones are added where they are. Does not know how they are changed.
"""

import shutil
from pathlib import Path

import dicom_files
import numpy as np
import tifffile
from ndpi_files import levels_of, write_ndpi
from paths import SAMPLE, SHARED
from pydicom.dataset import Dataset

import slidetile as st

WIDTH, HEIGHT, TILE = 512, 384, 128
CODECS = ("native", "zstd", "jpeg", "raw", "jxl")
LARGEST_REAL_BYTES = 200_000

_DESCRIPTION = (
    "Aperio Image Library v12.0.0\r\n512x384 [0,0 512x384] (128x128) JPEG/RGB Q=90"
    "|AppMag = 20|MPP = 0.4990|Left = 25.6|Top = 23.4|Filename = 1|Date = 01/02/20"
)
_PHILIPS = """<?xml version="1.0" encoding="UTF-8" ?>
<DataObject ObjectType="DPUfsImport">
  <Attribute Name="DICOM_MANUFACTURER" PMSVR="IString">Hamamatsu</Attribute>
  <Attribute Name="DICOM_PIXEL_SPACING" PMSVR="IDoubleArray">"0.0005" "0.0005"</Attribute>
</DataObject>"""


def make_seeds(folder: Path) -> None:
    """Write the slides and stores that all mutants are made from, where they are not yet."""
    if folder.is_dir():
        return
    unfinished = folder.with_name(folder.name + ".unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    (unfinished / "slides").mkdir(parents=True)
    _write_slides(unfinished / "slides")
    _write_stores(unfinished)
    unfinished.rename(folder)


def slide_seeds(folder: Path) -> list[Path]:
    """Return the slides that `make_seeds` has written, and the small real ones."""
    real = sorted((SHARED / "slides").rglob("*")) if SHARED.is_dir() else []
    small = [
        path
        for path in real
        if path.suffix in {".svs", ".tif", ".tiff", ".dcm"}
        and path.stat().st_size < LARGEST_REAL_BYTES
    ]
    return sorted((folder / "slides").iterdir()) + small


def store_seeds(folder: Path) -> list[Path]:
    """Return the stores that `make_seeds` has written, one of each codec."""
    return [folder / f"{codec}.zarr" for codec in CODECS]


def everything(image: np.ndarray) -> np.ndarray:
    """Take all of a slide for tissue."""
    return np.ones(image.shape[:2], np.bool_)


def whole_slide(codec: str = "auto") -> st.Recipe:
    """Return a recipe that keeps every tile."""
    tile = st.TileSpec(size=256, min_tissue_fraction=0)
    return st.Recipe(codec=codec, detector=everything, tile=tile, slide_mpp=0.5)


def _picture() -> np.ndarray:
    with st.open_slide(SAMPLE) as slide:
        return slide.read_region(st.Region(x=1300, y=900, width=WIDTH, height=HEIGHT))


def _write_slides(folder: Path) -> None:
    image = _picture()
    _write_aperio(folder / "aperio.svs", image)
    _write_ome(folder / "subifds.ome.tiff", image)
    # No texts of tifffile's own; the description of the vendors that are told by theirs.
    plain = {"tile": (TILE, TILE), "photometric": "rgb", "metadata": None, "software": None}
    jpeg = {**plain, "compression": "jpeg"}
    for name, options in {
        "jpeg.tiff": jpeg,
        "jpeg-big.tiff": {**jpeg, "bigtiff": True, "byteorder": ">"},
        "deflate.tiff": {**plain, "compression": "deflate", "predictor": 2},
        "lzw.tiff": {**plain, "compression": "lzw"},
        "zstd.tiff": {**plain, "compression": "zstd"},
        "webp.tiff": {**plain, "compression": "webp", "compressionargs": {"lossless": True}},
        "jpeg2000.tiff": {**plain, "compression": "jpeg2000"},
        "strips.tiff": {**plain, "tile": None, "rowsperstrip": 64, "compression": "lzw"},
        "one-strip.tiff": {**plain, "tile": None, "rowsperstrip": HEIGHT},
        "trestle.tif": {
            **jpeg,
            "software": "MedScan v1",
            "description": "Objective Power=20;Background Color=FFFFFF;OverlapsXY=0 0",
        },
        "philips.tiff": {**jpeg, "software": "Philips DP v1.0", "description": _PHILIPS},
    }.items():
        tifffile.imwrite(folder / name, image, **options)
    _write_dicom(folder, image)
    write_ndpi(folder / "stripes.ndpi", levels_of(image, TILE))
    grey = {**plain, "photometric": "minisblack", "compression": "jpeg"}
    tifffile.imwrite(folder / "grey.tiff", image[..., 1].copy(), **grey)


def _write_dicom(folder: Path, image: np.ndarray) -> None:
    def same_each_time(dataset: Dataset) -> None:
        dataset.SOPInstanceUID = dataset.SeriesInstanceUID = "1.2.3.4"

    options = {"frame": (TILE, TILE), "series": "1.2.3.4", "change": same_each_time}
    for kind, table in (("jpeg", "basic"), ("jpeg", "extended"), ("jpeg2000", "empty")):
        path = folder / f"{kind}-{table}.dcm"
        dicom_files.write_picture(path, image, kind=kind, table=table, **options)
    path = folder / "fragments.dcm"
    dicom_files.write_picture(path, image, fragments=2, **options)


def _write_aperio(path: Path, image: np.ndarray) -> None:
    tiled = {"tile": (TILE, TILE), "photometric": "rgb", "compression": "jpeg"}
    tiled |= {"metadata": None, "software": None}
    with tifffile.TiffWriter(path) as file:
        file.write(image, description=_DESCRIPTION, **tiled)
        small = np.ascontiguousarray(image[::4, ::4])
        file.write(small, description="Aperio -> thumbnail", **{**tiled, "tile": None})
        file.write(small, description="Aperio -> 128x96", **tiled)


def _write_ome(path: Path, image: np.ndarray) -> None:
    sizes = {"PhysicalSizeX": 0.5, "PhysicalSizeXUnit": "µm"}
    sizes |= {"PhysicalSizeY": 0.5, "PhysicalSizeYUnit": "µm"}
    tiled = {"tile": (TILE, TILE), "photometric": "rgb", "compression": "jpeg"}
    with tifffile.TiffWriter(path, ome=True) as file:
        file.write(image, subifds=1, metadata={"axes": "YXS", **sizes}, **tiled)
        file.write(np.ascontiguousarray(image[::4, ::4]), subfiletype=1, **tiled)


def _write_stores(folder: Path) -> None:
    for codec, path in zip(CODECS, store_seeds(folder), strict=True):
        st.tile_slide(folder / "slides" / "aperio.svs", path, whole_slide(codec), workers=1)

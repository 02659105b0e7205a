"""All readers, in the order in which `open_slide` asks them.

Their libraries are imported when a slide is opened, so that listing the names takes no time.
"""

from pathlib import Path
from typing import TYPE_CHECKING

from slidetile.slides.container import is_isyntax, is_picture
from slidetile.slides.czi.file import is_czi
from slidetile.slides.dicom.file import is_dicom
from slidetile.slides.omezarr.folder import is_ome_zarr
from slidetile.slides.plane_choice import EVERYTHING, PlaneChoice
from slidetile.slides.reader import Reader
from slidetile.slides.tiff.file import is_tiff

if TYPE_CHECKING:
    from slidetile.slides.slide import Slide

Mpp = float | tuple[float, float] | None


def _open_tiff(path: Path, *, mpp: Mpp = None, planes: PlaneChoice = EVERYTHING) -> "Slide":
    from slidetile.slides.tiff.slide import TiffSlide

    return TiffSlide(path, mpp=mpp, planes=planes)


def _open_dicom(path: Path, *, mpp: Mpp = None) -> "Slide":
    from slidetile.slides.dicom.slide import DicomSlide

    return DicomSlide(path, mpp=mpp)


def _open_ome_zarr(path: Path, *, mpp: Mpp = None, planes: PlaneChoice = EVERYTHING) -> "Slide":
    from slidetile.slides.omezarr.slide import OmeZarrSlide

    return OmeZarrSlide(path, mpp=mpp, planes=planes)


def _open_czi(path: Path, *, mpp: Mpp = None) -> "Slide":
    from slidetile.slides.czi.slide import CziSlide

    return CziSlide(path, mpp=mpp)


def _open_isyntax(path: Path, *, mpp: Mpp = None) -> "Slide":
    from slidetile.slides.isyntax.slide import IsyntaxSlide

    return IsyntaxSlide(path, mpp=mpp)


def _open_vendor(path: Path, *, mpp: Mpp = None) -> "Slide":
    from slidetile.slides.openslide.slide import VendorSlide

    return VendorSlide(path, mpp=mpp)


def _open_picture(path: Path, *, mpp: Mpp = None) -> "Slide":
    from slidetile.slides.picture.slide import PictureSlide

    return PictureSlide(path, mpp=mpp)


def _is_any_file(_head: bytes) -> bool:
    return True


READERS: tuple[Reader, ...] = (
    Reader(
        name="tiff",
        kind="TIFF",
        recognises=is_tiff,
        reads_ranges=True,
        open=_open_tiff,
        open_planes=_open_tiff,
    ),
    Reader(name="dicom", kind="DICOM", recognises=is_dicom, reads_ranges=True, open=_open_dicom),
    Reader(
        name="ome-zarr",
        kind="OME-Zarr",
        recognises=None,
        recognises_folder=is_ome_zarr,
        open=_open_ome_zarr,
        open_planes=_open_ome_zarr,
    ),
    Reader(name="czi", kind="CZI", recognises=is_czi, open=_open_czi),
    Reader(name="isyntax", kind="iSyntax", recognises=is_isyntax, open=_open_isyntax),
    Reader(name="picture", kind="picture", recognises=is_picture, open=_open_picture),
    Reader(name="openslide", kind="slide", recognises=_is_any_file, open=_open_vendor),
)
"""New readers go before OpenSlide's, which is asked last."""


def named_reader(name: str) -> Reader:
    """Return the reader of a name.

    Raises
    ------
    ValueError
        No reader has this name.
    """
    for reader in READERS:
        if reader.name == name:
            return reader
    names = ", ".join(f'"{reader.name}"' for reader in READERS)
    raise ValueError(f"The reader is one of {names}, but not {name!r}.")

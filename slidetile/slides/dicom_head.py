"""The first elements of a DICOM file: its class, and its series.

Whole-slide files are explicit little-endian (DICOM PS3.5): each element has its tag, its type and
its length before it. Does not know pixels.
"""

import os
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from slidetile.runtime.files import read_regular

DICOM_START = 132
"""Where the elements begin, behind a preamble and a mark."""

WHOLE_SLIDES = "1.2.840.10008.5.1.4.1.1.77.1.6"
"""The class of whole slides: VL Whole Slide Microscopy Image Storage."""

_CLASSES = {
    WHOLE_SLIDES: "VL Whole Slide Microscopy Image",
    "1.2.840.10008.1.3.10": "Media Storage Directory (DICOMDIR)",
    "1.2.840.10008.5.1.4.1.1.2": "CT Image",
    "1.2.840.10008.5.1.4.1.1.4": "MR Image",
    "1.2.840.10008.5.1.4.1.1.7": "Secondary Capture Image",
    "1.2.840.10008.5.1.4.1.1.11.1": "Grayscale Softcopy Presentation State",
    "1.2.840.10008.5.1.4.1.1.30": "Parametric Map",
    "1.2.840.10008.5.1.4.1.1.66": "Raw Data",
    "1.2.840.10008.5.1.4.1.1.66.4": "Segmentation",
    "1.2.840.10008.5.1.4.1.1.66.7": "Label Map Segmentation",
    "1.2.840.10008.5.1.4.1.1.77.1.2": "VL Microscopic Image",
    "1.2.840.10008.5.1.4.1.1.77.1.3": "VL Slide-Coordinates Microscopic Image",
    "1.2.840.10008.5.1.4.1.1.77.1.4": "VL Photographic Image",
    "1.2.840.10008.5.1.4.1.1.88.22": "Enhanced SR",
    "1.2.840.10008.5.1.4.1.1.88.33": "Comprehensive SR",
    "1.2.840.10008.5.1.4.1.1.88.34": "Comprehensive 3D SR",
    "1.2.840.10008.5.1.4.1.1.91.1": "Microscopy Bulk Simple Annotations",
    "1.2.840.10008.5.1.4.1.1.104.1": "Encapsulated PDF",
}
"""Names of classes, by their identifiers (DICOM PS3.6)."""

_HEAD_BYTES = 1 << 16
_CLASS_UID, _SERIES_UID = 0x00020002, 0x0020000E
_ITEM, _DELIMITERS = 0xFFFEE000, (0xFFFEE00D, 0xFFFEE0DD)
_UNDEFINED_LENGTH = 0xFFFFFFFF
_LONG_TYPES = (
    *(b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ"),
    *(b"SV", b"UC", b"UN", b"UR", b"UT", b"UV"),
)
"""Types of elements whose length has four bytes."""

_MOST_UID_BYTES = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class DicomHead:
    """What a DICOM file says of itself before its pixels."""

    sop_class: str | None = None
    """The identifier of its class, such as `WHOLE_SLIDES`."""

    series: bytes | None = None
    """Its SeriesInstanceUID."""

    @property
    def class_name(self) -> str:
        """The name of its class; the identifier, where it has no name here."""
        return _CLASSES.get(self.sop_class or "", self.sop_class or "unknown")

    @property
    def may_be_slide(self) -> bool:
        """Whether it is a whole slide's, or does not say what it is."""
        return self.sop_class in (None, WHOLE_SLIDES)

    @classmethod
    def of(cls, head: bytes) -> Self:
        """Return what the first bytes of a DICOM file say.

        Series that the file refers to, within sequences, do not count.
        """
        sop_class = series = None
        at, depth = DICOM_START, 0
        while at + 8 <= len(head):
            tag, body, length = _element(head, at)
            if tag == _CLASS_UID and not depth:
                sop_class = _uid(head[body : body + min(length, _MOST_UID_BYTES)])
            if tag == _SERIES_UID and not depth:
                series = head[body : body + length]
            if tag >= _SERIES_UID and not depth:
                break  # the elements are in ascending order
            is_open = length == _UNDEFINED_LENGTH
            depth += is_open - (tag in _DELIMITERS)
            is_entered = is_open or tag == _ITEM
            at = body if is_entered or tag in _DELIMITERS else body + length
        return cls(sop_class=sop_class, series=series)


def read_dicom_head(path: Path) -> DicomHead | None:
    """Return what a DICOM file says of itself; None for any other file, which is not waited for."""
    if not path.is_file():  # opening a pipe would wait for its writer
        return None
    try:
        head = read_regular(path, _HEAD_BYTES)
    except OSError:
        return None
    is_dicom = head[DICOM_START - 4 : DICOM_START] == b"DICM"
    return DicomHead.of(head) if is_dicom else None


def series_in(folder: Path) -> dict[bytes, Path]:
    """Return the first file of each whole slide's series in a folder, by name.

    A file that does not say its series is one of its own.

    Raises
    ------
    OSError
        The folder cannot be listed.
    """
    found: dict[bytes, Path] = {}
    for name in sorted(os.listdir(folder)):  # noqa: PTH208  the names alone
        head = read_dicom_head(folder / name)
        if head is not None and head.may_be_slide and not name.startswith("."):
            found.setdefault(head.series or os.fsencode(name), folder / name)
    return found


def _uid(data: bytes) -> str | None:
    return data.rstrip(b"\0 ").decode("ascii", "replace") or None


def _element(head: bytes, at: int) -> tuple[int, int, int]:
    """Return an element's tag, and where its value begins and how long it is."""
    group, element = struct.unpack_from("<2H", head, at)
    tag = group << 16 | element
    if tag in _DELIMITERS or tag == _ITEM:  # these have no type
        return tag, at + 8, struct.unpack_from("<I", head, at + 4)[0]
    if head[at + 4 : at + 6] not in _LONG_TYPES:
        return tag, at + 8, struct.unpack_from("<H", head, at + 6)[0]
    if at + 12 > len(head):
        return tag, at + 12, 0
    return tag, at + 12, struct.unpack_from("<I", head, at + 8)[0]

"""The choices of a DICOM series."""

import os
from dataclasses import dataclass
from typing import Literal, get_args

from slidetile.export.slide_choice import SlideChoice

DicomCodec = Literal["auto", "native", "jpeg", "jpeg2000"]
"""How the frames are stored: "native" copies the store's chunks, "jpeg" is lossy, "jpeg2000" is
not; "auto" copies where it can, else takes jpeg2000."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DicomExport(SlideChoice):
    """The tissue-only slide as a DICOM series (VL whole slide microscopy), one file a level.

    Raises
    ------
    ValueError
        A choice is unknown or out of its range.
    """

    codec: DicomCodec = "auto"
    """How frames are stored; see `DicomCodec`."""

    dicom_attributes: str | os.PathLike[str] | None = None
    """A JSON file of keywords and values about patient and study; None writes an anonymous
    series."""

    def __post_init__(self) -> None:
        self.check("dicom", self.codec, get_args(DicomCodec))

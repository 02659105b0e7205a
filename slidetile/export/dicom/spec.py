"""The choices of a DICOM series."""

import os
from dataclasses import dataclass
from typing import Literal, get_args

from slidetile.choices import JPEG_QUALITY, Existing

DicomCodec = Literal["auto", "native", "jpeg", "jpeg2000"]
"""How the frames are stored: "native" copies the store's chunks, "jpeg" is lossy, "jpeg2000" is
not; "auto" copies where it can, else takes jpeg2000."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DicomExport:
    """The tissue-only slide as a DICOM series (VL whole slide microscopy), one file a level.

    Raises
    ------
    ValueError
        A choice is unknown or out of its range.
    """

    codec: DicomCodec = "auto"
    """How frames are stored; see `DicomCodec`."""

    jpeg_quality: int | None = None
    """Quality of the codec jpeg, 1–100; None is 90."""

    dicom_attributes: str | os.PathLike[str] | None = None
    """A JSON file of keywords and values about patient and study; None writes an anonymous
    series."""

    existing: Existing = "continue"
    """What to do with an existing folder: "continue" continues an unfinished one, "restart" deletes
    it, and "overwrite" also replaces a finished one that slidetile has written."""

    anonymous: bool = False
    """Leave the names of the slide and of the store, and the scanner's maker, out of the files."""

    durable: bool = False
    """Sync the files before the folder gets its name."""

    memory_bytes: int | None = None
    """The most memory to use at once; None is what is available."""

    def __post_init__(self) -> None:
        if self.codec not in get_args(DicomCodec):
            names = ", ".join(get_args(DicomCodec))
            raise ValueError(f"The codec of dicom must be one of {names}, not {self.codec!r}.")
        if self.existing not in get_args(Existing):
            raise ValueError(
                f"existing must be one of {get_args(Existing)}, not {self.existing!r}."
            )
        if self.jpeg_quality is not None and not 1 <= self.jpeg_quality <= 100:
            raise ValueError(f"jpeg_quality must be 1–100, but it is {self.jpeg_quality}.")
        if self.jpeg_quality is not None and self.codec != "jpeg":
            raise ValueError(
                f"jpeg_quality {self.jpeg_quality} is of the codec jpeg, not of {self.codec}."
            )
        if self.memory_bytes is not None and self.memory_bytes < 1:
            raise ValueError(f"memory_bytes must be at least 1, but it is {self.memory_bytes}.")

    @property
    def quality(self) -> int:
        """Quality of what is encoded as JPEG."""
        return JPEG_QUALITY if self.jpeg_quality is None else self.jpeg_quality

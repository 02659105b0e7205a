"""The choices of an OME-TIFF."""

from dataclasses import dataclass
from typing import Literal, get_args

from slidetile.export.slide_choice import SlideChoice

TiffCodec = Literal["auto", "native", "jpeg", "deflate", "zstd"]
"""How the tiles of a TIFF are stored: "native" copies the store's, "jpeg" is lossy, "deflate" and
"zstd" are not; "auto" copies where it can, else deflates."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OmeTiffExport(SlideChoice):
    """The tissue-only slide as a sparse tiled pyramid BigTIFF, which is a slide again.

    Raises
    ------
    ValueError
        A choice is unknown or out of its range.
    """

    codec: TiffCodec = "auto"
    """How tiles are stored; see `TiffCodec`."""

    def __post_init__(self) -> None:
        self.check("ome-tiff", self.codec, get_args(TiffCodec))

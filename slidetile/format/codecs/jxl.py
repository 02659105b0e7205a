"""The codec whose chunks are JPEG XL streams: `jxl`, lossless and smaller than `zstd`."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from slidetile.choices import JXL_EFFORT, CodecName
from slidetile.format.codecs.codec import UINT8
from slidetile.format.codecs.sealed import SealedChunks
from slidetile.raster.jpegxl import decode_jpegxl, encode_jpegxl
from slidetile.raster.jpegxl_header import JpegxlError

HIGHEST_EFFORT = 9


@dataclass(frozen=True, slots=True)
class JxlCodec(SealedChunks):
    """Lossless and mostly smaller than `zstd`, for archives and pixels that were never JPEG.

    Reading it takes about ten times as long.
    """

    effort: int = JXL_EFFORT
    """Effort of libjxl, 1–9; 1 is fast, those above 3 take seconds for a megapixel."""

    name: CodecName = "jxl"
    """Its name in a store."""

    is_lossless = True
    stream_codec = "imagecodecs_jpegxl"

    def __post_init__(self) -> None:
        if not 1 <= self.effort <= HIGHEST_EFFORT:
            raise ValueError(f"An effort is 1–{HIGHEST_EFFORT}, but this one is {self.effort}.")

    @property
    def parameters(self) -> dict[str, Any]:
        """The effort."""
        return {"effort": self.effort}

    def encode(self, pixels: NDArray[Any]) -> bytes:
        """Encode uint8 pixels, or uint16 ones."""
        return encode_jpegxl(pixels, self.effort)

    def decode(
        self,
        payload: bytes,
        shape: tuple[int, int, int],
        scratch: NDArray[Any] | None = None,
        dtype: np.dtype[Any] = UINT8,
    ) -> NDArray[Any]:
        """Decode the stream, whose own header must state the expected size and type."""
        out = np.empty(shape, dtype) if scratch is None else scratch
        try:
            return decode_jpegxl(payload, out)
        except JpegxlError as error:
            raise ValueError(f"it is not a JPEG XL of the shape {shape}: {error}") from error

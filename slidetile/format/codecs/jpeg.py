"""The codec whose chunks are JPEG streams made here, `jpeg`; how `native` marks those it makes."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from slidetile.choices import JPEG_QUALITY, CodecName
from slidetile.format.codecs.codec import UINT8
from slidetile.format.codecs.draft import JpegDraft, drafted
from slidetile.format.codecs.sealed import SealedChunks
from slidetile.raster.jpeg import JpegError, decode_jpeg
from slidetile.raster.pixels import Pixels

_AVERAGED = b"\xff\xd8\xff\xee\x00\x0eAdobe\x00\x65\x00\x00\x00\x00\x01"
"""How a chunk begins that was averaged: Adobe's marker for YCbCr, of version 101, which no copied
chunk has. Decoders do not look at the version."""

AVERAGED_QUALITY = 97
"""Quality of such a chunk: as near to the finer level as the scanner's own coarse tiles are."""


def encode_averaged_jpeg(pixels: Pixels) -> bytes:
    """Return pixels as a chunk of a `native` store that was averaged, not copied.

    Parameters
    ----------
    pixels
        uint8 [row, column, 3], contiguous.
    """
    import imagecodecs

    stream = imagecodecs.jpeg8_encode(pixels, level=AVERAGED_QUALITY, subsampling="444")
    return _AVERAGED + bytes(stream)[20:]  # in place of a start and JFIF's marker


def is_averaged_jpeg(payload: bytes) -> bool:
    """Return whether a chunk of a `native` store was averaged from the finer level."""
    return payload.startswith(_AVERAGED)


@dataclass(frozen=True, slots=True)
class JpegCodec(SealedChunks):
    """Small and lossy, from any slide."""

    quality: int = JPEG_QUALITY
    """Quality on libjpeg's scale, 1–100."""

    name: CodecName = "jpeg"
    """Its name in a store."""

    draft: JpegDraft | None = None
    """What arrays say of the chunks by the drafted Zarr codec; None by ``imagecodecs_jpeg``."""

    is_lossless = False
    stream_codec = "imagecodecs_jpeg"

    def __post_init__(self) -> None:
        if not 1 <= self.quality <= 100:
            raise ValueError(f"A JPEG quality is 1–100, but this one is {self.quality}.")
        expected = self.draft and JpegDraft.encoded(self.quality, len(self.draft.subsampling))
        if self.draft != expected:
            raise ValueError(f"draft is {self.draft}, but it must be {expected}.")

    @property
    def parameters(self) -> dict[str, Any]:
        """The quality, and what the drafted codec is told."""
        return {"quality": self.quality} | drafted(self.draft)

    def encode(self, pixels: Pixels) -> bytes:
        """Encode with chroma at full resolution, since stains differ mostly by colour."""
        import imagecodecs

        interleaved = np.ascontiguousarray(pixels)
        if interleaved.shape[2] == 1:
            return bytes(imagecodecs.jpeg8_encode(interleaved[..., 0], level=self.quality))
        return bytes(imagecodecs.jpeg8_encode(interleaved, level=self.quality, subsampling="444"))

    def decode(
        self,
        payload: bytes,
        shape: tuple[int, int, int],
        scratch: Pixels | None = None,
        dtype: np.dtype[Any] = UINT8,
    ) -> Pixels:
        """Decode the stream, whose own header must state the expected size.

        A stream on which the decoder has a warning is damaged.
        """
        out = np.empty(shape, dtype) if scratch is None else scratch
        try:
            return decode_jpeg(payload, out)
        except JpegError as error:
            raise ValueError(f"it is not a JPEG of the shape {shape}: {error}") from error

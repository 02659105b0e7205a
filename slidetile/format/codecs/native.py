"""The codec `native`, whose chunks are the slide's own tiles, copied."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, get_args

import numpy as np

from slidetile.choices import NATIVE_CHECK, CodecName, NativeCheck, NativeStream
from slidetile.format.codecs.codec import UINT8
from slidetile.format.codecs.draft import JpegDraft, drafted
from slidetile.format.codecs.jpeg import encode_averaged_jpeg, is_averaged_jpeg
from slidetile.format.codecs.sealed import SealedChunks
from slidetile.raster.jpeg import check_jpeg, decode_jpeg
from slidetile.raster.jpeg2000 import (
    check_jpeg2000,
    decode_jpeg2000,
    encode_averaged_jpeg2000,
    is_averaged_jpeg2000,
)
from slidetile.raster.pixels import Pixels
from slidetile.raster.stream import StreamError
from slidetile.raster.webp import check_webp, decode_webp, encode_averaged_webp, is_averaged_webp


@dataclass(frozen=True, slots=True, kw_only=True)
class _Stream:
    """How a slide's tiles are encoded, and what a store needs to know of it."""

    zarr_codec: str
    """The name of the Zarr codec that decodes it."""

    decode: Callable[[bytes, Pixels], Pixels]
    """Decodes into an array of exactly its shape."""

    check: Callable[[bytes], None]
    """Raises StreamError unless the decoder takes all of it."""

    encode_averaged: Callable[[Pixels], bytes]
    """Encodes what was averaged from the finer level, with a mark."""

    is_averaged: Callable[[bytes], bool]
    """Whether a stream has that mark, which no copied one has."""


_STREAMS: Mapping[NativeStream, _Stream] = {
    "jpeg": _Stream(
        zarr_codec="imagecodecs_jpeg",
        decode=decode_jpeg,
        check=check_jpeg,
        encode_averaged=encode_averaged_jpeg,
        is_averaged=is_averaged_jpeg,
    ),
    "jpeg2000": _Stream(
        zarr_codec="imagecodecs_jpeg2k",
        decode=decode_jpeg2000,
        check=check_jpeg2000,
        encode_averaged=encode_averaged_jpeg2000,
        is_averaged=is_averaged_jpeg2000,
    ),
    "webp": _Stream(
        zarr_codec="imagecodecs_webp",
        decode=decode_webp,
        check=check_webp,
        encode_averaged=encode_averaged_webp,
        is_averaged=is_averaged_webp,
    ),
}


@dataclass(frozen=True, slots=True)
class NativeCodec(SealedChunks):
    """The slide's own compressed tiles, copied without decoding them anew."""

    check_by: NativeCheck = NATIVE_CHECK
    """How a tile is checked before it is copied. "scan" looks at its markers and for zeros, at the
    speed of memory, and decodes only what gives cause; "decode" decodes every tile."""

    name: CodecName = "native"
    """Its name in a store."""

    stream: NativeStream = "jpeg"
    """How the slide's tiles are encoded."""

    draft: JpegDraft | None = None
    """What arrays say of JPEG tiles by the drafted Zarr codec; None by ``imagecodecs_jpeg``."""

    is_lossless = False

    def __post_init__(self) -> None:
        if self.check_by not in get_args(NativeCheck):
            raise ValueError(
                f"Native tiles are checked by scan or decode, but this is {self.check_by!r}."
            )
        if self.stream not in _STREAMS:
            raise ValueError(
                f"Native tiles are {', '.join(_STREAMS)}, but these are {self.stream!r}."
            )
        if self.draft is not None and self.stream != "jpeg":
            raise ValueError(f"draft is of JPEG tiles, but these are {self.stream}.")

    @property
    def stream_codec(self) -> str:
        """The Zarr codec of the slide's tiles."""
        return _STREAMS[self.stream].zarr_codec

    @property
    def parameters(self) -> dict[str, Any]:
        """How tiles were checked and are encoded, unless it is the usual way."""
        checked = {} if self.check_by == NATIVE_CHECK else {"check": self.check_by}
        stream = {} if self.stream == "jpeg" else {"stream": self.stream}
        return checked | stream | drafted(self.draft)

    def encode(self, pixels: Pixels) -> bytes:
        """Refuse: what is copied is never encoded."""
        raise TypeError(f"A native chunk is copied, not encoded; got {pixels.shape} pixels.")

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
            return _STREAMS[self.stream].decode(payload, out)
        except StreamError as error:
            what = f"it is not a {_TITLES[self.stream]} of the shape {shape}"
            raise ValueError(f"{what}: {error}") from error

    def check_whole(self, payload: bytes) -> None:
        """Check that the decoder takes all of a stream, whose size has been compared.

        Raises
        ------
        StreamError
            It has an error or a warning.
        """
        _STREAMS[self.stream].check(payload)

    def encode_averaged(self, pixels: Pixels) -> bytes:
        """Return pixels as a chunk that was averaged, not copied.

        Parameters
        ----------
        pixels
            uint8 [row, column, 3], contiguous.
        """
        return _STREAMS[self.stream].encode_averaged(pixels)

    def is_averaged(self, payload: bytes) -> bool:
        """Return whether a chunk was averaged from the finer level."""
        return _STREAMS[self.stream].is_averaged(payload)


_TITLES: Mapping[NativeStream, str] = {"jpeg": "JPEG", "jpeg2000": "JPEG 2000", "webp": "WebP"}

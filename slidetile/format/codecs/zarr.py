"""The codecs ``imagecodecs_jpeg``, ``_jpegxl``, ``_jpeg2k`` and ``_webp`` for zarr-python.

They are entry points. imagecodecs brings them for Python 3.12 and newer; there this module names
the very same classes, so that zarr sees one codec, not two of one name. On older Pythons they are
the small ones below, which read and write what slidetile's stores hold: streams that describe
themselves.
"""

import asyncio
from abc import abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import imagecodecs
from zarr.abc.codec import ArrayBytesCodec


class _SmallCodec(ArrayBytesCodec):
    """Streams of [row, column, channel] chunks, without configuration."""

    is_fixed_size = False
    name: ClassVar[str]

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Self:
        """Make the codec from Zarr's metadata, which hold only its name."""
        if data.get("configuration"):
            raise ValueError(
                f"{cls.name} takes a configuration ({data['configuration']}) only with "
                "imagecodecs-zarr, which needs Python 3.12 or newer."
            )
        return cls()

    def to_dict(self) -> dict[str, Any]:
        return {"name": self.name}

    def compute_encoded_size(self, input_byte_length: int, _chunk_spec: Any) -> int:
        raise NotImplementedError(f"{input_byte_length} bytes of pixels can take any length.")

    async def _decode_single(self, chunk_bytes: Any, chunk_spec: Any) -> Any:
        return await asyncio.to_thread(self._decode, chunk_bytes, chunk_spec)

    def _decode(self, chunk_bytes: Any, chunk_spec: Any) -> Any:
        pixels = self.decode_stream(chunk_bytes.to_bytes())
        return chunk_spec.prototype.nd_buffer.from_numpy_array(pixels.reshape(chunk_spec.shape))

    async def _encode_single(self, chunk_array: Any, chunk_spec: Any) -> Any:
        return await asyncio.to_thread(self._encode, chunk_array, chunk_spec)

    def _encode(self, chunk_array: Any, chunk_spec: Any) -> Any:
        pixels = chunk_array.as_numpy_array()
        if pixels.shape[-1] == 1:
            pixels = pixels[..., 0]
        return chunk_spec.prototype.buffer.from_bytes(self.encode_stream(pixels))

    @abstractmethod
    def decode_stream(self, stream: bytes) -> Any: ...

    @abstractmethod
    def encode_stream(self, pixels: Any) -> bytes: ...


@dataclass(frozen=True)
class _SmallJpegCodec(_SmallCodec):
    """JPEG, as libjpeg-turbo reads it by default."""

    name: ClassVar[str] = "imagecodecs_jpeg"

    def decode_stream(self, stream: bytes) -> Any:
        return imagecodecs.jpeg8_decode(stream)

    def encode_stream(self, pixels: Any) -> bytes:
        return bytes(imagecodecs.jpeg8_encode(pixels))


@dataclass(frozen=True)
class _SmallJpegxlCodec(_SmallCodec):
    """JPEG XL, written without loss."""

    name: ClassVar[str] = "imagecodecs_jpegxl"

    def decode_stream(self, stream: bytes) -> Any:
        return imagecodecs.jpegxl_decode(stream)

    def encode_stream(self, pixels: Any) -> bytes:
        return bytes(imagecodecs.jpegxl_encode(pixels, lossless=True))


@dataclass(frozen=True)
class _SmallJpeg2kCodec(_SmallCodec):
    """JPEG 2000, written without loss."""

    name: ClassVar[str] = "imagecodecs_jpeg2k"

    def decode_stream(self, stream: bytes) -> Any:
        return imagecodecs.jpeg2k_decode(stream)

    def encode_stream(self, pixels: Any) -> bytes:
        return bytes(imagecodecs.jpeg2k_encode(pixels, level=0, reversible=True, codecformat="j2k"))


@dataclass(frozen=True)
class _SmallWebpCodec(_SmallCodec):
    """WebP, written without loss."""

    name: ClassVar[str] = "imagecodecs_webp"

    def decode_stream(self, stream: bytes) -> Any:
        return imagecodecs.webp_decode(stream)

    def encode_stream(self, pixels: Any) -> bytes:
        return bytes(imagecodecs.webp_encode(pixels, lossless=True))


try:
    from imagecodecs.zarr import Jpeg as JpegCodec
    from imagecodecs.zarr import Jpeg2k as Jpeg2kCodec
    from imagecodecs.zarr import Jpegxl as JpegxlCodec
    from imagecodecs.zarr import Webp as WebpCodec
except ImportError:
    JpegCodec, JpegxlCodec = _SmallJpegCodec, _SmallJpegxlCodec
    Jpeg2kCodec, WebpCodec = _SmallJpeg2kCodec, _SmallWebpCodec

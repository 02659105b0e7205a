"""The codecs ``imagecodecs_jpeg``, ``_jpegxl``, ``_jpeg2k``, ``_webp``, ``jpeg`` for zarr-python.

They are entry points. imagecodecs brings them for Python 3.12 and newer; there this module names
the very same classes, so that zarr sees one codec, not two of one name. On older Pythons they are
the small ones below, which read and write what slidetile's stores hold: streams that describe
themselves. ``jpeg`` is of a draft for Zarr's registry, and always the one below.
"""

import asyncio
from abc import abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import imagecodecs
from zarr.abc.codec import ArrayBytesCodec

from slidetile.format.codecs.draft import DRAFT_NAME, JpegDraft


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


@dataclass(frozen=True)
class JpegDraftCodec(_SmallCodec):
    """JPEG under the name of the draft; each stream is decoded by what it says of itself."""

    draft: JpegDraft
    name: ClassVar[str] = DRAFT_NAME

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Self:
        """Make the codec from Zarr's metadata."""
        told = dict(data.get("configuration") or {})
        try:
            draft = JpegDraft(
                quality=told.pop("quality"),
                encoded_color_space=told.pop("encoded_color_space", None),
                subsampling=tuple((x, y) for x, y in told.pop("subsampling")),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"The codec {cls.name} is not told as drafted: {error}") from error
        if told:
            raise ValueError(f"The codec {cls.name} has no {', '.join(map(str, told))}.")
        return cls(draft=draft)

    def to_dict(self) -> dict[str, Any]:
        """Return the codec's metadata."""
        return {"name": self.name, "configuration": self.draft.configuration}

    def decode_stream(self, stream: bytes) -> Any:
        """Decode a stream by what it says of itself."""
        return imagecodecs.jpeg8_decode(stream)

    def encode_stream(self, pixels: Any) -> bytes:
        """Encode [row, column] or [row, column, channel] as the configuration says."""
        channels = 1 if pixels.ndim == 2 else pixels.shape[-1]
        count = len(self.draft.subsampling)
        if channels != count:
            raise ValueError(f"The codec {self.name} is of {count} channels, but these {channels}.")
        color: dict[str, Any] = {}
        if count == 3:
            space = self.draft.encoded_color_space
            color = {"subsampling": self.draft.subsampling[0], "outcolorspace": space}
        return bytes(imagecodecs.jpeg8_encode(pixels, level=self.draft.quality, **color))


try:
    from imagecodecs.zarr import Jpeg as JpegCodec
    from imagecodecs.zarr import Jpeg2k as Jpeg2kCodec
    from imagecodecs.zarr import Jpegxl as JpegxlCodec
    from imagecodecs.zarr import Webp as WebpCodec
except ImportError:
    JpegCodec, JpegxlCodec = _SmallJpegCodec, _SmallJpegxlCodec
    Jpeg2kCodec, WebpCodec = _SmallJpeg2kCodec, _SmallWebpCodec

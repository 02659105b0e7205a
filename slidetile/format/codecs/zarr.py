"""The codec ``imagecodecs_jpeg`` for zarr-python, which finds it as an entry point.

imagecodecs brings it for Python 3.12 and newer; there this module names the very same class, so
that zarr sees one codec, not two of one name. On older Pythons it is the small one below, which
reads and writes what slidetile's stores hold: JPEG streams that describe themselves.
"""

import asyncio
from dataclasses import dataclass
from typing import Any, Self

import imagecodecs
from zarr.abc.codec import ArrayBytesCodec


@dataclass(frozen=True)
class _SmallJpegCodec(ArrayBytesCodec):
    """JPEG streams of [row, column, channel] chunks, without configuration."""

    is_fixed_size = False

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Self:
        """Make the codec from Zarr's metadata, which hold only its name."""
        if data.get("configuration"):
            raise ValueError(
                f"imagecodecs_jpeg takes a configuration ({data['configuration']}) only with "
                "imagecodecs-zarr, which needs Python 3.12 or newer."
            )
        return cls()

    def to_dict(self) -> dict[str, Any]:
        return {"name": "imagecodecs_jpeg"}

    def compute_encoded_size(self, input_byte_length: int, _chunk_spec: Any) -> int:
        raise NotImplementedError(f"{input_byte_length} bytes of JPEG can take any length.")

    async def _decode_single(self, chunk_bytes: Any, chunk_spec: Any) -> Any:
        return await asyncio.to_thread(self._decode, chunk_bytes, chunk_spec)

    def _decode(self, chunk_bytes: Any, chunk_spec: Any) -> Any:
        pixels = imagecodecs.jpeg8_decode(chunk_bytes.to_bytes())
        return chunk_spec.prototype.nd_buffer.from_numpy_array(pixels.reshape(chunk_spec.shape))

    async def _encode_single(self, chunk_array: Any, chunk_spec: Any) -> Any:
        return await asyncio.to_thread(self._encode, chunk_array, chunk_spec)

    def _encode(self, chunk_array: Any, chunk_spec: Any) -> Any:
        pixels = chunk_array.as_numpy_array()
        if pixels.shape[-1] == 1:
            pixels = pixels[..., 0]
        return chunk_spec.prototype.buffer.from_bytes(imagecodecs.jpeg8_encode(pixels))


try:
    from imagecodecs.zarr import Jpeg as JpegCodec
except ImportError:
    JpegCodec = _SmallJpegCodec

"""Codecs whose chunks hold plane after plane, without loss: `raw` and `zstd`."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from slidetile.choices import CodecName
from slidetile.format.codecs.codec import UINT8, Parts
from slidetile.raster.pixels import Pixels, planes


class _PlanarChunks(ABC):
    """What raw and Zstandard chunks share: plane after plane, and no checksum beside them.

    A Zstandard frame contains its checksum; of raw chunks only the tile table has one.
    """

    __slots__ = ()

    is_lossless = True
    is_planar = True

    def seal(self, payload: bytes, _checksum: int) -> Parts:
        """Return the payload unchanged."""
        return (payload,)

    def unseal(self, stored: bytes) -> bytes:
        """Return the bytes unchanged."""
        return stored

    def check(
        self, payload: bytes, shape: tuple[int, int, int], dtype: np.dtype[Any] = UINT8, /
    ) -> None:
        """Decode: a frame's checksum covers its content; raw bytes are checked by their length."""
        self.decode(payload, shape, None, dtype)

    @abstractmethod
    def decode(
        self,
        payload: bytes,
        shape: tuple[int, int, int],
        scratch: Pixels | None = None,
        dtype: np.dtype[Any] = UINT8,
        /,
    ) -> Pixels:
        """Return the pixels; see `slidetile.format.codecs.codec.ChunkCodec`."""
        ...


@dataclass(frozen=True, slots=True)
class RawCodec(_PlanarChunks):
    """Uncompressed pixels, for temporary stores and memory-mapping."""

    name: CodecName = "raw"
    """Its name in a store."""

    @property
    def zarr_codecs(self) -> list[dict[str, Any]]:
        """The bytes alone."""
        return [{"name": "bytes"}]

    @property
    def parameters(self) -> dict[str, Any]:
        """None."""
        return {}

    def encode(self, pixels: Pixels) -> bytes:
        """Return the planes one after another."""
        return _stored(pixels.transpose(2, 0, 1)).tobytes()

    def decode(
        self,
        payload: bytes,
        shape: tuple[int, int, int],
        _scratch: Pixels | None = None,
        dtype: np.dtype[Any] = UINT8,
    ) -> Pixels:
        """Return a view of the bytes."""
        return _interleaved(payload, shape, dtype)


LOWEST_COMPRESSION, HIGHEST_COMPRESSION = -(1 << 17), 22
"""Compression levels that Zstandard has."""


@dataclass(frozen=True, slots=True)
class ZstdCodec(_PlanarChunks):
    """Lossless, and readable by every Zarr v3 reader."""

    compression_level: int = 1
    """Effort of Zstandard, −131072–22; 1 is fast; higher ones make photographs hardly smaller."""

    name: CodecName = "zstd"
    """Its name in a store."""

    def __post_init__(self) -> None:
        if not LOWEST_COMPRESSION <= self.compression_level <= HIGHEST_COMPRESSION:
            raise ValueError(
                f"A compression level is {LOWEST_COMPRESSION}–{HIGHEST_COMPRESSION}, but this one "
                f"is {self.compression_level}."
            )

    @property
    def zarr_codecs(self) -> list[dict[str, Any]]:
        """Planar bytes, then Zstandard with its own checksum."""
        return [
            {"name": "bytes"},
            {"name": "zstd", "configuration": {"level": self.compression_level, "checksum": True}},
        ]

    @property
    def parameters(self) -> dict[str, Any]:
        """The compression level."""
        return {"level": self.compression_level}

    def encode(self, pixels: Pixels) -> bytes:
        """Compress the planes; the frame ends with the checksum of its content."""
        return bytes(_zstd(self.compression_level).encode(_stored(planes(pixels))))

    def decode(
        self,
        payload: bytes,
        shape: tuple[int, int, int],
        scratch: Pixels | None = None,
        dtype: np.dtype[Any] = UINT8,
    ) -> Pixels:
        """Decompress into exactly the size expected, whatever the frame's header claims."""
        import imagecodecs

        out = np.empty(shape, dtype) if scratch is None else scratch
        try:
            decoded = imagecodecs.zstd_decode(payload, out=out.reshape(-1).view(np.uint8).data)
        except (imagecodecs.ZstdError, RuntimeError) as error:
            raise ValueError(f"it is not a valid Zstandard frame: {error}") from error
        return _interleaved(decoded, shape, dtype)


def _stored(pixels: Pixels) -> Pixels:
    """Return samples as they are stored: little-endian, as those of nearly every machine are."""
    return pixels.astype(pixels.dtype.newbyteorder("<"), copy=False)


def _interleaved(
    data: bytes | bytearray, shape: tuple[int, int, int], dtype: np.dtype[Any]
) -> Pixels:
    height, width, channels = shape
    nbytes = height * width * channels * dtype.itemsize
    if len(data) != nbytes:
        raise ValueError(f"{len(data)} bytes instead of {nbytes}")
    stored = np.frombuffer(data, dtype.newbyteorder("<")).astype(dtype, copy=False)
    return stored.reshape(channels, height, width).transpose(1, 2, 0)


@cache
def _zstd(compression_level: int) -> Any:
    from numcodecs.zstd import Zstd

    return Zstd(level=compression_level, checksum=True)

"""How the pixels of a chunk become bytes, and bytes become pixels again.

A codec knows one chunk at a time, as a planar array [channel, row, column]: the axis order of the
store. What Zarr has to be told about it is its list of Zarr v3 codecs.
"""

import struct
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from slidetile.pixels import Pixels

CodecName = Literal["auto", "native", "zstd", "jpeg", "raw"]

ChunkPixels = NDArray[np.uint8]
"""The pixels of a chunk as [channel, row, column]."""

Parts = tuple[bytes, ...]
"""Bytes that follow each other, not joined: every join copies."""

_CRC = struct.Struct("<I")


class ChunkCodec(Protocol):
    """One way to store a chunk."""

    @property
    def name(self) -> CodecName:
        """The codec's name on the command line and in a store's attributes."""
        ...

    @property
    def is_lossless(self) -> bool:
        """Whether decoding gives the very pixels that were encoded."""
        ...

    @property
    def zarr_codecs(self) -> list[dict[str, Any]]:
        """The Zarr v3 codecs of a chunk, in the order of encoding."""
        ...

    @property
    def parameters(self) -> dict[str, Any]:
        """What shapes the encoded bytes, for a store's attributes."""
        ...

    def encode(self, pixels: ChunkPixels) -> bytes:
        """Return a chunk's payload: its bytes without a checksum of the `seal`."""
        ...

    def seal(self, payload: bytes, checksum: int) -> Parts:
        """Return the chunk as it is stored; ``checksum`` is the CRC-32C of its payload."""
        ...

    def unseal(self, stored: bytes) -> bytes:
        """Return the payload of a stored chunk.

        Raises
        ------
        ValueError
            The checksum does not fit.
        """
        ...

    def check(self, payload: bytes, shape: tuple[int, int, int]) -> None:
        """Make sure a payload that passed `unseal` is undamaged, as cheaply as that can be done.

        Raises
        ------
        ValueError
            It is not, or is no chunk of this shape.
        """
        ...

    def decode(
        self, payload: bytes, shape: tuple[int, int, int], scratch: Pixels | None = None, /
    ) -> Pixels:
        """Return the pixels as [row, column, channel]; ``shape`` is that of the result.

        ``scratch``, contiguous and of this shape, may be used for the result.

        Raises
        ------
        ValueError
            The payload does not decode to this shape.
        """
        ...


def crc32c(*parts: bytes) -> int:
    """Return the CRC-32C (Castagnoli, RFC 3720) of ``parts``, one after another."""
    extend, checksum = _crc32c_extend(), 0
    for part in parts:
        checksum = extend(checksum, part)
    return checksum


@dataclass(frozen=True, slots=True)
class RawCodec:
    """Pixels as they are, planar: scratch for training, can be memory-mapped."""

    name: CodecName = "raw"

    is_lossless = True

    @property
    def zarr_codecs(self) -> list[dict[str, Any]]:
        """Bytes, nothing else."""
        return [{"name": "bytes"}]

    @property
    def parameters(self) -> dict[str, Any]:
        """Nothing to choose."""
        return {}

    def encode(self, pixels: ChunkPixels) -> bytes:
        """Return the planes one after another."""
        return pixels.tobytes()

    def seal(self, payload: bytes, _checksum: int) -> Parts:
        """Return the payload: raw chunks carry no checksum, the tile table does."""
        return (payload,)

    def unseal(self, stored: bytes) -> bytes:
        """Return the bytes as they are."""
        return stored

    def check(self, payload: bytes, shape: tuple[int, int, int]) -> None:
        """Check the length: there is nothing else to go by."""
        self.decode(payload, shape)

    def decode(
        self, payload: bytes, shape: tuple[int, int, int], _scratch: Pixels | None = None
    ) -> Pixels:
        """Return a view of the bytes."""
        return _interleaved(payload, shape)


@dataclass(frozen=True, slots=True)
class ZstdCodec:
    """Lossless, and readable by every Zarr v3 reader."""

    level: int = 1
    """Effort of Zstandard; 1 is the fastest and costs photographs hardly any size."""

    name: CodecName = "zstd"

    is_lossless = True

    @property
    def zarr_codecs(self) -> list[dict[str, Any]]:
        """Planar bytes, then Zstandard with its own checksum."""
        return [
            {"name": "bytes"},
            {"name": "zstd", "configuration": {"level": self.level, "checksum": True}},
        ]

    @property
    def parameters(self) -> dict[str, Any]:
        """The compression level."""
        return {"level": self.level}

    def encode(self, pixels: ChunkPixels) -> bytes:
        """Compress the planes; the frame ends with the checksum of its content."""
        return bytes(_zstd(self.level).encode(np.ascontiguousarray(pixels)))

    def seal(self, payload: bytes, _checksum: int) -> Parts:
        """Return the payload: a Zstandard frame carries its checksum inside."""
        return (payload,)

    def unseal(self, stored: bytes) -> bytes:
        """Return the bytes as they are."""
        return stored

    def check(self, payload: bytes, shape: tuple[int, int, int]) -> None:
        """Decompress: the checksum is one of the content."""
        self.decode(payload, shape)

    def decode(
        self, payload: bytes, shape: tuple[int, int, int], _scratch: Pixels | None = None
    ) -> Pixels:
        """Decompress into exactly the size expected, whatever the frame's header claims."""
        import imagecodecs

        height, width, channels = shape
        try:
            planes = imagecodecs.zstd_decode(payload, out=bytearray(height * width * channels))
        except (imagecodecs.ZstdError, RuntimeError) as error:
            raise ValueError(f"no valid Zstandard frame: {error}") from error
        return _interleaved(planes, shape)


class _JpegChunks:
    """What copied and encoded JPEG chunks share: a checksum of their own, and the decoder."""

    __slots__ = ()

    is_lossless = False

    @property
    def zarr_codecs(self) -> list[dict[str, Any]]:
        """Pixels to [row, column, channel], JPEG as the stream itself describes, checksum."""
        return [
            {"name": "transpose", "configuration": {"order": [1, 2, 0]}},
            {"name": "imagecodecs_jpeg"},
            {"name": "crc32c"},
        ]

    def seal(self, payload: bytes, checksum: int) -> Parts:
        """Append the checksum: JPEG data have none, and most flipped bits in them decode."""
        return payload, _CRC.pack(checksum)

    def unseal(self, stored: bytes) -> bytes:
        """Check the checksum and cut it off."""
        payload = stored[: -_CRC.size]
        if len(stored) < _CRC.size or stored[-_CRC.size :] != _CRC.pack(crc32c(payload)):
            raise ValueError("its checksum does not fit")
        return payload

    def check(self, payload: bytes, shape: tuple[int, int, int]) -> None:
        """Do nothing: the checksum that `unseal` compares tells."""

    def decode(
        self, payload: bytes, shape: tuple[int, int, int], scratch: Pixels | None = None
    ) -> Pixels:
        """Decode the stream, whose own header must tell the expected size.

        The decoder compares it with where it writes to before it takes any memory.
        """
        import imagecodecs

        out = np.empty(shape, np.uint8) if scratch is None else scratch
        image = out[..., 0] if shape[2] == 1 else out
        try:
            imagecodecs.jpeg8_decode(payload, out=image)
        except (imagecodecs.Jpeg8Error, RuntimeError, ValueError) as error:
            raise ValueError(f"no JPEG of the shape {shape}: {error}") from error
        return out


@dataclass(frozen=True, slots=True)
class JpegCodec(_JpegChunks):
    """Small and lossy, from any slide."""

    quality: int = 90
    """As libjpeg counts it, 1–100."""

    name: CodecName = "jpeg"

    def __post_init__(self) -> None:
        if not 1 <= self.quality <= 100:
            raise ValueError(f"A JPEG quality is 1–100, but this one is {self.quality}.")

    @property
    def parameters(self) -> dict[str, Any]:
        """The quality."""
        return {"quality": self.quality}

    def encode(self, pixels: ChunkPixels) -> bytes:
        """Encode with the chroma at full resolution: stains differ by colour above all."""
        import imagecodecs

        interleaved = np.ascontiguousarray(pixels.transpose(1, 2, 0))
        if interleaved.shape[2] == 1:
            return bytes(imagecodecs.jpeg8_encode(interleaved[..., 0], level=self.quality))
        return bytes(imagecodecs.jpeg8_encode(interleaved, level=self.quality, subsampling="444"))


@dataclass(frozen=True, slots=True)
class NativeCodec(_JpegChunks):
    """The slide's own JPEG tiles, copied byte for byte."""

    name: CodecName = "native"

    @property
    def parameters(self) -> dict[str, Any]:
        """Nothing to choose: the scanner chose."""
        return {}

    def encode(self, pixels: ChunkPixels) -> bytes:
        """Refuse: what is copied is never encoded."""
        raise TypeError(f"A native chunk is copied, not encoded; got {pixels.shape} pixels.")


def make_codec(name: CodecName, *, quality: int = 90) -> ChunkCodec:
    """Return the codec of that name.

    Raises
    ------
    ValueError
        There is no such codec.
    """
    match name:
        case "native":
            return NativeCodec()
        case "zstd":
            return ZstdCodec()
        case "jpeg":
            return JpegCodec(quality=quality)
        case "raw":
            return RawCodec()
    raise ValueError(f"A codec is native, zstd, jpeg or raw, but this one is {name!r}.")


def _interleaved(planes: bytes | bytearray, shape: tuple[int, int, int]) -> Pixels:
    height, width, channels = shape
    if len(planes) != height * width * channels:
        raise ValueError(f"{len(planes)} bytes instead of {height * width * channels}")
    planar = np.frombuffer(planes, np.uint8).reshape(channels, height, width)
    return planar.transpose(1, 2, 0)


@cache
def _crc32c_extend() -> Callable[[int, bytes], int]:
    import google_crc32c

    extend: Callable[[int, bytes], int] = google_crc32c.extend
    return extend


@cache
def _zstd(level: int) -> Any:
    from numcodecs.zstd import Zstd

    return Zstd(level=level, checksum=True)

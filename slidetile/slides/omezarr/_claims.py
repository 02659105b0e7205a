"""How much memory an encoded chunk would take, asked before a library decodes it.

A few hundred bytes can claim, or become, gigabytes. Knows the headers of the codecs that Zarr is
written with; others are bounded by what they can make of the bytes that are stored.
"""

import bz2
import gzip
import io
import lzma
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from imagecodecs import zstd_decode

from slidetile.errors import DamagedPixelsError
from slidetile.slides.omezarr._codecs import Encoding
from slidetile.slides.omezarr._shard import ShardIndex

_EXPANSION = 8
"""Bytes that a codec may hand on for a byte of pixels: filters may want 64-bit numbers."""

_SMALL_BYTES = 1 << 16
_CHECKSUM_BYTES = 4
_ZSTD = b"\x28\xb5\x2f\xfd"
_SKIPPABLE = b"\x2a\x4d\x18"
_DEFLATE_RATIO = 1032
"""Most bytes that deflate makes of one."""

_STEP_BYTES = 1 << 18
"""What is decoded at once to see how much it is, and dropped."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claims:
    """What the chunks of an array may claim."""

    encoding: Encoding
    """How they are encoded."""

    chunk_bytes: int
    """Bytes of the pixels of a chunk."""

    index: ShardIndex | None
    """The index of the shards; None where files are chunks."""

    def check_file(self, data: bytes) -> None:
        """Check a whole file: a chunk, or a shard of several.

        Raises
        ------
        DamagedPixelsError
            A chunk would take more memory than its pixels can, or a shard's index is damaged.
        """
        for chunk in (data,) if self.index is None else self.index.chunks(data):
            self.check_chunk(chunk)

    def check_chunk(self, data: bytes) -> None:
        """Check a chunk; raises as `check_file`."""
        codec = self.encoding.codec
        most = max(_SMALL_BYTES, _EXPANSION * self.chunk_bytes)
        body = data[:-_CHECKSUM_BYTES] if self.encoding.has_checksum else data
        if codec in _SIZES and _SIZES[codec](body, most) > most:
            damaged = DamagedPixelsError(
                f"a chunk of {len(data)} bytes does not decode: by its codec {codec} it "
                f"becomes more than {most} bytes."
            )
            damaged.reason = "too many bytes"
            raise damaged


def _zstd_size(data: bytes, most: int) -> int:
    """Return the size that one Zstandard frame states, or that several are found to have."""
    is_skippable = data[1:4] == _SKIPPABLE and data[0] >> 4 == 5
    if not is_skippable and (data[:4] != _ZSTD or len(data) < 14):
        return 0
    stated, end = _zstd_frame(data)
    if stated is not None and end >= len(data):
        return stated
    try:
        return len(zstd_decode(data, out=most))
    except Exception:  # noqa: BLE001 - it does not decode, or not into so many bytes
        return most + 1


def _zstd_frame(data: bytes) -> tuple[int | None, int]:
    """Return the size that a frame states (RFC 8878, 3.1.1), None if none, and where it ends."""
    if data[:4] != _ZSTD:
        return None, 0
    descriptor = data[4]
    is_single = bool(descriptor & 0x20)
    length = (1 if is_single else 0, 2, 4, 8)[descriptor >> 6]
    start = 5 + (not is_single) + (0, 1, 2, 4)[descriptor & 3]
    end = start + length
    stated = int.from_bytes(data[start:end], "little") + (256 if length == 2 else 0)
    is_last = False
    while not is_last and end < len(data):
        block = int.from_bytes(data[end : end + 3], "little")
        is_last = bool(block & 1)
        end += 3 + (1 if block >> 1 & 3 == 1 else block >> 3)  # a run is stored as one byte
    return stated if length else None, end + 4 * bool(descriptor & 4)


def _blosc_size(data: bytes, most: int) -> int:
    del most
    return int.from_bytes(data[4:8], "little") if len(data) >= 16 else 0


def _lz4_size(data: bytes, most: int) -> int:
    del most
    return int.from_bytes(data[:4], "little")


class _Stream(Protocol):
    def read(self, size: int, /) -> bytes: ...


def _gzip_size(data: bytes, most: int) -> int:
    if len(data) * _DEFLATE_RATIO <= most:
        return 0
    return _measured(gzip.GzipFile(fileobj=io.BytesIO(data)), most)  # of several members, too


def _zlib_size(data: bytes, most: int) -> int:
    if len(data) * _DEFLATE_RATIO <= most:
        return 0
    return _measured(_Zlib(data), most)


def _bz2_size(data: bytes, most: int) -> int:
    return _measured(bz2.BZ2File(io.BytesIO(data)), most)


def _lzma_size(data: bytes, most: int) -> int:
    return _measured(lzma.LZMAFile(io.BytesIO(data)), most)


def _measured(stream: _Stream, most: int) -> int:
    """Return how much comes out, though not much more than is asked for."""
    size = 0
    try:
        while size <= most and (piece := stream.read(_STEP_BYTES)):
            size += len(piece)
    except (zlib.error, OSError, lzma.LZMAError, EOFError):
        pass  # it does not decode further, which the codec says
    return size


class _Zlib:
    """A zlib stream, read as a file."""

    def __init__(self, data: bytes) -> None:
        self._stream = zlib.decompressobj()
        self._left = data

    def read(self, size: int, /) -> bytes:
        piece = self._stream.decompress(self._left, size)
        self._left = self._stream.unconsumed_tail
        return piece


_SIZES: dict[str, Callable[[bytes, int], int]] = {
    "zstd": _zstd_size,
    "blosc": _blosc_size,
    "lz4": _lz4_size,
    "gzip": _gzip_size,
    "zlib": _zlib_size,
    "bz2": _bz2_size,
    "lzma": _lzma_size,
}

"""How much memory an encoded chunk would take, asked before a library decodes it.

A few hundred bytes can claim, or become, gigabytes. Knows the headers of the codecs that Zarr is
written with; others are bounded by what they can make of the bytes that are stored.
"""

import bz2
import lzma
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from imagecodecs import zstd_decode

from slidetile.errors import DamagedPixelsError

_EXPANSION = 8
"""Bytes that a codec may hand on for a byte of pixels: filters may want 64-bit numbers."""

_SMALL_BYTES = 1 << 16
_INDEX_ENTRY_BYTES, _CHECKSUM_BYTES = 16, 4
_EMPTY = (1 << 64) - 1
_ZSTD = b"\x28\xb5\x2f\xfd"
_DEFLATE_RATIO = 1032
_MEASURED_BYTES = 1 << 30
"""Deflate that may become this much is decoded twice: first to see whether it does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claims:
    """What the chunks of an array may claim."""

    codec: str | None
    """The codec that made the bytes of a chunk as they are stored; None where there is none."""

    chunk_bytes: int
    """Bytes of the pixels of a chunk."""

    chunks_in_file: int
    """Chunks in a shard; 1 where there are no shards."""

    is_sharded: bool
    """Whether files are shards."""

    @property
    def index_bytes(self) -> int:
        """Bytes of a shard's index, as writers of shards make it."""
        return self.chunks_in_file * _INDEX_ENTRY_BYTES + _CHECKSUM_BYTES

    def check_file(self, data: bytes) -> None:
        """Check a whole file: a chunk, or a shard of several.

        Raises
        ------
        DamagedPixelsError
            A chunk would take more memory than its pixels can.
        """
        for chunk in self._in_shard(data) if self.is_sharded else (data,):
            self.check_chunk(chunk)

    def check_chunk(self, data: bytes) -> None:
        """Check a chunk; raises as `check_file`."""
        most = max(_SMALL_BYTES, _EXPANSION * self.chunk_bytes)
        if self.codec in _SIZES and _SIZES[self.codec](data, most) > most:
            damaged = DamagedPixelsError(
                f"a chunk of {len(data)} bytes does not decode: by its codec {self.codec} it "
                f"becomes more than {most} bytes."
            )
            damaged.reason = "too many bytes"
            raise damaged

    def _in_shard(self, data: bytes) -> Iterator[bytes]:
        """Yield the chunks that the index of a shard lists, whether it stands first or last."""
        for index in (data[-self.index_bytes : -_CHECKSUM_BYTES], data[: self.index_bytes - 4]):
            if len(index) != self.index_bytes - _CHECKSUM_BYTES:
                continue  # shorter than its index: it does not decode
            for start, size in np.frombuffer(index, "<u8").reshape(-1, 2).tolist():
                if start != _EMPTY and start + size <= len(data):
                    yield data[start : start + size]


def _zstd_size(data: bytes, most: int) -> int:
    """Return the size that a Zstandard frame states (RFC 8878, 3.1.1.1), or is found to have."""
    if data[:4] != _ZSTD or len(data) < 14:
        return 0
    descriptor = data[4]
    is_single = bool(descriptor & 0x20)
    length = (1 if is_single else 0, 2, 4, 8)[descriptor >> 6]
    start = 5 + (not is_single) + (0, 1, 2, 4)[descriptor & 3]
    if length:
        return int.from_bytes(data[start : start + length], "little") + (256 if length == 2 else 0)
    try:
        return len(zstd_decode(data, out=most))
    except Exception:  # noqa: BLE001 - it does not decode, or not into so many bytes
        return most + 1


def _blosc_size(data: bytes, most: int) -> int:
    del most
    return int.from_bytes(data[4:8], "little") if len(data) >= 16 else 0


def _lz4_size(data: bytes, most: int) -> int:
    del most
    return int.from_bytes(data[:4], "little")


def _deflate_size(data: bytes, most: int) -> int:
    if len(data) * _DEFLATE_RATIO < max(most, _MEASURED_BYTES):
        return 0
    return _measured(zlib.decompressobj(wbits=47), data, most)  # of either header


def _bz2_size(data: bytes, most: int) -> int:
    return _measured(bz2.BZ2Decompressor(), data, most)


def _lzma_size(data: bytes, most: int) -> int:
    return _measured(lzma.LZMADecompressor(), data, most)


def _measured(decompressor: Any, data: bytes, most: int) -> int:
    """Return how much comes out, though not much more than is asked for."""
    try:
        return len(decompressor.decompress(data, most + 1))
    except (zlib.error, OSError, lzma.LZMAError, EOFError):
        return 0  # it does not decode, which the codec says


_SIZES: dict[str, Callable[[bytes, int], int]] = {
    "zstd": _zstd_size,
    "blosc": _blosc_size,
    "lz4": _lz4_size,
    "gzip": _deflate_size,
    "zlib": _deflate_size,
    "bz2": _bz2_size,
    "lzma": _lzma_size,
}

"""A Zarr v3 shard as bytes: chunks, then the index of where they lie.

The layout is that of the codec ``sharding_indexed`` (Zarr enhancement proposal 2) with the index
at the end: for each chunk its offset and length as little-endian uint64, both 2⁶⁴-1 where the
chunk is absent, and the CRC-32C of the index.
"""

import struct
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from slidetile.format.checksum import crc32c
from slidetile.format.codecs.codec import ChunkCodec, Parts
from slidetile.format.layout import ChunkGrid, is_sharded

LARGEST_SHARD_BYTES = 1 << 28
"""More than any file that slidetile writes: a shard holds 16 megapixels, the overview 64."""

_ABSENT = (1 << 64) - 1
_CRC = struct.Struct("<I")

ShardIndex = NDArray[np.int64]
"""(offset, length) of each chunk of a shard as [chunk, 2]; length 0 where the chunk is absent."""


def pack_shard(chunks: Mapping[int, Parts], grid: ChunkGrid) -> list[bytes]:
    """Return the shard that holds ``chunks``, each under its place, as the parts of its bytes.

    The parts are not joined, since that would copy all of them. Chunks lie along a Z curve
    (`ChunkGrid.chunk_order`), so the chunks of a tile are mostly contiguous in the file, and the
    same chunks give the same bytes.
    """
    index = [(_ABSENT, _ABSENT)] * grid.chunks_per_shard
    parts: list[bytes] = []
    offset = 0
    for place in grid.chunk_order:
        chunk = chunks.get(place)
        if chunk is not None:
            length = sum(map(len, chunk))
            index[place] = offset, length
            parts += chunk
            offset += length
    table = np.array(index, "<u8").tobytes()
    return [*parts, table, _CRC.pack(crc32c(table))]


def index_bytes(chunk_count: int) -> int:
    """Return the length of a shard's index with its checksum."""
    return chunk_count * 16 + _CRC.size


def unpack_index(tail: bytes, chunk_count: int, shard_bytes: int) -> ShardIndex:
    """Read the index from the last `index_bytes` bytes of a shard.

    Parameters
    ----------
    tail
        The end of the shard file.
    chunk_count
        Chunks that a shard holds.
    shard_bytes
        Length of the whole file, to bound what the index may point at.

    Raises
    ------
    ValueError
        The index is cut short, its checksum does not fit, or it points outside the shard; or
        chunks overlap, of which each would be a copy of the same bytes.
    """
    if len(tail) != index_bytes(chunk_count):
        raise ValueError(f"a shard of {shard_bytes} bytes is too short for its index")
    table = tail[: -_CRC.size]
    if tail[-_CRC.size :] != _CRC.pack(crc32c(table)):
        raise ValueError("the checksum of the shard's index does not fit")
    unsigned = np.frombuffer(table, "<u8").reshape(chunk_count, 2)
    absent = (unsigned == _ABSENT).all(axis=1)
    body = shard_bytes - len(tail)
    offsets, lengths = unsigned[:, 0], unsigned[:, 1]
    inside = (offsets <= body) & (lengths <= body) & (offsets + lengths <= body)
    if not (inside | absent).all():
        raise ValueError(f"the shard's index points outside its {body} bytes of chunks")
    index = unsigned.astype(np.int64)
    index[absent] = 0
    if int(index[:, 1].sum()) > body:
        raise ValueError(f"the shard's index claims more than its {body} bytes of chunks")
    return index


def split_shard(data: bytes, grid: ChunkGrid, codec: ChunkCodec) -> dict[int, bytes]:
    """Return the stored chunks of a shard file by their place.

    Raises
    ------
    ValueError
        The index is damaged.
    """
    if not is_sharded(codec):
        return {0: data}
    count = grid.chunks_per_shard
    index = unpack_index(data[-index_bytes(count) :], count, len(data)).tolist()
    return {
        place: data[offset : offset + length]
        for place, (offset, length) in enumerate(index)
        if length
    }

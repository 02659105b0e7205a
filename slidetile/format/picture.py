"""The overview and the tissue of a store: small images, each whole in a single shard."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from slidetile.format.codecs.planar import ZstdCodec
from slidetile.format.layout import ChunkGrid
from slidetile.format.shard import pack_shard

PICTURE_CODEC = ZstdCodec()
"""Lossless, and readable everywhere, whatever the codec of the levels."""

_CHUNK_PX = 1024


def picture_grid(width: int, height: int) -> ChunkGrid:
    """Return how the overview and the tissue are cut: everything in one shard."""
    return ChunkGrid(
        width=width,
        height=height,
        chunk_width=min(_CHUNK_PX, width),
        chunk_height=min(_CHUNK_PX, height),
        chunks_across=-(-width // _CHUNK_PX),
        chunks_down=-(-height // _CHUNK_PX),
    )


def halved_sizes(size: tuple[int, int], levels: int) -> list[tuple[int, int]]:
    """Return the (width, height) of each level of labels, of which each halves the one before."""
    sizes = [size]
    while len(sizes) < levels:
        width, height = sizes[-1]
        sizes.append(((width + 1) // 2, (height + 1) // 2))
    return sizes


def halved_labels(labels: NDArray[Any], levels: int) -> list[NDArray[Any]]:
    """Return the levels of labels [row, column, …]: of each 2×2 pixels the top left one."""
    return [labels[:: 1 << level, :: 1 << level] for level in range(levels)]


def pack_picture(
    pixels: NDArray[Any], grid: ChunkGrid, *, fill: int, data_type: np.dtype[Any]
) -> list[bytes]:
    """Return the shard that holds an image, [row, column, channel], in parts of its bytes.

    Encoded chunk by chunk as ``data_type``, with ``fill`` beyond the image: the picture is never
    copied whole.
    """
    planes = np.empty((pixels.shape[2], grid.chunk_height, grid.chunk_width), data_type)
    chunk = planes.transpose(1, 2, 0)
    chunks = {}
    for place in range(grid.chunks_per_shard):
        part = pixels[grid.chunk_within_shard(place).slices]
        chunk.fill(fill)
        chunk[: part.shape[0], : part.shape[1]] = part
        chunks[place] = (PICTURE_CODEC.encode(chunk),)
    return pack_shard(chunks, grid)

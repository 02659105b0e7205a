"""What a codec is: how the pixels of a chunk become bytes, and bytes become pixels again.

A codec knows one chunk at a time, as an array [row, column, channel]. Zarr knows it by its list of
Zarr v3 codecs.
"""

from typing import Any, Protocol

import numpy as np

from slidetile.choices import CodecName
from slidetile.raster.pixels import Pixels

UINT8 = np.dtype(np.uint8)
"""The type of samples, unless a store has more than 8 bits."""

Parts = tuple[bytes, ...]
"""Consecutive bytes, not joined, since every join copies them."""


class DamagedChunkError(ValueError):
    """A stored chunk is not what its codec makes of pixels: damage of the store, no bug of ours."""


class ChunkCodec(Protocol):
    """One way to store a chunk."""

    @property
    def name(self) -> CodecName:
        """The codec's name on the command line and in a store's attributes."""
        ...

    @property
    def is_lossless(self) -> bool:
        """Whether decoding gives exactly the pixels that were encoded."""
        ...

    @property
    def is_planar(self) -> bool:
        """Whether planes are encoded without a copy, or else interleaved pixels.

        Planes lie in memory one after another, as they do in the store.
        """
        ...

    @property
    def zarr_codecs(self) -> list[dict[str, Any]]:
        """The Zarr v3 codecs of a chunk, in the order of encoding."""
        ...

    @property
    def parameters(self) -> dict[str, Any]:
        """The parameters that shape the encoded bytes, for a store's attributes."""
        ...

    def encode(self, pixels: Pixels) -> bytes:
        """Return a chunk's payload: its bytes without the checksum that `seal` may add.

        ``pixels`` are uint8 or uint16 [row, column, channel], with any strides.
        """
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

    def check(
        self, payload: bytes, shape: tuple[int, int, int], dtype: np.dtype[Any] = UINT8, /
    ) -> None:
        """Check, as cheaply as possible, that a payload that passed `unseal` is undamaged.

        Raises
        ------
        ValueError
            It is damaged, or is not a chunk of this shape and type.
        """
        ...

    def decode(
        self,
        payload: bytes,
        shape: tuple[int, int, int],
        scratch: Pixels | None = None,
        dtype: np.dtype[Any] = UINT8,
        /,
    ) -> Pixels:
        """Return the pixels as [row, column, channel]; ``shape`` is that of the result.

        ``scratch``, contiguous and of this shape and type, may be used for the result.

        Raises
        ------
        ValueError
            The payload does not decode to this shape and type.
        """
        ...

"""The codec `reference`, whose chunks are blocks of the slide's file: nothing of them is stored."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from slidetile.choices import CodecName
from slidetile.format.codecs.codec import UINT8, Parts
from slidetile.raster.pixels import Pixels


@dataclass(frozen=True, slots=True)
class ReferenceCodec:
    """No pixels at all: the slide's reader decodes a chunk whenever it is asked for.

    A chunk's payload are its pixels, interleaved, as the reader gives them; it is never in a file.
    """

    name: CodecName = "reference"
    """Its name in a store."""

    is_lossless = False
    is_planar = False

    @property
    def zarr_codecs(self) -> list[dict[str, Any]]:
        """A codec that no Zarr library knows: without it, all would seem to be background."""
        return [{"name": "slidetile_reference"}]

    @property
    def parameters(self) -> dict[str, Any]:
        """None."""
        return {}

    def encode(self, pixels: Pixels) -> bytes:
        """Return the pixels' bytes."""
        return np.ascontiguousarray(pixels).tobytes()

    def seal(self, payload: bytes, _checksum: int) -> Parts:
        """Refuse: nothing is stored."""
        raise TypeError(f"A chunk of a reference store is not stored; got {len(payload)} bytes.")

    def unseal(self, stored: bytes) -> bytes:
        """Refuse: nothing is stored."""
        raise ValueError(f"a reference store has no chunks, but this one has {len(stored)} bytes")

    def check(
        self, payload: bytes, shape: tuple[int, int, int], dtype: np.dtype[Any] = UINT8, /
    ) -> None:
        """Compare the length."""
        self.decode(payload, shape, None, dtype)

    def decode(
        self,
        payload: bytes,
        shape: tuple[int, int, int],
        scratch: Pixels | None = None,  # noqa: ARG002  they are pixels already
        dtype: np.dtype[Any] = UINT8,
    ) -> Pixels:
        """Return the pixels, which cannot be written to."""
        return np.frombuffer(payload, dtype).reshape(shape)

"""Masks in an eighth of their memory, for those that are kept and rarely looked at.

Knows masks. Does not know what they show.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np

from slidetile.raster.masks import Mask


@dataclass(frozen=True, slots=True)
class PackedMask:
    """A mask of which a pixel takes a bit."""

    bits: bytes
    """Eight pixels a byte, row after row, the first in the highest bit."""

    shape: tuple[int, int]
    """Rows and columns of the mask."""

    @classmethod
    def of(cls, mask: Mask) -> Self:
        """Pack a mask, bool [row, column]."""
        height, width = mask.shape
        return cls(np.packbits(mask).tobytes(), (height, width))

    @property
    def mask(self) -> Mask:
        """The mask, bool [row, column]: a new one at each access."""
        height, width = self.shape
        flat = np.unpackbits(np.frombuffer(self.bits, np.uint8), count=height * width)
        return flat.view(np.bool_).reshape(height, width)

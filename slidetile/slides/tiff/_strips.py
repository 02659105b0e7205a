"""Strips and tiles of uncompressed rows, cut into lower ones: any row can be read by itself."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_LARGEST_BYTES = 8 << 20
"""Strips and tiles up to this size are left as they are."""

_CUT_BYTES = 1 << 20
"""About the size of what larger ones are cut into."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Strips:
    """The strips of one image: bands of rows, all of the same height but the last."""

    height: int
    """Rows of the image."""

    rows: int
    """Rows of a strip."""

    offsets: NDArray[np.uint64]
    """Where each begins in the file."""

    counts: NDArray[np.uint64]
    """Bytes of each in the file; 0 where it is not stored."""

    def cut(self, row_bytes: int) -> "Strips":
        """Return the same rows in lower strips, where these are large and stored whole.

        Parameters
        ----------
        row_bytes
            Bytes of a row of pixels.
        """
        if row_bytes < 1 or self.rows * row_bytes <= _LARGEST_BYTES:
            return self
        first = np.arange(len(self.offsets), dtype=np.int64) * self.rows
        heights = np.minimum(self.rows, self.height - first)
        stored = self.counts > 0
        if (heights < 1).any() or (self.counts[stored] < (heights * row_bytes)[stored]).any():
            return self  # the tables are wrong: what they claim is for the grid to refuse
        rows = _largest_divisor(self.rows, max(1, _CUT_BYTES // row_bytes))
        if len(self.offsets) == 1:
            rows = min(self.rows, max(1, _CUT_BYTES // row_bytes))
        starts = np.arange(0, self.height, rows, dtype=np.int64)
        whole = starts // self.rows
        inside = (starts - whole * self.rows) * row_bytes
        counts = np.minimum(rows, self.height - starts) * row_bytes
        return Strips(
            height=self.height,
            rows=rows,
            offsets=self.offsets[whole] + inside.astype(np.uint64),
            counts=np.where(stored[whole], counts, 0).astype(np.uint64),
        )


def _largest_divisor(number: int, most: int) -> int:
    return next(each for each in range(min(number, most), 0, -1) if number % each == 0)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Tiles:
    """The tiles of one image, in rows of tiles; those at its edges are stored whole."""

    height: int
    """Rows of the image, pixels."""

    rows: int
    """Rows of a tile, pixels."""

    columns: int
    """Tiles side by side."""

    offsets: NDArray[np.uint64]
    """Where each begins in the file, row by row."""

    counts: NDArray[np.uint64]
    """Bytes of each in the file; 0 where it is not stored."""

    def cut(self, row_bytes: int) -> "Tiles":
        """Return the same pixels in lower tiles, where these are large and stored whole.

        Parameters
        ----------
        row_bytes
            Bytes of a row of a tile's pixels.
        """
        tile_bytes = self.rows * row_bytes
        stored = self.counts > 0
        if tile_bytes <= _LARGEST_BYTES or (self.counts[stored] < tile_bytes).any():
            return self
        if len(self.counts) != self.columns * -(-self.height // self.rows):
            return self  # the tables are wrong: for the grid to refuse
        rows = _largest_divisor(self.rows, max(1, _CUT_BYTES // row_bytes))
        tops = np.arange(0, self.height, rows, dtype=np.int64)
        whole, inside = np.divmod(tops, self.rows)
        offsets, is_stored = (
            each.reshape(-1, self.columns)[whole] for each in (self.offsets, stored)
        )
        offsets = offsets + (inside * row_bytes).astype(np.uint64)[:, np.newaxis]
        return Tiles(
            height=self.height,
            rows=rows,
            columns=self.columns,
            offsets=offsets.reshape(-1),
            counts=np.where(is_stored, rows * row_bytes, 0).astype(np.uint64).reshape(-1),
        )

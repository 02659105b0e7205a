"""The tiles of an NDPI level: stripes under each other, made into one JPEG."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from slidetile.slides.jpeg.segments import EOI
from slidetile.slides.native import Damaged
from slidetile.slides.slide_file import Extent, Places, SlideFile
from slidetile.slides.tiff._blocks import BlockGrid
from slidetile.slides.tiff._stripes import RESTARTS, STRIPE_ROWS, Stripes

_HIGHEST_PX, _LOWEST_PX = 512, 64
_ABOUT_PX = 3 << 19
"""Most pixels of a tile that could be lower: one and a half times those of a square of 1024."""

_MISPLACED = Damaged("a stripe that is not where the file lists it")


def tile_height(width: int) -> int:
    """Return the rows of tiles of a width, a power of two: those of about a megapixel."""
    height = _HIGHEST_PX
    while height > _LOWEST_PX and height * width > _ABOUT_PX:
        height //= 2
    return height


@dataclass(frozen=True, kw_only=True, eq=False)
class StripedGrid(BlockGrid):
    """The tiles of an NDPI level, each as wide as a stripe."""

    stripes: Stripes
    """What they are made of."""

    header: bytes
    """The JPEG header of a tile."""

    filler: bytes
    """A flat stripe, which stands below the last row of the image."""

    @property
    def is_joined(self) -> bool:
        """True: each is made of stripes."""
        return True

    def lost(self, blocks: NDArray[np.int64], file_bytes: int) -> dict[int, Damaged]:
        """Return which tiles have a stripe that the file puts where none can be."""
        del file_bytes  # the stripes were compared with it
        return dict.fromkeys(np.flatnonzero(~self._is_sound[blocks]).tolist(), _MISPLACED)

    def read(self, file: SlideFile, blocks: NDArray[np.int64]) -> Sequence[Extent | Damaged]:
        """Read tiles row by row, and make a stream of each; see `BlockGrid.read`."""
        found: dict[int, Extent | Damaged] = {}
        for row in np.unique(blocks // self.columns).tolist():
            first = row * self.columns
            wanted = np.unique(blocks[blocks // self.columns == row] - first).tolist()
            rows = self._stripe_rows(row)
            for column, parts in self.stripes.read(file, rows, wanted).items():
                found[first + column] = self._stream(parts)
        return [found[block] for block in blocks.tolist()]

    def places(self, file: SlideFile, blocks: NDArray[np.int64]) -> Places:
        """Return what `read` would read of tiles; see `BlockGrid.places`."""
        lost = list(self.lost(blocks, file.size))
        sound = np.delete(blocks, lost)
        offsets: list[int] = []
        counts: list[int] = []
        for row in np.unique(sound // self.columns).tolist():
            wanted = np.unique(sound[sound // self.columns == row] % self.columns).tolist()
            own = self.stripes.places(self._stripe_rows(row), wanted)
            offsets += own[0]
            counts += own[1]
        return Places(file, offsets, counts)

    def _stripe_rows(self, row: int) -> range:
        """Return the rows of stripes of a row of tiles."""
        return range(row * self._down, min((row + 1) * self._down, self.stripes.rows))

    def _stream(self, parts: Sequence[bytes | Damaged]) -> Extent | Damaged:
        """Return a tile as a stream, its markers numbered anew; damaged if a stripe of it is."""
        sound = [part for part in parts if isinstance(part, bytes)]
        if len(sound) < len(parts):
            return next(part for part in parts if isinstance(part, Damaged))
        sound += [self.filler] * (self._down - len(sound))
        markers = [RESTARTS[number % len(RESTARTS)] for number in range(self._down - 1)]
        pairs = zip(sound, [*markers, EOI], strict=True)
        stream = b"".join((self.header, *itertools.chain.from_iterable(pairs)))
        return stream, 0, len(stream)

    @property
    def _down(self) -> int:
        """Stripes under each other in a tile."""
        return self.block_height // STRIPE_ROWS

    @cached_property
    def _is_sound(self) -> NDArray[np.bool_]:
        """Whether all stripes of each tile lie where they can."""
        stripes = self.stripes.is_sound.reshape(self.stripes.rows, self.stripes.columns)
        beyond = self.rows * self._down - len(stripes)
        padded = np.pad(stripes, ((0, beyond), (0, 0)), constant_values=True)
        sound: NDArray[np.bool_] = np.all(padded.reshape(self.rows, self._down, -1), axis=1).ravel()
        return sound

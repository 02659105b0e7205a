"""The tiles that a segmentation network is given, and which overview pixels each one decides.

Knows micrometres and overview pixels. Does not know slides, files or networks.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from slidetile.choices import UnfitChoiceError
from slidetile.raster.coverage import sums_between
from slidetile.raster.region import Region
from slidetile.slides.frame import Frame

Probabilities = NDArray[np.float32]
"""A network's probability of tissue, float32 [row, column]."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkTiles:
    """The overlapping square tiles that a network is given, and the overview pixels each decides.

    The inner part of a tile, without its overlap, decides as many whole overview pixels as fit.

    Raises
    ------
    ValueError
        The inner part of a tile is smaller than one overview pixel.
    """

    tile_px: int
    """Side of a tile, in pixels of the tile."""

    overlap_px: int
    """How far a tile reaches beyond its inner part on every side, in pixels of the tile."""

    mpp: float
    """Micrometres per pixel of a tile."""

    overview_mpp: tuple[float, float]
    """Micrometres per overview pixel as (x, y)."""

    def __post_init__(self) -> None:
        if min(self._pixels_per_tile) < 1:
            inner = self.tile_px - 2 * self.overlap_px
            raise UnfitChoiceError(
                f"A network tile without its overlap, {inner} pixels of {self.mpp:g} µm, is "
                f"smaller than one overview pixel of {max(self.overview_mpp):g} µm. Give larger "
                "tiles (tile_px), or a finer overview (--tissue-mpp, mpp of find_tissue)."
            )

    @property
    def _pixels_per_tile(self) -> tuple[int, int]:
        inner_um = (self.tile_px - 2 * self.overlap_px) * self.mpp
        return int(inner_um / self.overview_mpp[0]), int(inner_um / self.overview_mpp[1])

    def parts(self, shape: tuple[int, ...]) -> Iterator[Region]:
        """Yield the parts of an overview that one tile decides, in overview pixels."""
        width, height = self._pixels_per_tile
        for y in range(0, shape[0], height):
            for x in range(0, shape[1], width):
                yield Region.from_edges(x, y, min(x + width, shape[1]), min(y + height, shape[0]))

    def frame(self, part: Region) -> Frame:
        """Return the place on the slide of the tile for a part."""
        return Frame(
            x_um=part.x * self.overview_mpp[0] - self.overlap_px * self.mpp,
            y_um=part.y * self.overview_mpp[1] - self.overlap_px * self.mpp,
            mpp=self.mpp,
            width=self.tile_px,
            height=self.tile_px,
        )

    def means(self, output: Probabilities, part: Region) -> Probabilities:
        """Return the mean of a tile's output over each overview pixel of a part.

        The output covers the whole tile, at any resolution.
        """
        across, down = (each / self.mpp for each in self.overview_mpp)
        for axis, (count, side) in enumerate(((part.height, down), (part.width, across))):
            scale = output.shape[axis] / self.tile_px
            edges = (self.overlap_px + np.arange(count + 1) * side) * scale
            sums = sums_between(np.moveaxis(output, axis, 0), edges[:-1], edges[1:])
            means = sums / np.diff(edges)[:, np.newaxis]
            output = np.asarray(np.moveaxis(means, 0, axis), np.float32)
        return output

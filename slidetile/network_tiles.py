"""How an overview is judged piece by piece, in tiles of another resolution.

Knows the geometry of overview pixels and tiles. Does not know slides or networks.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from slidetile.frame import Frame
from slidetile.geometry import Region

Probabilities = NDArray[np.float32]
"""How sure a network is of tissue, as [row, column]."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkTiles:
    """Square tiles that overlap, each judging as many whole overview pixels as it can.

    Raises
    ------
    ValueError
        What is taken from a tile is less than one overview pixel.
    """

    tile_px: int
    """Side of a tile, in its own pixels."""

    overlap_px: int
    """How far it reaches beyond what is taken from it, on every side."""

    mpp: float
    """Micrometres per pixel of a tile."""

    overview_mpp: tuple[float, float]
    """Micrometres per overview pixel as (x, y)."""

    def __post_init__(self) -> None:
        if min(self._pixels_per_tile) < 1:
            inner = self.tile_px - 2 * self.overlap_px
            raise ValueError(
                f"What is taken from a tile of the network, {inner} pixels of {self.mpp:g} µm, is "
                f"less than one overview pixel of {max(self.overview_mpp):g} µm. Give larger "
                "tiles (tile_px), or a finer overview (mpp of find_tissue)."
            )

    @property
    def _pixels_per_tile(self) -> tuple[int, int]:
        inner_um = (self.tile_px - 2 * self.overlap_px) * self.mpp
        return int(inner_um / self.overview_mpp[0]), int(inner_um / self.overview_mpp[1])

    def parts(self, shape: tuple[int, ...]) -> Iterator[Region]:
        """Cut an overview of this shape into what one tile can judge, in overview pixels."""
        width, height = self._pixels_per_tile
        for y in range(0, shape[0], height):
            for x in range(0, shape[1], width):
                yield Region.from_edges(x, y, min(x + width, shape[1]), min(y + height, shape[0]))

    def frame(self, part: Region) -> Frame:
        """Return where on the slide the tile for a part lies."""
        return Frame(
            x_um=part.x * self.overview_mpp[0] - self.overlap_px * self.mpp,
            y_um=part.y * self.overview_mpp[1] - self.overlap_px * self.mpp,
            mpp=self.mpp,
            width=self.tile_px,
            height=self.tile_px,
        )

    def means(self, answer: Probabilities, part: Region) -> Probabilities:
        """Return the mean of a tile's answer over each overview pixel of a part.

        The answer covers the whole tile, at whatever resolution.
        """
        across, down = (each / self.mpp for each in self.overview_mpp)
        for axis, (count, side) in enumerate(((part.height, down), (part.width, across))):
            scale = answer.shape[axis] / self.tile_px
            edges = (self.overlap_px + np.arange(count + 1) * side) * scale
            answer = _mean_between(answer, edges, axis)
        return answer


def _mean_between(values: Probabilities, edges: NDArray[np.float64], axis: int) -> Probabilities:
    """Return the means along an axis between neighbouring, fractional edges."""
    values = np.moveaxis(values, axis, 0)
    cumulated = np.zeros((len(values) + 1, values.shape[1]))
    np.cumsum(values, axis=0, dtype=np.float64, out=cumulated[1:])
    below = np.minimum(edges.astype(np.intp), len(values) - 1)
    share = (edges - below)[:, np.newaxis]
    at_edges = cumulated[below] * (1 - share) + cumulated[below + 1] * share
    means = np.diff(at_edges, axis=0) / np.diff(edges)[:, np.newaxis]
    return np.asarray(np.moveaxis(means, 0, axis), np.float32)

"""The pixels on which the quality of a store's tiles is measured, and how the store records them.

Knows the store's levels. Does not know how quality is measured.

The pixels are those of one coarse level, at about 4 µm per pixel: 1/256 of the pixels of a slide
scanned at 40×. Lack of focus shows there nearly as well as at full resolution (Ameisen et al.,
"Stack or trash? Quality assessment of virtual slides", Diagn. Pathol. 8, S23, 2013: about the same
third of a slide counts as sharp from 1.25× to 10×). HistoQC also looks for blur at 2.5× (Janowczyk
et al., JCO Clin. Cancer Inform. 3, 2019).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from slidetile.format.layout import ChunkGrid
from slidetile.format.metadata.quality import QualityFacts
from slidetile.format.pyramid import PyramidLevel
from slidetile.quality.pen import PEN_METHOD
from slidetile.raster.resolution import mean_downsample

QUALITY_MPP = 4.0
"""Micrometres per pixel at which quality is measured, as nearly as the levels allow: 2.5×."""

ASSUMED_MPP = 0.5
"""Micrometres per level-0 pixel, assumed where the slide's mpp is unknown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasuredLevel:
    """The pixels that are measured: those of one level, averaged by a whole factor."""

    number: int
    """Number of the level in the store."""

    factor: int
    """Squares of this many pixels a side are averaged into one pixel."""

    grid: ChunkGrid
    """The level's chunk grid."""

    downsample: tuple[float, float]
    """Level-0 pixels per pixel of the level, as (x, y)."""

    mpp: tuple[float, float] | None
    """Micrometres per averaged pixel, as (x, y), or None where the slide's are unknown."""

    @classmethod
    def of(cls, levels: Sequence[PyramidLevel], mpp: tuple[float, float] | None) -> "MeasuredLevel":
        """Return the coarsest level that is fine enough, with the factor that averages it to 4 µm.

        Parameters
        ----------
        levels
            The store's levels, finest first.
        mpp
            Micrometres per level-0 pixel, as (x, y).
        """
        wanted = QUALITY_MPP / (sum(mpp or (ASSUMED_MPP, ASSUMED_MPP)) / 2)
        coarsest = wanted * math.sqrt(2)  # a little too coarse is nearer than far too fine
        downsamples = [mean_downsample(level.downsample) for level in levels]
        number = max((n for n, d in enumerate(downsamples) if d <= coarsest), default=0)
        factor = max(1, round(wanted / downsamples[number]))
        x, y = levels[number].downsample
        return cls(
            number=number,
            factor=factor,
            grid=levels[number].grid,
            downsample=(x, y),
            mpp=None if mpp is None else (mpp[0] * x * factor, mpp[1] * y * factor),
        )

    @property
    def facts(self) -> QualityFacts:
        """What a store records about how the quality columns of its table were measured."""
        return QualityFacts(
            level=self.number, factor=self.factor, mpp=self.mpp, pen_method=PEN_METHOD
        )

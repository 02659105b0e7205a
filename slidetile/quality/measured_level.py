"""Which pixels the quality of a store's tiles is measured on, and what the table tells of it.

Those of one coarse level, at about 4 µm per pixel: of a slide scanned at 40×, 1/256 of them. A
slide that is out of focus shows there nearly as well as at full resolution (Ameisen et al., "Stack
or trash? Quality assessment of virtual slides", Diagn. Pathol. 8, S23, 2013: about the same third
of a slide counts as sharp from 1.25× to 10×), and HistoQC, too, looks for blur at 2.5× (Janowczyk
et al., JCO Clin. Cancer Inform. 3, 2019).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from slidetile.format.layout import ChunkGrid
from slidetile.format.metadata.quality import QualityFacts
from slidetile.format.pyramid import PyramidLevel
from slidetile.quality.pen import PEN_METHOD

QUALITY_MPP = 4.0
"""Micrometres per pixel aimed at: 2.5×."""

ASSUMED_MPP = 0.5
"""Of level 0, where a slide does not say its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasuredLevel:
    """Which pixels are measured: those of one level, averaged by a whole factor."""

    number: int
    """The level, of the store's."""

    factor: int
    """Pixels of the level to a side of what is averaged into one."""

    grid: ChunkGrid
    """How the level is cut."""

    downsample: tuple[float, float]
    """Level-0 pixels per pixel of the level, as (x, y)."""

    mpp: tuple[float, float] | None
    """Micrometres per averaged pixel, as (x, y), or None where the slide's are unknown."""

    @classmethod
    def of(cls, levels: Sequence[PyramidLevel], mpp: tuple[float, float] | None) -> "MeasuredLevel":
        """Return the coarsest level that is fine enough, and what brings it nearest to 4 µm.

        Parameters
        ----------
        levels
            The store's levels, finest first.
        mpp
            Micrometres per level-0 pixel, as (x, y).
        """
        wanted = QUALITY_MPP / (sum(mpp or (ASSUMED_MPP, ASSUMED_MPP)) / 2)
        coarsest = wanted * math.sqrt(2)  # a little too coarse is nearer than far too fine
        downsamples = [sum(level.downsample) / 2 for level in levels]
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
        """What a store says of how its table's quality columns came about."""
        return QualityFacts(
            level=self.number, factor=self.factor, mpp=self.mpp, pen_method=PEN_METHOD
        )

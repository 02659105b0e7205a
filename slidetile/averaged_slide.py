"""A slide whose level 0 is averaged from a finer level of its file."""

from dataclasses import dataclass

import numpy as np

from slidetile.array_slide import DecodedRegion
from slidetile.averaged_region import AveragedRegion
from slidetile.geometry import Region
from slidetile.pixels import Pixels, blank, fill_colour
from slidetile.rescaling import Rescaling
from slidetile.slide import FetchedRegion, Level, Slide
from slidetile.slide_view import SlideView, fetch_block


class AveragedSlide(SlideView):
    """A slide with a level 0 that its file does not have; see `slidetile.rescale_slide`.

    The coarser levels are the slide's own. They count as covering what level 0 covers, so that
    their pixels may lie up to one level-0 pixel off at the right and bottom edge.

    Parameters
    ----------
    original
        The slide.
    rescaling
        Which level is averaged, and how.
    """

    def __init__(self, original: Slide, rescaling: Rescaling) -> None:
        resampling = rescaling.resampling
        assert resampling is not None, "a level used as it is needs no averaging"
        self._source_level, self._resampling = rescaling.level, resampling
        width, height = resampling.size
        coarser = [
            number
            for number, level in enumerate(original.levels)
            if number > rescaling.level and level.width <= width and level.height <= height
        ]
        super().__init__(original, rescaling, coarser)
        self.levels = (Level(width=width, height=height, downsample=1.0), *self.levels)

    def fetch(self, region: Region, *, level: int = 0) -> FetchedRegion:
        """Read the bytes of a region; see `slidetile.slide.Slide.fetch`."""
        number = range(len(self.levels))[level]
        if number:
            block = self.level_region(region, number)
            return fetch_block(self._original, block, self._numbers[number - 1])
        inside = region.intersection(self.bounds)
        if inside is None:
            canvas = blank(region.width, region.height, self.channels, self.background)
            return DecodedRegion(canvas)
        averaged = AveragedRegion(self._original, self._source_level, self._resampling, inside)
        if inside == region:
            return averaged
        return _FramedRegion(averaged, region, self.channels, self.background)

    def native_level(self, level: int) -> None:
        """Return None: level 0 has no compressed tiles, so the others are of no use."""
        self.levels[level]


@dataclass(frozen=True, slots=True)
class _FramedRegion:
    """A region that leaves the slide: what lies outside has the background's colour."""

    averaged: AveragedRegion
    region: Region
    channels: int
    background: tuple[int, int, int]

    @property
    def nbytes(self) -> int:
        return self.averaged.nbytes

    def pixels(self, out: Pixels | None = None) -> Pixels:
        shape = self.region.height, self.region.width, self.channels
        canvas = np.empty(shape, np.uint8) if out is None else out
        fill_colour(canvas, self.background)
        self.averaged.pixels(canvas[self.averaged.region.relative_to(self.region).slices])
        return canvas

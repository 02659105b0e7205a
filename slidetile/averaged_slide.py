"""A slide whose level 0 is averaged from a finer level of its file."""

from slidetile.averaged_region import AveragedRegion
from slidetile.geometry import Region
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
        return AveragedRegion(self._original, self._source_level, self._resampling, region)

    def native_level(self, level: int) -> None:
        """Return None: level 0 has no compressed tiles, so the others are of no use."""
        self.levels[level]

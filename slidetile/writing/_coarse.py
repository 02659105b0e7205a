"""Pixels of a coarse level in place of those of level 0, which lie in object storage."""

from collections.abc import Callable, Iterator

import numpy as np

from slidetile.planning.plan import TilePlan
from slidetile.raster.pixels import Pixels
from slidetile.raster.region import Region
from slidetile.slides.overview import overview_level
from slidetile.slides.slide import Slide

_MOST = 8


def coarse_parts(
    slide: Slide, plan: TilePlan, shape: tuple[int, int]
) -> Iterator[Callable[[], Pixels]]:
    """Yield what reads pixels around some of a plan's tiles, of the level of the overview.

    Parameters
    ----------
    slide, plan
        The slide and its tiles.
    shape
        (rows, columns) of what is read; what lies beyond the level repeats what is within.
    """
    number, _ = overview_level(slide)
    level = slide.levels[number]
    for region in plan.regions[:: max(1, -(-len(plan) // _MOST))]:
        middle = region.rescaled(slide.levels[0].size, level.size)
        x = max(0, min(middle.x - shape[1] // 2, level.width - shape[1]))
        y = max(0, min(middle.y - shape[0] // 2, level.height - shape[0]))
        part = Region.from_edges(
            x, y, min(x + shape[1], level.width), min(y + shape[0], level.height)
        )
        yield lambda part=part: _read(slide, part, number, shape)  # type: ignore[misc]


def _read(slide: Slide, part: Region, level: int, shape: tuple[int, int]) -> Pixels:
    pixels = slide.fetch_shown(part, level=level).pixels()
    beyond = (0, shape[0] - part.height), (0, shape[1] - part.width), (0, 0)
    return np.pad(pixels, beyond, mode="wrap")

"""A store's pixels at any resolution: a stored level unchanged, or averaged when it is read.

Knows arrays and scales. Does not know tiles or windows.
"""

import itertools
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Self

import numpy as np

from slidetile.errors import MissingResolutionError
from slidetile.raster.averaging import Resampling
from slidetile.raster.pixels import Pixels, fill_samples
from slidetile.raster.region import Region
from slidetile.raster.resolution import as_written, choose_level
from slidetile.raster.srgb import SrgbTransform
from slidetile.raster.weighted_means import SUBPIXELS
from slidetile.store._chunk_cache import ChunkCache
from slidetile.store._chunked import ChunkedArray

STRIP_BYTES = 1 << 25
"""Bytes of source pixels averaged at once, so that memory stays flat whatever the factor."""

SLACK = Fraction(1, 2 * SUBPIXELS)
"""Part of a pixel by which edges may be off: mpps are floats, and 0.6 / 0.2 is not quite 3."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredLevel:
    """One level of a store."""

    array: ChunkedArray[Any]
    """Its pixels."""

    downsample: tuple[Fraction, Fraction]
    """Level-0 pixels per pixel of this level, exactly, as (x, y)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ResolutionView:
    """The slide as an image of one resolution, of which any region can be read.

    It begins at the slide's top left corner. Regions are in pixels of the view unless a name says
    otherwise. Picklable, and safe to use from several threads.
    """

    array: ChunkedArray[Any]
    """The level that is read."""

    resampling: Resampling | None
    """How its pixels become the view's; None where they are the same."""

    step: tuple[Fraction, Fraction]
    """Level-0 pixels per pixel of the view, exactly, as (x, y)."""

    slide_size: tuple[int, int]
    """(width, height) of the slide, in level-0 pixels."""

    background: tuple[int, ...]
    """The samples of a pixel outside the slide, before it is converted; more channels have the
    last one's."""

    transform: SrgbTransform | None = None
    """How the view's pixels are converted, last of all; None where they are as they are stored."""

    @classmethod
    def at(
        cls,
        levels: Sequence[StoredLevel],
        mpp: tuple[float, float] | None,
        wanted_mpp: float | None,
        background: tuple[int, ...],
        transform: SrgbTransform | None = None,
    ) -> Self:
        """Return the view at a resolution, from the nearest level that is not coarser.

        Parameters
        ----------
        levels
            All levels, finest first.
        mpp
            Micrometres per level-0 pixel, as (x, y), or None where unknown.
        wanted_mpp
            Micrometres per pixel of the view, along both axes; None for level 0 unchanged.
        background
            The samples of a pixel outside the slide.
        transform
            How its pixels are converted; None leaves them as they are stored.

        Raises
        ------
        MissingResolutionError
            ``wanted_mpp`` is given and ``mpp`` unknown.
        ValueError
            ``wanted_mpp`` is not a positive number, finer than level 0 by more than 2 %, or so
            coarse that more than 256 pixels would become one.
        """
        level, resampling = levels[0], None
        if wanted_mpp is not None:
            level, resampling = _choose(levels, mpp, wanted_mpp)
        across, down = (1, 1) if resampling is None else resampling.factor
        return cls(
            array=level.array,
            resampling=resampling,
            step=(level.downsample[0] * across, level.downsample[1] * down),
            slide_size=levels[0].array.grid.size,
            background=background,
            transform=transform,
        )

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) of the view: the last pixels may reach over the slide."""
        (width, height), (across, down) = self.slide_size, self.step
        return math.ceil(width / across - SLACK), math.ceil(height / down - SLACK)

    @property
    def inner_size(self) -> tuple[int, int]:
        """(width, height) of its pixels that lie wholly inside the slide."""
        (width, height), (across, down) = self.slide_size, self.step
        return math.floor(width / across + SLACK), math.floor(height / down + SLACK)

    def to_slide(self, region: Region) -> Region:
        """Return the level-0 pixels that lie under a region, rounded outward."""
        return region.rescaled((1, 1), self.step, tolerance=SLACK)

    def read(
        self, region: Region, cache: ChunkCache | None = None, out: Pixels | None = None
    ) -> Pixels:
        """Return a region as [row, column, channel]; in ``out``, if given.

        Pixels outside the view have the background's colour; those that are not stored have the
        fill value. Chunks found in ``cache`` are not decoded again; the others are kept there.

        Raises
        ------
        StoreError
            A chunk is damaged.
        """
        pixels = self._read(region, cache, out)
        return pixels if self.transform is None else self.transform.convert(pixels, pixels)

    def read_each(self, regions: Callable[[], Iterable[Region]]) -> Iterator[Pixels]:
        """Yield each of some regions; a remote store's chunks are fetched ahead of them.

        ``regions`` is called for those to read, and for those to look ahead to.
        """
        sources = itertools.chain.from_iterable(map(self.sources, regions()))
        with self.array.ahead(sources) as cache:
            for region in regions():
                yield self.read(region, cache)

    def sources(self, region: Region) -> Iterator[Region]:
        """Yield the regions of the array that are read for one of the view, in this order."""
        if self.resampling is None:
            yield region
            return
        width, height = self.resampling.size
        inside = region.intersection(Region(x=0, y=0, width=width, height=height))
        if inside is not None:
            yield from map(self.resampling.source_region, self._strips(self.resampling, inside))

    def _strips(self, resampling: Resampling, region: Region) -> Iterator[Region]:
        """Yield the parts of a region that are averaged at once, from top to bottom."""
        row_bytes = math.ceil(math.prod(resampling.factor) * region.width) * self.array.channels
        row_bytes *= self.array.dtype.itemsize
        step = max(1, STRIP_BYTES // row_bytes)
        for top in range(0, region.height, step):
            rows = min(step, region.height - top)
            yield Region(x=region.x, y=region.y + top, width=region.width, height=rows)

    def _read(self, region: Region, cache: ChunkCache | None, out: Pixels | None) -> Pixels:
        """Return a region in the colours that are stored."""
        if self.resampling is None:
            return self.array.read(region, self.background, cache, out)
        if out is None:
            shape = region.height, region.width, self.array.channels
            out = np.empty(shape, self.array.dtype)
        width, height = self.resampling.size
        inside = region.intersection(Region(x=0, y=0, width=width, height=height))
        if inside != region:
            fill_samples(out, self.background)
        if inside is not None:
            self._average(self.resampling, inside, out[inside.relative_to(region).slices], cache)
        return out

    def _average(
        self, resampling: Resampling, region: Region, out: Pixels, cache: ChunkCache | None
    ) -> None:
        """Average a region into ``out``, a strip at a time."""
        averager = resampling.averager(region)
        for strip in self._strips(resampling, region):
            at = resampling.source_region(strip)
            pixels = self.array.read(at, self.background, cache)
            top = strip.y - region.y
            averager.average(pixels, at, strip, out[top : top + strip.height])


def _choose(
    levels: Sequence[StoredLevel], mpp: tuple[float, float] | None, wanted_mpp: float
) -> tuple[StoredLevel, Resampling | None]:
    """Return the level to read, and how its pixels are averaged if they are."""
    if not (math.isfinite(wanted_mpp) and wanted_mpp > 0):
        raise ValueError(f"A window's mpp is a positive number, but this one is {wanted_mpp}.")
    if mpp is None:
        raise MissingResolutionError(
            f"The store does not know how many µm its pixels have, so none are at {wanted_mpp:g} "
            "µm: leave mpp out, or tile the slide again and say what its mpp is."
        )
    factors = [_factors(level, mpp, wanted_mpp) for level in levels]
    number, is_near = choose_level(factors)
    if number is None:
        raise ValueError(
            f"Windows at {wanted_mpp:g} µm per pixel are finer than what is stored: level 0 has "
            f"{mpp[0]:g}×{mpp[1]:g} µm. Ask for that or more."
        )
    level = levels[number]
    if is_near:
        return level, None
    return level, Resampling(source_size=level.array.grid.size, factor=factors[number])


def _factors(
    level: StoredLevel, mpp: tuple[float, float], wanted_mpp: float
) -> tuple[Fraction, Fraction]:
    """Return how many pixels of a level make one of the resolution wanted, as (x, y)."""
    x, y = (
        as_written(wanted_mpp) / (as_written(own) * downsample)
        for own, downsample in zip(mpp, level.downsample, strict=True)
    )
    return x, y

"""A region in which blocks that are empty or do not decode are replaced.

A block of a coarser level is averaged from the next finer level, of which blocks may be replaced in
turn. Of level 0 there is nothing finer: it shows the background where it is only to be looked at,
and is an error where the pixels are to be kept.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any, Protocol

import numpy as np

from slidetile.errors import DamagedPixelsError
from slidetile.raster.averaging import LARGEST_FACTOR, Resampling
from slidetile.raster.pixels import Colour, Pixels, fill_colour
from slidetile.raster.region import Region
from slidetile.slides._averaged import AveragedPixels, FinerLevel
from slidetile.slides.fetched import FetchedPixels
from slidetile.slides.level import Level
from slidetile.slides.replaced import Replaced


class Pyramid(Protocol):
    """A slide whose levels are read as they are stored."""

    channels: int
    bits: int

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of its samples."""
        ...

    @property
    def levels(self) -> tuple[Level, ...]:
        """The pyramid, finest first."""

    def holes(self, region: Region, *, level: int) -> Sequence[Region]:
        """Return the empty blocks of a coarser level; see `Slide.holes`."""

    def fetch_level(
        self, region: Region, level: int, background: Callable[[], Colour]
    ) -> FetchedPixels:
        """Read the bytes of a region; see `Slide.fetch_level`."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FilledPixels:
    """A region of a level; see `slidetile.slides.fetched.FetchedPixels`."""

    slide: Pyramid
    """The slide."""

    region: Region
    """In pixels of the level."""

    level: int
    """The level, counted from 0."""

    background: Callable[[], Colour]
    """Finds the colour of what was not scanned."""

    replaced: Replaced
    """Where blocks that are replaced are noted."""

    is_shown: bool
    """Whether it is only to be looked at, so that damage of level 0 is no error."""

    fetched: FetchedPixels | None
    """The region as it is stored; None if it has to be read block by block."""

    @classmethod
    def read(
        cls,
        slide: Pyramid,
        region: Region,
        level: int,
        *,
        background: Callable[[], Colour],
        replaced: Replaced,
        is_shown: bool,
    ) -> "FilledPixels":
        """Read the bytes of a region; see the fields.

        Raises
        ------
        SlideReadError
            The file could not be read.
        DamagedPixelsError
            A block of level 0 does not decode, and it is to be kept.
        """
        try:
            fetched = slide.fetch_level(region, level, background)
        except DamagedPixelsError:
            if not (level or is_shown):
                raise
            fetched = None
        return cls(
            slide=slide,
            region=region,
            level=level,
            background=background,
            replaced=replaced,
            is_shown=is_shown,
            fetched=fetched,
        )

    @property
    def nbytes(self) -> int:
        """The bytes held until `pixels` is called."""
        return 0 if self.fetched is None else self.fetched.nbytes

    def crop(self, part: Region) -> "FilledPixels":
        """Return a part of it."""
        x, y = self.region.x + part.x, self.region.y + part.y
        return replace(
            self,
            region=Region(x=x, y=y, width=part.width, height=part.height),
            fetched=None if self.fetched is None else self.fetched.crop(part),
        )

    def pixels(self, out: Pixels | None = None) -> Pixels:
        """Decode the region; ``out`` may have any strides.

        Raises
        ------
        SlideReadError, DamagedPixelsError
            As in `read`.
        """
        shape = self.region.height, self.region.width, self.slide.channels
        canvas = np.empty(shape, self.slide.dtype) if out is None else out
        try:
            if self.fetched is None:
                self._read_apart(canvas)
            else:
                self.fetched.pixels(canvas)
        except DamagedPixelsError:
            if not (self.level or self.is_shown):
                raise
            self._read_apart(canvas)
        for hole in self.slide.holes(self.region, level=self.level):
            self._replace(hole, canvas)
        return canvas

    def _read_apart(self, canvas: Pixels) -> None:
        """Read block by block, and replace those that do not decode."""
        fill_colour(canvas, self.background(), self.slide.bits)
        for block in self._blocks():
            part = block.intersection(self.region)
            assert part is not None, "only blocks that meet the region are read"
            place = canvas[part.relative_to(self.region).slices]
            try:
                self.slide.fetch_level(part, self.level, self.background).pixels(place)
            except DamagedPixelsError:
                self._replace(block, canvas)

    def _blocks(self) -> Iterator[Region]:
        """Yield the blocks that the region meets, cut at the edges of the level."""
        level = self.slide.levels[self.level]
        bounds = Region.from_edges(0, 0, *level.size)
        inside = self.region.intersection(bounds)
        if inside is None:
            return
        for block in level.blocks(inside):
            cut = block.intersection(bounds)
            assert cut is not None, "a block that meets what is inside is inside in part"
            yield cut

    def _replace(self, block: Region, canvas: Pixels) -> None:
        """Put the pixels of the next finer level where the block meets the region."""
        self.replaced.add(self.level, block)
        part = block.intersection(self.region)
        assert part is not None, "only blocks that meet the region are replaced"
        place = canvas[part.relative_to(self.region).slices]
        if not self.level:
            fill_colour(place, self.background(), self.slide.bits)
            return
        *steps, last = _resamplings(self.slide.levels, self.level)
        source = self._finer()
        for step in steps:
            source = source.averaged(step)
        AveragedPixels(source, last, part).pixels(place)

    def _finer(self) -> FinerLevel:
        def fetch(strip: Region) -> FilledPixels:
            return FilledPixels.read(
                self.slide,
                strip,
                self.level - 1,
                background=self.background,
                replaced=self.replaced,
                is_shown=self.is_shown,
            )

        return FinerLevel(
            channels=self.slide.channels,
            bits=self.slide.bits,
            tile_height_px=self.slide.levels[self.level - 1].tile_height_px,
            fetch=fetch,
            background=self.background,
        )


def _resamplings(levels: Sequence[Level], number: int) -> list[Resampling]:
    """Return how a level is averaged from the next finer one, step by step.

    One step suffices but for a level that is more than `LARGEST_FACTOR` times as coarse. What comes
    before the last step is by whole factors, as small as can be, so that hardly a pixel is cut.
    """
    size, own = levels[number - 1].size, levels[number].size
    x, y = (_factor(a, b) for a, b in zip(size, own, strict=True))
    steps: list[Resampling] = []
    while max(x, y) > LARGEST_FACTOR:
        across, down = (
            Fraction(min(LARGEST_FACTOR, math.ceil(each / LARGEST_FACTOR))) for each in (x, y)
        )
        steps.append(Resampling(source_size=size, factor=(across, down)))
        size, x, y = steps[-1].size, x / across, y / down
    return [*steps, Resampling(source_size=size, factor=(x, y))]


def _factor(finer: int, own: int) -> Fraction:
    """Return finer pixels per pixel: whole where the sizes differ by a rounding only.

    It is at least 1, though a level may be a pixel or two longer than the finer one.
    """
    whole = round(finer / own)
    if whole and abs(whole * own - finer) < whole:
        return Fraction(whole)
    return max(Fraction(1), Fraction(finer, own))

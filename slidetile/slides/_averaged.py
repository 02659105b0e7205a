"""A region whose pixels are averaged from a finer level, strip by strip."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from slidetile.raster.averaging import Resampling
from slidetile.raster.channels import dtype_of
from slidetile.raster.pixels import Colour, Pixels, fill_colour
from slidetile.raster.region import Region
from slidetile.slides.fetched import FetchedPixels

STRIP_BYTES = 2 << 20
"""Bytes of source pixels that are decoded at a time, roughly."""

WIDEST_STRIP_PX = 5120
"""Widest strip, in source pixels: with native tiles 512 high it takes `STRIP_BYTES`."""

AHEAD_BYTES = 4 << 20
"""Bytes that are read ahead, plus one strip; the rest is read when it is decoded."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FinerLevel:
    """What is averaged."""

    channels: int
    """Channels of its pixels."""

    bits: int
    """Bits of their samples."""

    tile_height_px: int | None
    """Height of its native tiles, or None if it has none."""

    fetch: Callable[[Region], FetchedPixels]
    """Reads the bytes of a region, in its own pixels."""

    background: Callable[[], Colour]
    """Finds the colour beside it."""

    def averaged(self, resampling: Resampling) -> "FinerLevel":
        """Return the level that is averaged from this one."""
        return FinerLevel(
            channels=self.channels,
            bits=self.bits,
            tile_height_px=None,
            fetch=lambda region: AveragedPixels(self, resampling, region),
            background=self.background,
        )


class AveragedPixels:
    """A region of averaged pixels; the first of its source bytes are in memory.

    The source is read in strips that end at the edges of native tiles, so that each tile is
    decoded once; a few rows are kept from one strip for the next. Memory is bounded, whatever the
    factor. See `slidetile.slides.fetched.FetchedPixels`.

    Parameters
    ----------
    source
        The finer level.
    resampling
        How it is averaged.
    region
        The wanted averaged pixels; those outside the slide have the background's colour.

    Raises
    ------
    SlideReadError
        The file could not be read.
    """

    def __init__(self, source: FinerLevel, resampling: Resampling, region: Region) -> None:
        self._region = region
        self._inside = region.intersection(Region.from_edges(0, 0, *resampling.size))
        self._background = None if self._inside == region else source.background()
        self._source = source
        self._resampling = resampling
        self._ahead: dict[Region, FetchedPixels] = {}
        self.nbytes = 0
        for strip in (strip for column in self._columns() for strip in self._strips(column)):
            if self.nbytes >= AHEAD_BYTES:
                break
            self._ahead[strip] = source.fetch(strip)
            self.nbytes += self._ahead[strip].nbytes

    def crop(self, part: Region) -> "AveragedPixels":
        """Return a part of it; its source is read again, since its strips differ."""
        x, y = self._region.x + part.x, self._region.y + part.y
        moved = Region(x=x, y=y, width=part.width, height=part.height)
        return AveragedPixels(self._source, self._resampling, moved)

    def pixels(self, out: Pixels | None = None) -> Pixels:
        """Decode the source and average it; ``out`` may have any strides.

        Raises
        ------
        SlideReadError
            The file could not be read.
        DamagedPixelsError
            Part of the source does not decode.
        """
        shape = self._region.height, self._region.width, self._source.channels
        result = np.empty(shape, dtype_of(self._source.bits)) if out is None else out
        if self._background is not None:
            fill_colour(result, self._background, self._source.bits)
        for column in self._columns():
            self._average(column, result[column.relative_to(self._region).slices])
        return result

    def _average(self, column: Region, out: Pixels) -> None:
        """Average a column strip by strip, each row as soon as its source rows are decoded."""
        resampling, source = self._resampling, self._resampling.source_region(column)
        buffer, averager = self._buffer(column), resampling.averager(column)
        top, rows, done = source.y, 0, column.y
        for strip in self._strips(column):
            self._fetched(strip).pixels(out=buffer[rows : rows + strip.height])
            rows += strip.height
            ready = min(resampling.rows_above(strip.bottom), column.bottom)
            if ready > done:
                part = Region.from_edges(column.x, done, column.right, ready)
                at = Region(x=source.x, y=top, width=source.width, height=rows)
                averager.average(buffer[:rows], at, part, out[part.relative_to(column).slices])
                done = ready
            if done < column.bottom:
                rest = Region.from_edges(column.x, done, column.right, column.bottom)
                unused = resampling.source_region(rest).y
                buffer[: strip.bottom - unused] = buffer[unused - top : rows]
                top, rows = unused, strip.bottom - unused

    def _buffer(self, column: Region) -> Pixels:
        """Return an array for the highest strip and the rows kept from the one before."""
        strips = list(self._strips(column))
        rows = max(strip.height for strip in strips) + int(self._resampling.factor[1]) + 2
        shape = rows, strips[0].width, self._source.channels
        return np.empty(shape, dtype_of(self._source.bits))

    def _fetched(self, strip: Region) -> FetchedPixels:
        ahead = self._ahead.get(strip)
        return self._source.fetch(strip) if ahead is None else ahead

    def _columns(self) -> Iterator[Region]:
        """Cut the region so that the source of each part is narrow enough for a strip."""
        inside = self._inside
        if inside is None:
            return
        width = max(1, int(WIDEST_STRIP_PX / self._resampling.factor[0]))
        for x in range(inside.x, inside.right, width):
            right = min(x + width, inside.right)
            yield Region.from_edges(x, inside.y, right, inside.bottom)

    def _strips(self, column: Region) -> Iterator[Region]:
        """Cut a column's source, in its own pixels, between native tiles where that is possible."""
        source = self._resampling.source_region(column)
        tile = self._source.tile_height_px or 1
        pixel_bytes = self._source.channels * dtype_of(self._source.bits).itemsize
        height = max(1, STRIP_BYTES // (source.width * pixel_bytes))
        height = height // tile * tile or height
        y = source.y
        while y < source.bottom:
            bottom = min((y // height + 1) * height, source.bottom)
            yield Region.from_edges(source.x, y, source.right, bottom)
            y = bottom

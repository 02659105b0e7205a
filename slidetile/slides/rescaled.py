"""A slide at a requested resolution: one of its levels unchanged, or averaged from a finer one."""

import functools
from collections.abc import Callable, Sequence

from slidetile.errors import MissingResolutionError
from slidetile.raster.region import Region
from slidetile.raster.resolution import Rescaling, choose_rescaling
from slidetile.slides._averaged import AveragedPixels, FinerLevel
from slidetile.slides._view import SlideView, fetch_block
from slidetile.slides.fetched import FetchedPixels
from slidetile.slides.level import Level
from slidetile.slides.mpp import check_mpp
from slidetile.slides.native import NativeTiles
from slidetile.slides.replaced import Replaced
from slidetile.slides.slide import Slide
from slidetile.slides.srgb import SrgbSlide


class AveragedSlide(SlideView):
    """A slide whose level 0 is averaged; see `slidetile.rescale_slide`.

    The coarser levels are the slide's own. They count as covering the same area as level 0, so
    their pixels may be off by up to one level-0 pixel at the right and bottom edge. No level has
    compressed tiles to copy: level 0 is computed, and coarser levels alone are useless.

    Parameters
    ----------
    original
        The slide.
    rescaling
        Which level is averaged, and how.
    """

    def __init__(self, original: Slide, rescaling: Rescaling) -> None:
        resampling = rescaling.resampling
        assert resampling is not None, "an unchanged level needs no averaging"
        self._source_level, self._resampling = rescaling.level, resampling
        width, height = resampling.size
        coarser = [
            number
            for number, level in enumerate(original.levels)
            if number > rescaling.level and level.width <= width and level.height <= height
        ]
        made = Level(width=width, height=height)
        super().__init__(original, rescaling, coarser, made)

    def native_obstacle(self, level: int) -> str:
        """Return that level 0 is averaged; see `slidetile.slides.slide.Slide.native_obstacle`."""
        self.levels[level]
        return "another resolution was asked for, for which pixels are averaged"

    def fetch_noting(self, region: Region, *, level: int = 0, replaced: Replaced) -> FetchedPixels:
        """Read the bytes of a region; see `slidetile.slides.slide.Slide.fetch_noting`."""
        number = range(len(self.levels))[level]
        if number:
            block = self.level_region(region, number)
            return fetch_block(self._original, block, self._numbers[number - 1], replaced)
        original, number = self._original, self._source_level

        def fetch(strip: Region) -> FetchedPixels:
            return fetch_block(original, strip, number, replaced)

        return AveragedPixels(self._finer(fetch), self._resampling, region)

    def _finer(self, fetch: Callable[[Region], FetchedPixels]) -> FinerLevel:
        original = self._original
        return FinerLevel(
            channels=original.channels,
            bits=original.bits,
            tile_height_px=original.levels[self._source_level].tile_height_px,
            fetch=fetch,
            background=lambda: original.background,
        )

    def expect(self, regions: Sequence[Region], *, level: int) -> None:
        """Announce regions, at level 0 those that they are averaged from; see `Slide.expect`."""
        if level:
            self._original.expect(regions, level=self._numbers[level - 1])
            return
        number = self._source_level
        source, own = self._original.levels[number].size, self._resampling.size
        under = [region.rescaled(own, source) for region in regions]
        self._original.expect(under, level=number)

    def holes(self, region: Region, *, level: int) -> Sequence[Region]:
        """Return the empty blocks of a coarser level; see `slidetile.slides.slide.Slide.holes`."""
        return self._original.holes(region, level=self._numbers[level - 1]) if level else ()

    def fetch_shown(
        self, region: Region, *, level: int, replaced: Replaced | None = None
    ) -> FetchedPixels:
        """Read the bytes of a region; see `slidetile.slides.slide.Slide.fetch_shown`."""
        if not level:
            shown = functools.partial(
                self._original.fetch_shown, level=self._source_level, replaced=replaced
            )
            return AveragedPixels(self._finer(shown), self._resampling, region)
        own = self._numbers[level - 1]
        return self._original.fetch_shown(region, level=own, replaced=replaced)


class LevelSlide(SlideView):
    """A slide without its finest levels; see `rescale_slide`.

    Parameters
    ----------
    original
        The slide.
    rescaling
        The level that becomes level 0.
    """

    def __init__(self, original: Slide, rescaling: Rescaling) -> None:
        super().__init__(original, rescaling, range(rescaling.level, len(original.levels)))

    def fetch_noting(self, region: Region, *, level: int = 0, replaced: Replaced) -> FetchedPixels:
        """Read the bytes of a region; see `slidetile.slides.slide.Slide.fetch_noting`."""
        block = self.level_region(region, level)
        return fetch_block(self._original, block, self._numbers[level], replaced)

    def native_obstacle(self, level: int) -> str | None:
        """Return why a level's tiles cannot be copied; see `slidetile.slides.slide.Slide`."""
        return self._original.native_obstacle(self._numbers[level])

    def native_tiles(self, level: int) -> NativeTiles | None:
        """Return access to the compressed tiles of a level, or None where they cannot be copied."""
        return self._original.native_tiles(self._numbers[level])

    def expect(self, regions: Sequence[Region], *, level: int) -> None:
        """Announce regions; see `slidetile.slides.slide.Slide.expect`."""
        self._original.expect(regions, level=self._numbers[level])

    def holes(self, region: Region, *, level: int) -> Sequence[Region]:
        """Return the empty blocks of a coarser level; see `slidetile.slides.slide.Slide.holes`."""
        return self._original.holes(region, level=self._numbers[level])

    def fetch_shown(
        self, region: Region, *, level: int, replaced: Replaced | None = None
    ) -> FetchedPixels:
        """Read the bytes of a region; see `slidetile.slides.slide.Slide.fetch_shown`."""
        own = self._numbers[level]
        return self._original.fetch_shown(region, level=own, replaced=replaced)


def rescale_slide(slide: Slide, *, mpp: float) -> Slide:
    """Return a slide as if its level 0 had another resolution.

    A level within 2 % of it, on both axes, becomes level 0 unchanged, with its pixels, its
    compressed tiles and its own exact mpp. Otherwise level 0 is averaged from the next finer level:
    every pixel is the mean of the area that it covers, exact to the sub-pixel
    (`slidetile.raster.averaging`), in whatever region it is read. At the right and bottom edge,
    only pixels of the slide are averaged.

    Parameters
    ----------
    slide
        The slide. Closing the result closes it.
    mpp
        Micrometres per pixel of the new level 0, the same on both axes.

    Returns
    -------
    Slide
        Its regions are in pixels of its own level 0; `Slide.rescaling` leads back to the file's
        pixels. It is in sRGB where the slide is.

    Raises
    ------
    MissingResolutionError
        The slide's own mpp is unknown.
    ValueError
        The mpp is implausible, finer than the slide, or more than 256 times as coarse as the
        next finer level.

    Examples
    --------
    >>> import slidetile as st
    >>> with st.open_slide("data_samples/sample.svs") as slide:
    ...     coarse = st.rescale_slide(slide, mpp=1.0)
    ...     print(slide.width, coarse.width, coarse.mpp)
    3840 1920 (1.0, 1.0)
    """
    original = slide.original
    if original.mpp is None:
        raise MissingResolutionError(
            f"{original.name} does not say its mpp, so {mpp:g} µm per pixel cannot be had. "
            "If you know the scanner's value, give it: slide_mpp of a recipe, --slide-mpp on the "
            "command line."
        )
    view = view_slide(original, mpp=mpp, slide_mpp=original.mpp)
    return view if slide.conversion is None else SrgbSlide(view)


def view_slide(slide: Slide, *, mpp: float, slide_mpp: tuple[float, float]) -> Slide:
    """Return a slide at another resolution, as `rescale_slide` does, with a given mpp of the slide.

    Raises
    ------
    ValueError
        As in `rescale_slide`.
    """
    sizes = [level.size for level in slide.levels]
    rescaling = choose_rescaling(sizes, slide_mpp, check_mpp(mpp)[0])
    kind = LevelSlide if rescaling.resampling is None else AveragedSlide
    return kind(slide, rescaling)

"""A slide whose colours are converted to sRGB by its profile."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from slidetile.errors import ColourProfileError
from slidetile.raster.icc import ProfileError
from slidetile.raster.pixels import Colour, Pixels
from slidetile.raster.region import Region
from slidetile.raster.srgb import Conversion, SrgbTransform
from slidetile.slides.fetched import FetchedPixels
from slidetile.slides.level import Level
from slidetile.slides.native import NativeTiles
from slidetile.slides.replaced import Replaced
from slidetile.slides.slide import Slide, Source

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class ConvertedPixels:
    """A region whose pixels are converted when they are decoded; see `FetchedPixels`."""

    fetched: FetchedPixels
    """The region in the slide's own colours."""

    transform: SrgbTransform
    """The way to sRGB."""

    @property
    def nbytes(self) -> int:
        """The bytes held."""
        return self.fetched.nbytes

    def crop(self, part: Region) -> "ConvertedPixels":
        """Return a part of it."""
        return ConvertedPixels(fetched=self.fetched.crop(part), transform=self.transform)

    def pixels(self, out: Pixels | None = None) -> Pixels:
        """Decode and convert the region; without ``out`` the array is new, never the slide's."""
        return self.transform.convert(self.fetched.pixels(out), out)


class SrgbSlide(Slide):
    """A slide in sRGB: pixels and background change, everything else is the slide's.

    A slide without a profile is taken for sRGB: its pixels are the same, and its compressed tiles
    can be copied.

    Parameters
    ----------
    slide
        The slide. Closing the view closes it.

    Raises
    ------
    ColourProfileError
        The profile cannot be applied, or the slide's pixels are grey.
    """

    def __init__(self, slide: Slide) -> None:
        self._slide = slide
        self._transform = _transform(slide)
        self.conversion = Conversion.by(slide.icc_profile, self._transform)
        self.mpp = slide.mpp
        self.objective_power = slide.objective_power
        self.vendor = slide.vendor
        self.colour_note = slide.colour_note
        self.rescaling = slide.rescaling

    def fetch(self, region: Region, *, level: int = 0) -> FetchedPixels:
        """Read the bytes of a region; see `slidetile.slides.slide.Slide.fetch`."""
        return self._converted(self._slide.fetch(region, level=level))

    def fetch_noting(self, region: Region, *, level: int = 0, replaced: Replaced) -> FetchedPixels:
        """Read the bytes of a region; see `slidetile.slides.slide.Slide.fetch_noting`."""
        return self._converted(self._slide.fetch_noting(region, level=level, replaced=replaced))

    def fetch_shown(
        self, region: Region, *, level: int, replaced: Replaced | None = None
    ) -> FetchedPixels:
        """Read the bytes of a region; see `slidetile.slides.slide.Slide.fetch_shown`."""
        return self._converted(self._slide.fetch_shown(region, level=level, replaced=replaced))

    def fetch_level(
        self, region: Region, level: int, background: Callable[[], Colour]
    ) -> FetchedPixels:
        """Read the bytes of a region; see `slidetile.slides.slide.Slide.fetch_level`."""
        del background  # which would be converted once more
        own = self._slide.fetch_level(region, level, lambda: self._slide.background)
        return self._converted(own)

    def _converted(self, fetched: FetchedPixels) -> FetchedPixels:
        if self._transform is None:
            return fetched
        return ConvertedPixels(fetched=fetched, transform=self._transform)

    def native_tiles(self, level: int) -> NativeTiles | None:
        """Return access to the compressed tiles of a level; None where colours are converted."""
        tiles = self._slide.native_tiles(level)
        return tiles if self._transform is None else None

    def native_obstacle(self, level: int) -> str | None:
        """Return why a level's tiles cannot be copied; see `slidetile.slides.slide.Slide`."""
        obstacle = self._slide.native_obstacle(level)
        if self._transform is None:
            return obstacle
        return "its colours are converted to sRGB, for which pixels are decoded"

    def holes(self, region: Region, *, level: int) -> Sequence[Region]:
        """Return the empty blocks of a coarser level; see `slidetile.slides.slide.Slide.holes`."""
        return self._slide.holes(region, level=level)

    @property
    def levels(self) -> tuple[Level, ...]:
        """The pyramid, finest first."""
        return self._slide.levels

    @property
    def reader(self) -> str:
        """The name of the slide's reader."""
        return self._slide.reader

    @property
    def original(self) -> Slide:
        """The slide at its file's own resolution, in its own colours."""
        return self._slide.original

    @property
    def source(self) -> Source:
        """What identifies the slide's file."""
        return self._slide.source

    @property
    def name(self) -> str:
        """The file's name."""
        return self._slide.name

    @property
    def background(self) -> Colour:
        """The slide's background colour, converted."""
        own = self._slide.background
        return own if self._transform is None else self._transform.colour(own)

    @property
    def scan_area(self) -> Region:
        """The slide's scan area."""
        return self._slide.scan_area

    @property
    def canvas(self) -> Region:
        """The canvas that other programs show."""
        return self._slide.canvas

    @property
    def replaced(self) -> Replaced:
        """The blocks of the slide that were replaced so far."""
        return self._slide.replaced

    def close(self) -> None:
        """Close the slide. Closing twice is allowed."""
        self._slide.close()


def _transform(slide: Slide) -> SrgbTransform | None:
    """Return the way from a slide's colours to sRGB; None where it has no profile."""
    if slide.channels != 3:
        raise ColourProfileError(
            f'{slide.name} has {slide.channels} channel, and sRGB has three: leave color="srgb" '
            "(--color) out for slides without colours."
        )
    if slide.icc_profile is None:
        _log.warning(
            "%s has no colour profile: its colours are taken for sRGB, and stay as they are",
            slide.name,
        )
        return None
    try:
        return SrgbTransform(slide.icc_profile)
    except ProfileError as error:
        raise ColourProfileError(
            f'{slide.name}: its colour profile {error}. Without color="srgb" (--color) the '
            "slide's own colours are read."
        ) from error

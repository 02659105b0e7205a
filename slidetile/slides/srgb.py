"""A slide whose colours are converted to sRGB by its profile."""

import logging

from slidetile.errors import ColourProfileError
from slidetile.raster.icc import ProfileError
from slidetile.raster.pixels import Colour, Pixels
from slidetile.raster.srgb import Conversion, SrgbTransform, unlike_rgb
from slidetile.slides._changed import ChangedSlide
from slidetile.slides.fetched import FetchedPixels
from slidetile.slides.native import NativeTiles
from slidetile.slides.slide import Slide

_log = logging.getLogger(__name__)


class SrgbSlide(ChangedSlide):
    """A slide in sRGB: pixels and background change, everything else is the slide's.

    A slide without a profile is taken for sRGB: its pixels are the same, and its compressed tiles
    can be copied.

    Parameters
    ----------
    inner
        The slide. Closing the view closes it.

    Raises
    ------
    ColourProfileError
        The profile cannot be applied, or the slide's pixels are no 8-bit colours.
    """

    def __init__(self, inner: Slide) -> None:
        super().__init__(inner)
        self._transform = _transform(inner)
        self.conversion = Conversion.by(inner.icc_profile, self._transform)
        self.icc_profile = None

    def change(self, pixels: Pixels, out: Pixels | None = None) -> Pixels:
        """Return pixels in sRGB, in ``out`` if that is given."""
        assert self._transform is not None, "pixels without a profile are not changed"
        return self._transform.convert(pixels, out)

    def changing(self, inner: Slide) -> "SrgbSlide":
        """Return another slide in sRGB."""
        return SrgbSlide(inner)

    @property
    def original(self) -> Slide:
        """The slide at its file's own resolution, in its own colours."""
        return self._inner.original

    @property
    def background(self) -> Colour:
        """The slide's background colour, converted."""
        own = self._inner.background
        return own if self._transform is None else self._transform.colour(own)

    def native_tiles(self, level: int) -> NativeTiles | None:
        """Return access to the compressed tiles of a level; None where colours are converted."""
        tiles = self._inner.native_tiles(level)
        return tiles if self._transform is None else None

    def native_obstacle(self, level: int) -> str | None:
        """Return why a level's tiles cannot be copied; see `slidetile.slides.slide.Slide`."""
        obstacle = self._inner.native_obstacle(level)
        if self._transform is None:
            return obstacle
        return "its colours are converted to sRGB, for which pixels are decoded"

    def _changed(self, fetched: FetchedPixels) -> FetchedPixels:
        return fetched if self._transform is None else super()._changed(fetched)


def _transform(slide: Slide) -> SrgbTransform | None:
    """Return the way from a slide's colours to sRGB; None where it has no profile."""
    unlike = unlike_rgb(slide.channel_info, slide.bits, is_mapped=slide.mapping is not None)
    if unlike is not None:
        raise ColourProfileError(
            f'{slide.name} has {unlike}: leave color="srgb" (--color) out for slides without '
            "8-bit colours."
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

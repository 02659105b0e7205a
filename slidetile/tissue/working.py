"""An image at the resolution at which stains and pen are looked for, made once for both.

Knows images. Does not know slides.
"""

import weakref
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, TypeVar

from slidetile.raster.block_means import area_average
from slidetile.raster.masks import Mask
from slidetile.raster.pixels import Pixels
from slidetile.tissue.glass import Shade, glass_shades
from slidetile.tissue.imaging import working_resolution
from slidetile.tissue.pen import pen_strokes

_Made = TypeVar("_Made")


@dataclass(frozen=True, eq=False)
class WorkingImage:
    """An averaged image, and what is found on it when it is first asked for."""

    pixels: Pixels
    """uint8 [row, column, 3]."""

    factor: int
    """Pixels of the whole image to a side of these."""

    pixel_um: float
    """Micrometres per averaged pixel."""

    _made: dict[Hashable, Any] = field(default_factory=dict, repr=False)

    def once(self, key: Hashable, make: Callable[["WorkingImage"], _Made]) -> _Made:
        """Return what is made of this image, such as a detector's outcome; made once for a key."""
        if key not in self._made:
            self._made[key] = make(self)
        made: _Made = self._made[key]
        return made

    @cached_property
    def shades(self) -> list[Shade]:
        """The colours of bare glass, the darkest first."""
        return glass_shades(self.pixels)

    @cached_property
    def strokes(self) -> Mask:
        """Strokes of pen; see `pen_strokes`."""
        return pen_strokes(self.pixels, self.shades[0], self.pixel_um)


_Remembered = tuple["weakref.ref[Pixels]", float | None, WorkingImage]
_remembered: dict[int, _Remembered] = {}
"""By the image's identity, as long as the image is there."""


def working_image(image: Pixels, mpp: float | None) -> WorkingImage:
    """Return an image averaged to the working resolution.

    Of an image that cannot be written to, as an overview's, it is made once.

    Parameters
    ----------
    image
        uint8 [row, column, 3].
    mpp
        Micrometres per pixel, or None where unknown.
    """
    number = id(image)
    seen = _remembered.get(number)
    if seen is not None and seen[0]() is image and seen[1] == mpp:
        return seen[2]
    factor, pixel_um = working_resolution(image, mpp)
    pixels = area_average(image, factor)
    if not image.flags.writeable:
        if pixels is image:  # else what is remembered of it would keep it alive, for ever
            pixels = image.copy()
        working = WorkingImage(pixels, factor, pixel_um)
        forget = _remembered.pop  # bound here: at exit the module's names go first
        _remembered[number] = weakref.ref(image, lambda _: forget(number, None)), mpp, working
        return working
    return WorkingImage(pixels, factor, pixel_um)

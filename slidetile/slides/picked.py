"""Some channels of a slide whose reader gives out all of them."""

from collections.abc import Sequence

from slidetile.raster.channels import dtype_of
from slidetile.raster.pixels import Pixels, empty_pixels
from slidetile.slides._changed import ChangedSlide
from slidetile.slides.plane_choice import PlaneChoice
from slidetile.slides.planes import chosen_channels, chosen_places
from slidetile.slides.slide import Slide


class PickedSlide(ChangedSlide):
    """A slide with some of its channels; see `pick_planes`.

    Parameters
    ----------
    inner
        The slide. Closing the result closes it.
    numbers
        Which of its channels, in which order.
    planes
        As they were asked for.
    """

    def __init__(self, inner: Slide, numbers: Sequence[int], planes: PlaneChoice) -> None:
        super().__init__(inner)
        self._numbers = tuple(numbers)
        self.described = tuple(inner.channel_info[number] for number in numbers)
        self.channels = len(self._numbers)
        self.planes = planes

    def change(self, pixels: Pixels, out: Pixels | None = None) -> Pixels:
        """Return the channels, in ``out`` if that is given."""
        result = out
        if result is None:
            shape = (*pixels.shape[:2], self.channels)
            result = empty_pixels(shape, planar=True, dtype=dtype_of(self.bits))
        for place, number in enumerate(self._numbers):
            result[..., place] = pixels[..., number]
        return result

    def changing(self, inner: Slide) -> "PickedSlide":
        """Return the same channels of another slide."""
        return PickedSlide(inner, self._numbers, self.planes)

    def native_obstacle(self, level: int) -> str:
        """Return that channels were chosen; see `slidetile.slides.slide.Slide.native_obstacle`."""
        self.levels[level]
        return "some of its channels were chosen"


def pick_planes(slide: Slide, planes: PlaneChoice) -> Slide:
    """Return what was chosen of a slide of one depth and time.

    Raises
    ------
    UnfitChoiceError
        A channel, depth or time that was chosen does not exist; the message names those that do.
    """
    chosen_places(planes, 1, 1)
    if not planes.channels:
        slide.planes = planes
        return slide
    return PickedSlide(slide, chosen_channels(planes, slide.channel_info), planes)

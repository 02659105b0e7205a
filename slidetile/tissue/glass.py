"""The colours of bare glass on a brightfield slide.

Knows images. Does not know stains or tissue.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from slidetile.raster.bands import bands
from slidetile.raster.masks import Mask
from slidetile.raster.neighbourhood import window_mean
from slidetile.raster.pixels import Pixels, brightest_channel, darkest_channel, planes
from slidetile.tissue.imaging import BRIGHT

SHADES = 3
GREYEST = 32
_PERCENT = 94
"""Of the lesser of red and blue, glass has at least so much green, in percent."""

WHITE = np.full(3, 255, np.float32)
_LEANINGS = 2 * GREYEST + 1

Shade = NDArray[np.float32]
"""Red, green and blue, 0–255."""


class Glass(NamedTuple):
    """The glass of an image."""

    shades: list[Shade]
    """Its colours, darkest first, each float32 [3]: at least one, at most three."""

    is_seen: bool
    """Whether any is there to be seen; if not, its colour is a guess."""


def find_glass(image: Pixels) -> Glass:
    """Return the colours of bare glass.

    Glass is bright, nearly grey, and smooth where tissue is textured. So the commonest colour
    among smooth pixels is that of glass, even if tissue covers most of the slide. Scanners that
    join strips, and padding around the scanned area, add shades close in hue to white or to the
    others. In an image without glass, the value that 99 % of the pixels do not exceed in each
    channel stands in, but at least 200.

    Parameters
    ----------
    image
        uint8 [row, column, 3].

    """
    pixels = image.shape[0] * image.shape[1]
    colours = _smooth_colours(image)
    if colours.counts.sum() < 0.002 * pixels:
        guess = np.maximum(_brightest_hundredth(image), 200).astype(np.float32)
        return Glass([guess], is_seen=False)
    shades: list[Shade] = []
    while len(colours.counts) and len(shades) < SHADES:
        corner = colours.commonest_bin()
        near = colours.within(corner, 2)
        if shades and colours.counts[near].sum() < 0.02 * pixels:
            break
        shade = colours.mean(near)
        if not shades or any(_hue_distance(shade, other) <= 0.04 for other in (*shades, WHITE)):
            shades.append(shade)
        colours = colours.only(~colours.within(corner, 6))
    return Glass(sorted(shades, key=lambda shade: float(shade.sum())), is_seen=True)


class _Colours(NamedTuple):
    """Colours and how many pixels have each."""

    values: NDArray[np.int32]
    counts: NDArray[np.int64]

    def only(self, chosen: NDArray[np.bool_]) -> "_Colours":
        return _Colours(self.values[chosen], self.counts[chosen])

    def mean(self, chosen: NDArray[np.bool_]) -> Shade:
        mean = np.average(self.values[chosen], axis=0, weights=self.counts[chosen])
        return np.asarray(mean, np.float32)

    def commonest_bin(self) -> NDArray[np.int32]:
        """Return the lowest colour of the fullest of 64 × 64 × 64 bins, each 4 grey values wide."""
        red, green, blue = (self.values >> 2).T
        bins, place = np.unique(red << 12 | green << 6 | blue, return_inverse=True)
        code = int(bins[np.bincount(place, self.counts).argmax()])
        return np.array([code >> 12, code >> 6 & 63, code & 63], np.int32) * 4

    def within(self, corner: NDArray[np.int32], margin: int) -> NDArray[np.bool_]:
        """Return which colours are in the bin at ``corner``, widened by a margin on all sides."""
        low, high = corner - margin, corner + 3 + margin
        return np.asarray(((self.values >= low) & (self.values <= high)).all(axis=1))


def _smooth_colours(image: Pixels) -> _Colours:
    """Count the colours of bright, nearly grey, smooth pixels; there are few enough to list."""
    shape = (256 - BRIGHT, _LEANINGS, _LEANINGS)
    counts = np.zeros(np.prod(shape), np.int64)
    for band in bands(image.shape, 1):
        channels = planes(image[band.seen])
        own = channels[:, band.within]
        low, high = (
            darkest_channel(own.transpose(1, 2, 0)),
            brightest_channel(own.transpose(1, 2, 0)),
        )
        chosen = _is_smooth(channels)[band.within] & (low >= BRIGHT) & (high - low <= GREYEST)
        chosen &= ~_is_stained(own)
        places = np.flatnonzero(chosen)
        red, middle, blue = (plane.ravel().take(places).astype(np.int32) for plane in own)
        red_over, blue_over = red - middle + GREYEST, blue - middle + GREYEST
        place = ((middle - BRIGHT) * _LEANINGS + red_over) * _LEANINGS + blue_over
        np.add.at(counts, place, 1)
    present = np.flatnonzero(counts)
    above, red_over, blue_over = np.unravel_index(present, shape)
    values = np.stack([red_over - GREYEST, np.zeros_like(above), blue_over - GREYEST], axis=1)
    values += (above + BRIGHT)[:, np.newaxis]
    return _Colours(values.astype(np.int32), counts[present])


def _is_stained(channels: NDArray[np.uint8]) -> Mask:
    """Return the pixels that absorb more green than red and blue, as smooth tissue does."""
    red, green, blue = channels.astype(np.uint16)
    return np.asarray(_PERCENT * np.minimum(red, blue) > 100 * green)


def _is_smooth(channels: NDArray[np.uint8]) -> Mask:
    """Return the pixels that differ from their four neighbours by at most 3 grey values."""
    smooth = np.ones(channels.shape[1:], np.bool_)
    for plane in channels:
        for values, result in ((plane, smooth), (plane.T, smooth.T)):
            first, second = values[:-1], values[1:]
            alike = np.maximum(first, second) - np.minimum(first, second) <= 3
            result[:-1] &= alike
            result[1:] &= alike
    return smooth


def _brightest_hundredth(image: Pixels) -> NDArray[np.intp]:
    """Return the value of each channel that 99 % of the pixels do not exceed."""
    counts = np.zeros((3, 256), np.int64)
    for band in bands(image.shape):
        for channel in range(3):
            plane = image[band.rows][..., channel]
            counts[channel] += np.bincount(plane.ravel(), minlength=256)
    enough = counts.cumsum(axis=1) >= 0.99 * counts.sum(axis=1, keepdims=True)
    return np.asarray(enough.argmax(axis=1), np.intp)


def _hue_distance(shade: Shade, other: Shade) -> float:
    red, green, blue = np.log(shade / other)
    return float(max(abs(red - green), abs(blue - green)))


class ShadeMap(NamedTuple):
    """Which shades of glass each pixel shows, and which shade prevails around it."""

    shown: NDArray[np.uint8]
    """uint8 [row, column]: bit k is set where the colour is close to shade k."""

    prevailing: NDArray[np.uint8]
    """uint8 [row, column]: the number of the shade that most pixels nearby show; the number of
    shades where none shows."""

    @classmethod
    def of(cls, image: Pixels, shades: list[Shade], window_px: int) -> "ShadeMap":
        """Compare each pixel with all shades, and count the shades in a window around it."""
        shown = np.zeros(image.shape[:2], np.uint8)
        for band in bands(image.shape):
            for number, shade in enumerate(shades):
                shown[band.rows] |= near_shade(image[band.rows], shade).view(np.uint8) << number
        prevailing = np.empty_like(shown)
        for band in bands(image.shape, window_px // 2):
            seen = shown[band.seen]
            nearby = [
                window_mean(seen >> number & 1, window_px, band.within)
                for number in range(len(shades))
            ]
            best = np.argmax(nearby, axis=0)
            best[np.max(nearby, axis=0) == 0] = len(shades)
            prevailing[band.rows] = best
        return cls(shown, prevailing)

    def rows(self, rows: slice) -> "ShadeMap":
        """Return the map of some rows."""
        return ShadeMap(self.shown[rows], self.prevailing[rows])

    def chosen(self, values: list[NDArray[np.float32]]) -> NDArray[np.float32]:
        """Return each pixel's value for the shade it shows, else for the one prevailing around it.

        Parameters
        ----------
        values
            For each shade, float32 [row, column]. Of several shades that a pixel shows, and where
            none prevails, the least value counts.
        """
        least = np.minimum.reduce(values)
        prevailing = np.choose(self.prevailing, [*values, least])
        infinite = np.float32(np.inf)
        own = np.minimum.reduce(
            [
                np.where(self.shown >> number & 1, value, infinite)
                for number, value in enumerate(values)
            ]
        )
        return np.asarray(np.where(np.isfinite(own), own, prevailing), np.float32)


def near_shade(image: Pixels, shade: Shade) -> Mask:
    """Return the pixels within 4 grey values of a colour in every channel."""
    near = np.ones(image.shape[:2], np.bool_)
    for plane, value in zip(planes(image), shade, strict=True):
        near &= (plane >= np.ceil(value - 4)) & (plane <= np.floor(value + 4))
    return near

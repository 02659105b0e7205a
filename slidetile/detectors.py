"""What a tissue detector is, and the plain ones.

Knows pictures and micrometres. Does not know slides or files.
"""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from slidetile.bands import bands
from slidetile.overview import area_average
from slidetile.pieces import Mask
from slidetile.pixels import Pixels

Plane = NDArray[np.float32]
"""One number for every pixel, as [row, column]."""

Signal = NDArray[np.int16]
"""How much speaks for tissue, in whole parts of a unit its maker knows, as [row, column]."""

Detector = Callable[[Pixels], Mask]
"""Any function from an image, uint8 [row, column, channel], to tissue, bool [row, column]."""

ASSUMED_MPP = 8.0
"""Taken where a slide does not say its resolution."""

WORKING_MPP = 16.0
SMALLEST_WORKING_SIDE_PX = 512
BRIGHT = 150
_NINE = 9  # pixels of the window that smoothes light


@runtime_checkable
class ScaledDetector(Protocol):
    """A detector that measures in micrometres and so wants to know the image's resolution."""

    def detect(self, image: Pixels, *, mpp: float | None) -> Mask:
        """Return where the tissue is.

        Parameters
        ----------
        image
            uint8 [row, column, channel].
        mpp
            Micrometres per pixel, or None where unknown.

        Returns
        -------
        bool array [row, column]
            Of the image's height and width.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class OtsuDetector:
    """Everything more colourful than a threshold between the image's two main groups.

    Grey images are split by darkness instead. Simple and well known, but pale tissue falls below
    the threshold, pen lies above it, and an empty slide is split all the same. The method is
    Otsu, "A threshold selection method from gray-level histograms", IEEE Trans. SMC 9 (1979).
    """

    def __call__(self, image: Pixels) -> Mask:
        """Return the pixels above the threshold, as bool [row, column]."""
        from skimage.filters import threshold_otsu

        signal = (
            255 - image[..., 0]
            if image.shape[2] == 1
            else brightest_channel(image) - darkest_channel(image)
        )
        counts = _histogram(signal)
        values = np.arange(256)[counts > 0]
        if len(values) == 1:  # nothing to split
            return np.zeros(signal.shape, np.bool_)
        found = counts[values], values
        threshold = threshold_otsu(hist=found)  # type: ignore[no-untyped-call]
        return np.asarray(signal > threshold, np.bool_)


@dataclass(frozen=True, slots=True, kw_only=True)
class DarkBackgroundDetector:
    """Whatever glows on a dark background: fluorescence.

    Nuclei are specks with dark cytoplasm between them, so tissue is where light above the
    background's is spread over a whole window, however thinly. The background is the darkest
    twentieth of the image; pixels of exactly 0 were not scanned and do not count.

    Raises
    ------
    ValueError
        A value is not positive.
    """

    min_signal: float = 3.0
    """Mean light above the background, in grey levels of 255, that makes a window tissue."""

    window_um: float = 150.0
    """Side of the window, in µm: wider than the dark gaps between nuclei."""

    def __post_init__(self) -> None:
        require_positive(min_signal=self.min_signal, window_um=self.window_um)

    def __call__(self, image: Pixels) -> Mask:
        """Return the tissue of an image of unknown resolution; see `detect`."""
        return self.detect(image, mpp=None)

    def detect(self, image: Pixels, *, mpp: float | None) -> Mask:
        """Return the tissue; see `ScaledDetector.detect`."""
        factor, pixel_um = working_resolution(image, mpp)
        brightest = area_average(brightest_channel(image)[..., np.newaxis], factor)[..., 0]
        if (light := _light(brightest)) is None:
            return np.zeros(image.shape[:2], np.bool_)
        tissue = _gathered(
            light,
            window_px=window_px(self.window_um, pixel_um, light.shape),
            spread=_NINE * self.min_signal,
            dense=4 * _NINE * self.min_signal,
        )
        return enlarge(tissue, factor, image.shape)


def _light(brightest: NDArray[np.uint8]) -> Signal | None:
    """Return light above the background's, in ninths of a grey level; None if nothing is there."""
    light = np.empty(brightest.shape, np.int16)
    counts = np.zeros(_NINE * 255 + 1, np.int64)
    for band in bands(brightest.shape, 1):
        light[band.rows] = np.rint(window_mean(brightest[band.seen], 3)[band.within] * _NINE)
        scanned = light[band.rows][brightest[band.rows] > 0]
        counts += np.bincount(scanned, minlength=len(counts))
    if not counts.any():
        return None
    light -= np.int16(np.argmax(counts.cumsum() >= 0.05 * counts.sum()))
    return light


def _histogram(values: NDArray[np.uint8]) -> NDArray[np.int64]:
    counts = np.zeros(256, np.int64)
    for band in bands(values.shape):
        counts += np.bincount(values[band.rows].ravel(), minlength=256)
    return counts


def is_dark(image: Pixels) -> bool:
    """Return whether an image has the dark background of fluorescence.

    A brightfield slide has bright glass, be most of it tissue or black padding.
    """
    bright = np.count_nonzero(darkest_channel(image) >= BRIGHT)
    dim = np.count_nonzero(brightest_channel(image) < 100)
    pixels = image.shape[0] * image.shape[1]
    return bool(bright < 0.01 * pixels and dim > 0.5 * pixels)


def darkest_channel(image: Pixels) -> NDArray[np.uint8]:
    """Return the lowest value of every pixel, as uint8 [row, column]."""
    # Plane by plane: a reduction over an axis of three is ten times slower.
    return functools.reduce(np.minimum, np.moveaxis(image, 2, 0))


def brightest_channel(image: Pixels) -> NDArray[np.uint8]:
    """Return the highest value of every pixel, as uint8 [row, column]."""
    return functools.reduce(np.maximum, np.moveaxis(image, 2, 0))


def _gathered(light: Signal, *, window_px: int, spread: float, dense: float) -> Mask:
    """Join scattered light, such as that of nuclei, into areas.

    A pixel is tissue where its own light exceeds ``dense``, or where the mean over a window
    exceeds ``spread``. No pixel counts for more than 60 grey levels in that mean: one bright
    speck is no tissue, many weak ones are. A window reaches beyond the tissue's edge, so its
    areas are shrunk again, except where there is light.
    """
    from scipy.ndimage import minimum_filter

    # 0.4 of the window is what the mean adds around an edge of clear signal.
    overhang = int(0.4 * window_px / 2)
    tissue = np.empty(light.shape, np.bool_)
    for band in bands(light.shape, window_px // 2 + overhang):
        seen = light[band.seen]
        wide = window_mean(np.clip(seen, -6 * _NINE, 60 * _NINE), window_px) > spread
        inner = minimum_filter(wide, 2 * overhang + 1)
        found = inner | (wide & (seen > 1.4 * spread)) | (seen > dense)
        tissue[band.rows] = found[band.within]
    return tissue


def working_resolution(image: Pixels, mpp: float | None) -> tuple[int, float]:
    """Return the factor to shrink an image by before looking for tissue, and its pixels' µm.

    16 µm, about two cells, is enough to tell tissue from glass. Small images are left alone:
    they have few pixels to lose, and are often slides whose mpp is wrong by a factor of ten.
    """
    mpp = mpp or ASSUMED_MPP
    factor = max(1, min(round(WORKING_MPP / mpp), max(image.shape[:2]) // SMALLEST_WORKING_SIDE_PX))
    return factor, mpp * factor


def window_px(
    length_um: float, pixel_um: float, shape: tuple[int, ...], *, per_side: int = 32
) -> int:
    """Return a length in pixels, as the side of a window: odd, at least 3.

    At most one part in ``per_side`` of the image's longest side, lest a wrong mpp smears it all
    over.
    """
    length = min(length_um / pixel_um, max(shape[:2]) / per_side)
    return max(3, int(length / 2) * 2 + 1)


def window_mean(values: NDArray[np.generic], side: int) -> Plane:
    """Return the mean over a square window around every pixel.

    Sums of float32 and uint8 are exact in the filter's float64, so mirrored images give
    mirrored means to the last bit.
    """
    from scipy.ndimage import uniform_filter

    mean: Plane = uniform_filter(values, side, output=np.float32)
    return mean


def enlarge(mask: Mask, factor: int, shape: tuple[int, ...]) -> Mask:
    """Repeat every pixel of a mask ``factor`` times along both axes and cut to ``shape``."""
    if factor == 1:
        return mask
    return mask.repeat(factor, axis=0).repeat(factor, axis=1)[: shape[0], : shape[1]]


def require_positive(**values: float) -> None:
    """Raise ValueError where a value is not above 0."""
    for name, value in values.items():
        if not value > 0:
            raise ValueError(f"{name} is greater than 0, but this one is {value}.")

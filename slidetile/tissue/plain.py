"""The plain tissue detectors: by Otsu's threshold, and by light on a dark background.

Knows images and micrometres. Does not know slides or files.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from slidetile.raster.bands import bands
from slidetile.raster.block_means import area_average
from slidetile.raster.masks import Mask
from slidetile.raster.neighbourhood import all_around, window_mean
from slidetile.raster.pixels import Pixels, brightest_channel, darkest_channel
from slidetile.tissue.imaging import (
    Signal,
    enlarge,
    require_positive,
    window_px,
    working_resolution,
)

_NINE = 9  # pixels of the window that smoothes light

_BRIGHTEST_BACKGROUND = 64
"""In grey values. Where all else is brighter, pixels of 0 are the background of a program or a
camera that has taken it away, and not what was left out by the scanner."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OtsuDetector:
    """Tissue is what is more colourful than a threshold between the image's two main groups.

    Grey images are split by darkness instead. The detector is simple and well known, but it misses
    pale tissue, counts pen as tissue, and splits an empty slide too. The method is
    that of Otsu, "A threshold selection method from gray-level histograms", IEEE Trans. SMC 9
    (1979).
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
        histogram = counts[values], values
        threshold = threshold_otsu(hist=histogram)  # type: ignore[no-untyped-call]
        return np.asarray(signal > threshold, np.bool_)


@dataclass(frozen=True, slots=True, kw_only=True)
class DarkBackgroundDetector:
    """Tissue is what is bright on a dark background: fluorescence.

    Nuclei are specks with dark cytoplasm between them, so tissue is where the mean light of a
    whole window exceeds the background's, even thinly spread. The background is the darkest
    twentieth of the image; pixels of exactly 0 were not scanned and do not count, unless all others
    are so bright that those of 0 must be the background.

    Raises
    ------
    ValueError
        A value is not positive.
    """

    min_signal: float = 3.0
    """Mean light above the background that makes a window tissue, in grey values from 0 to 255."""

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
    """Return light above the background, in ninths of a grey value; None if nothing was scanned."""
    light = np.empty(brightest.shape, np.int16)
    counts = np.zeros(_NINE * 255 + 1, np.int64)
    for band in bands(brightest.shape, 1):
        light[band.rows] = np.rint(window_mean(brightest[band.seen], 3)[band.within] * _NINE)
        scanned = light[band.rows][brightest[band.rows] > 0]
        counts += np.bincount(scanned, minlength=len(counts))
    if not counts.any():
        return None
    background = int(np.argmax(counts.cumsum() >= 0.05 * counts.sum()))
    if background > _BRIGHTEST_BACKGROUND * _NINE and counts.sum() < 0.95 * light.size:
        background = 0  # no camera's darkness: what is 0 was scanned, and is the background
    light -= np.int16(background)
    return light


def _histogram(values: NDArray[np.uint8]) -> NDArray[np.int64]:
    counts = np.zeros(256, np.int64)
    for band in bands(values.shape):
        counts += np.bincount(values[band.rows].ravel(), minlength=256)
    return counts


def _gathered(light: Signal, *, window_px: int, spread: float, dense: float) -> Mask:
    """Join scattered light, such as that of nuclei, into areas.

    A pixel is tissue where its own light exceeds ``dense``, or where the mean over a window
    exceeds ``spread``. In that mean a pixel counts as at most 60 grey values: one bright speck is
    not tissue, many weak ones are. A window reaches beyond the tissue's edge, so the areas are
    shrunk again, except where there is light.
    """
    # 0.4 of the window is what the mean adds around an edge of clear signal.
    overhang = int(0.4 * window_px / 2)
    tissue = np.empty(light.shape, np.bool_)
    for band in bands(light.shape, window_px // 2 + overhang):
        seen = light[band.seen]
        wide = window_mean(np.clip(seen, -6 * _NINE, 60 * _NINE), window_px) > spread
        inner = all_around(wide, 2 * overhang + 1)
        gathered = inner | (wide & (seen > 1.4 * spread)) | (seen > dense)
        tissue[band.rows] = gathered[band.within]
    return tissue

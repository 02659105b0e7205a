"""The default tissue detector: what absorbs light the way stains do.

Knows pictures of stained sections on glass. Does not know slides or files.

By Beer and Lambert's law, a stain's optical density −ln(I / I₀) is its amount times its colour,
I₀ being the bare glass's light (Ruifrok & Johnston, "Quantification of histochemical staining by
color deconvolution", Anal. Quant. Cytol. Histol. 23, 2001; Macenko et al., "A method for
normalizing histology slides for quantitative analysis", ISBI 2009). Their stain colours, as
densities in red, green and blue:

    haematoxylin 0.65 0.70 0.29     eosin 0.07 0.99 0.11     DAB 0.27 0.57 0.78

All absorb more green than the lesser of red and blue. Dust, cover-slip edges, air bubbles and
uneven light absorb all three alike, and green and cyan inks absorb green least.
"""

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from slidetile.detectors import (
    BRIGHT,
    Mask,
    Plane,
    brightest_channel,
    darkest_channel,
    enlarge,
    gather,
    require_positive,
    window_mean,
    window_px,
    working_resolution,
)
from slidetile.overview import area_average
from slidetile.pixels import Pixels

SHADES = 3
STAIN_WINDOW_UM = 48.0
STROKE_UM = 100.0
SHADE_WINDOW_UM = 1000.0

WHITE = np.full(3, 255, np.float32)
# Where the logarithm has no value, that of the darkest grey stands in.
_DENSITY = -np.log(np.maximum(np.arange(256), 1) / 255).astype(np.float32)


class _Densities(NamedTuple):
    """Optical densities relative to the glass's darkest shade."""

    red: Plane
    green: Plane
    blue: Plane


@dataclass(frozen=True, slots=True, kw_only=True)
class OpticalDensityDetector:
    """Tissue is what absorbs like a stain, densely or in a fine texture; pen is left out.

    Made for H&E and for brown-and-blue immunohistochemistry, at 4–60 µm per pixel. Mirrored
    images give mirrored masks, exactly where no shrinking to 16 µm precedes or the sides are
    whole multiples of its factor, else up to one such pixel.

    Raises
    ------
    ValueError
        A value is not positive.
    """

    min_density: float = 0.05
    """Stain-like optical density that makes a pixel tissue by itself."""

    min_spread_density: float = 0.011
    """Mean stain-like density over a window that makes its middle tissue: fat, pale stroma."""

    window_um: float = 500.0
    """Side of that window, in µm: several fat cells, of which the membranes alone are stained."""

    keep_pen: bool = False
    """Whether pen strokes count as tissue where their colour is like a stain's."""

    def __post_init__(self) -> None:
        require_positive(
            min_density=self.min_density,
            min_spread_density=self.min_spread_density,
            window_um=self.window_um,
        )

    def __call__(self, image: Pixels) -> Mask:
        """Return the tissue of an image of unknown resolution; see `detect`."""
        return self.detect(image, mpp=None)

    def detect(self, image: Pixels, *, mpp: float | None) -> Mask:
        """Return the tissue; see `ScaledDetector.detect`.

        Raises
        ------
        ValueError
            The image has no three colours.
        """
        if image.shape[2] != 3:
            raise ValueError(
                f"Stains are told by colour, but this image has {image.shape[2]} channel(s): "
                "use OtsuDetector or DarkBackgroundDetector."
            )
        factor, pixel_um = working_resolution(image, mpp)
        small = area_average(image, factor)
        shades = glass_shades(small)
        densities = _densities(small, shades[0])
        stain = _stain(small, shades, densities, pixel_um)
        if not self.keep_pen:
            stain[_pen(densities, pixel_um)] = 0
        tissue = gather(
            stain,
            window_px=window_px(self.window_um, pixel_um, small.shape),
            spread=self.min_spread_density,
            dense=self.min_density,
            most=5.5 * self.min_spread_density,
        )
        return enlarge(tissue, factor, image.shape)


def glass_shades(image: Pixels) -> list[NDArray[np.float32]]:
    """Return the colours of bare glass, darkest first: at least one, at most three.

    Glass is bright, nearly grey, and smooth where tissue is textured; so the commonest colour
    among smooth pixels is the glass's even if tissue covers most of the slide. Scanners that
    join strips, and padding around what was scanned, add shades close in hue to white or to the
    others. An image without glass is measured against its brightest hundredth.

    Parameters
    ----------
    image
        uint8 [row, column, 3].

    Returns
    -------
    list of float32 [3]
        Red, green and blue, 0–255.
    """
    low, high = darkest_channel(image), brightest_channel(image)
    candidates = _is_smooth(image) & (low >= BRIGHT) & (high - low <= 32)
    pixels = [image[..., channel][candidates] for channel in range(3)]
    if len(pixels[0]) < 0.002 * low.size:
        brightest = np.percentile(image.reshape(-1, 3), 99, axis=0)
        return [np.maximum(brightest, 200).astype(np.float32)]
    shades: list[NDArray[np.float32]] = []
    while len(pixels[0]) and len(shades) < SHADES:
        corner = _commonest(pixels)
        near = _within(pixels, corner, 2)
        if shades and np.count_nonzero(near) < 0.02 * low.size:
            break
        shade = np.array([plane[near].mean() for plane in pixels], np.float32)
        if not shades or any(_hue_distance(shade, other) <= 0.04 for other in (*shades, WHITE)):
            shades.append(shade)
        far = ~_within(pixels, corner, 6)
        pixels = [plane[far] for plane in pixels]
    return sorted(shades, key=lambda shade: float(shade.sum()))


def _is_smooth(image: Pixels) -> Mask:
    """Return the pixels that differ from their four neighbours by 3 grey levels at most."""
    smooth = np.ones(image.shape[:2], np.bool_)
    for plane in np.moveaxis(image, 2, 0):
        for values, result in ((plane, smooth), (plane.T, smooth.T)):
            first, second = values[:-1], values[1:]
            alike = np.maximum(first, second) - np.minimum(first, second) <= 3
            result[:-1] &= alike
            result[1:] &= alike
    return smooth


def _commonest(pixels: list[NDArray[np.uint8]]) -> tuple[int, ...]:
    """Return the lowest colour of the commonest of 64 × 64 × 64 bins, 4 grey levels wide."""
    red, green, blue = (plane.astype(np.int32) >> 2 for plane in pixels)
    code = int(np.bincount(red << 12 | green << 6 | blue).argmax())
    return (code >> 12) * 4, (code >> 6 & 63) * 4, (code & 63) * 4


def _within(pixels: list[NDArray[np.uint8]], corner: tuple[int, ...], margin: int) -> Mask:
    """Return the colours in the bin at ``corner``, widened by a margin on all sides."""
    inside = np.ones(len(pixels[0]), np.bool_)
    for plane, low in zip(pixels, corner, strict=True):
        inside &= (plane >= max(0, low - margin)) & (plane <= min(255, low + 3 + margin))
    return inside


def _hue_distance(shade: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    red, green, blue = np.log(shade / other)
    return float(max(abs(red - green), abs(blue - green)))


def _densities(image: Pixels, glass: NDArray[np.float32]) -> _Densities:
    offsets = np.log(glass / np.float32(255))
    return _Densities(*(_DENSITY[image[..., i]] + offsets[i] for i in range(3)))


def _stain(
    image: Pixels, shades: list[NDArray[np.float32]], densities: _Densities, pixel_um: float
) -> Plane:
    """Return green's density over the lesser of red's and blue's, less a tenth of grey's."""
    red, green, blue = densities
    side = window_px(STAIN_WINDOW_UM, pixel_um, image.shape)
    over_red = window_mean(green - red, side)
    over_blue = window_mean(green - blue, side)
    stain = _over_shades(image, shades, over_red, over_blue, pixel_um)
    # Whatever is mostly grey is dust or ink, even if it leans to one colour.
    grey = window_mean(red + green + blue, side)
    return np.asarray(stain - np.maximum(grey, 0) / np.float32(30), np.float32)


def _over_shades(
    image: Pixels,
    shades: list[NDArray[np.float32]],
    over_red: Plane,
    over_blue: Plane,
    pixel_um: float,
) -> Plane:
    """Measure a pixel against the shade it shows, else against the one prevailing around it."""
    darkest = np.log(shades[0])
    signals: list[Plane] = []
    for shade in shades:
        red, green, blue = np.log(shade) - darkest
        signals.append(np.maximum(over_red + (green - red), over_blue + (green - blue)))
    if len(shades) == 1:
        return signals[0]
    shown = [_near(image, shade) for shade in shades]
    side = window_px(SHADE_WINDOW_UM, pixel_um, image.shape, per_side=8)
    nearby = [window_mean(near.astype(np.float32), side) for near in shown]
    prevailing = np.choose(np.argmax(nearby, axis=0), signals)
    far = np.max(nearby, axis=0) == 0
    np.copyto(prevailing, np.minimum.reduce(signals), where=far)
    infinite = np.float32(np.inf)
    pairs = zip(shown, signals, strict=True)
    own = np.minimum.reduce([np.where(near, signal, infinite) for near, signal in pairs])
    return np.asarray(np.where(np.isfinite(own), own, prevailing), np.float32)


def _near(image: Pixels, shade: NDArray[np.float32]) -> Mask:
    """Return the pixels within 4 grey levels of a colour in every channel."""
    near = np.ones(image.shape[:2], np.bool_)
    for channel in range(3):
        low, high = math.ceil(shade[channel] - 4), math.floor(shade[channel] + 4)
        near &= (image[..., channel] >= low) & (image[..., channel] <= min(high, 255))
    return near


def _pen(densities: _Densities, pixel_um: float) -> Mask:
    """Return marker strokes: wide, dense, smooth, and of a colour no mixture of stains has.

    Haematoxylin's red-to-green ratio is 0.93 and rarely exceeds 1.3; blue and green inks' does.
    Eosin and DAB together let some red be absorbed; red ink absorbs none, and as much blue as
    green. Black ink is dark and grey. A marker wets the glass evenly and lies out of focus,
    while tissue varies from cell to cell, so only a colour beyond doubt suffices without
    smoothness.
    """
    from scipy.ndimage import maximum_filter

    red, green, blue = densities
    grey = (red + green + blue) / 3
    over = green - np.minimum(red, blue)
    blue_ink = (red > 1.3 * green) & (red > 0.3)
    red_ink = (red < 0.3 * green) & (blue > 0.65 * green) & (green > 0.5)
    black_ink = (grey > 1) & (over < 0.15 * grey)
    if not (blue_ink | red_ink | black_ink).any():
        return np.zeros(red.shape, np.bool_)
    rough = _roughness(green, window_px(STAIN_WINDOW_UM, pixel_um, red.shape))
    certain = (red > 1.6 * green) & (red > 0.3)
    core = certain | (blue_ink & (rough < 0.05)) | ((red_ink | black_ink) & (rough < 0.035))
    side = window_px(STROKE_UM, pixel_um, red.shape)
    core = window_mean(core.astype(np.float32), side) > 0.8
    rim = (red > 1.15 * green) & (red > 0.04)
    rim |= (red < 0.35 * green) & (blue > 0.6 * green) & (green > 0.04)
    rim |= (grey > 0.3) & (over < 0.2 * grey)
    stroke = core | (maximum_filter(core, 2 * side + 1) & rim)
    # Chroma subsampling spreads a stroke's colour a little further than its darkness.
    return np.asarray(maximum_filter(stroke, side), np.bool_)


def _roughness(density: Plane, side: int) -> Plane:
    """Return how much a density varies between neighbours, as a share of itself."""
    mean = window_mean(density, 3)
    change = window_mean(np.abs(density - mean), side)
    return np.asarray(change / np.maximum(mean, np.float32(0.05)), np.float32)

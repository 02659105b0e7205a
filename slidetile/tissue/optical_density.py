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

Fat is nearly as pale as glass, but its membranes make it textured, and glass is smooth (Bug,
Feuerhake & Merhof, "Foreground extraction for histopathological whole slide imaging",
Bildverarbeitung für die Medizin, 2015, tell tissue by its texture).
"""

import functools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from slidetile.raster.averaging import area_average
from slidetile.raster.bands import bands
from slidetile.raster.masks import Mask
from slidetile.raster.pixels import Pixels
from slidetile.tissue.glass import Shade, ShadeMap, glass_shades, near_shade
from slidetile.tissue.imaging import (
    Plane,
    Signal,
    enlarge,
    require_positive,
    window_mean,
    window_px,
    working_resolution,
)
from slidetile.tissue.pen import Densities, pen_strokes

STAIN_WINDOW_UM = 48.0
SHADE_WINDOW_UM = 1000.0
UNIT = 4096
"""Signal per optical density; the darkest pixel's is still below 2¹⁵."""

# What one pixel may say against and for its surroundings: a speck is no tissue.
_LEAST, _MOST = -0.022, 0.06
# Glass varies by noise alone: rarely by over 2.5 times its median. 0.002 is half a grey level.
_NOISE_FACTOR, _LEAST_CHANGE = 2.5, 0.002
_MOST_TEXTURED_GLASS = 25


@dataclass(frozen=True, slots=True, kw_only=True)
class OpticalDensityDetector:
    """Tissue is what absorbs like a stain, densely or in a fine texture; pen is left out.

    Made for H&E and for brown-and-blue immunohistochemistry, at 4–60 µm per pixel. Mirrored
    images give mirrored masks, exactly where no shrinking to 16 µm precedes or the sides are
    whole multiples of its factor, else up to one such pixel.

    Raises
    ------
    ValueError
        A value is not positive, or ``min_texture`` is above 1.
    """

    min_density: float = 0.05
    """Stain-like optical density that makes a pixel tissue by itself."""

    min_spread_density: float = 0.005
    """Mean stain-like density over twice the window that textured tissue has: fat, pale stroma."""

    min_texture: float = 0.25
    """Share of the window's pixels that vary more than bare glass does, in such tissue, beyond
    the share that varies as much on this slide's glass."""

    window_um: float = 500.0
    """Side of the window, in µm: several fat cells, of which the membranes alone are stained."""

    keep_pen: bool = False
    """Whether pen strokes count as tissue where their colour is like a stain's."""

    def __post_init__(self) -> None:
        require_positive(
            min_density=self.min_density,
            min_spread_density=self.min_spread_density,
            min_texture=self.min_texture,
            window_um=self.window_um,
        )
        if self.min_texture > 1:
            raise ValueError(f"min_texture is at most 1, but this one is {self.min_texture}.")

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
        stain = _stain(small, shades, pixel_um)
        texture = _texture(small, shades)
        if not self.keep_pen:
            pen = pen_strokes(small, shades[0], pixel_um)
            stain[pen] = 0
            texture[pen] = False
        side = window_px(self.window_um, pixel_um, small.shape)
        tissue = self._gathered(stain, _percent(texture, side), side)
        return enlarge(tissue, factor, image.shape)

    def _gathered(self, stain: Signal, texture: NDArray[np.uint8], side: int) -> Mask:
        """Return dense pixels, and the areas of which enough is textured and stained."""
        from scipy.ndimage import minimum_filter

        # A window reaches beyond the edge of what fills it; 0.6 of its half is taken off again.
        overhang = int(0.6 * side / 2)
        glass = _lowest_tenth(texture)
        enough = glass + self.min_texture * (100 - glass)
        tissue = np.empty(stain.shape, np.bool_)
        for band in bands(stain.shape, side + overhang):
            seen = stain[band.seen]
            clipped = np.clip(seen, round(_LEAST * UNIT), round(_MOST * UNIT))
            spread = window_mean(clipped, 2 * side + 1) > self.min_spread_density * UNIT
            spread &= texture[band.seen] > enough
            dense = seen > self.min_density * UNIT
            found = minimum_filter(spread, 2 * overhang + 1) | dense
            tissue[band.rows] = found[band.within]
        return tissue


def _texture(image: Pixels, shades: list[Shade]) -> Mask:
    """Return the pixels that differ from their neighbours' mean by more than bare glass does."""
    change = np.empty(image.shape[:2], np.int16)
    counts = np.zeros(1 << 15, np.int64)
    for band in bands(image.shape, 1):
        red, green, blue = Densities.of(image[band.seen], shades[0])
        light = (red + 2 * green + blue) / 4
        change[band.rows] = np.rint(np.abs(light - window_mean(light, 3)) * UNIT)[band.within]
        glass = functools.reduce(np.logical_or, [near_shade(image[band.rows], s) for s in shades])
        counts += np.bincount(change[band.rows][glass], minlength=len(counts))
    noise = int(np.argmax(counts.cumsum() >= counts.sum() / 2))
    return change > _NOISE_FACTOR * noise + _LEAST_CHANGE * UNIT


def _percent(mask: Mask, side: int) -> NDArray[np.uint8]:
    """Return how much of a window around every pixel is in a mask, 0–100."""
    percent = np.empty(mask.shape, np.uint8)
    for band in bands(mask.shape, side // 2):
        share = window_mean(mask[band.seen].view(np.uint8), side)[band.within]
        percent[band.rows] = np.rint(100 * share)
    return percent


def _lowest_tenth(texture: NDArray[np.uint8]) -> int:
    """Return how textured glass looks: compression may leave its marks there, but never many."""
    counts = np.zeros(101, np.int64)
    for band in bands(texture.shape):
        counts += np.bincount(texture[band.rows].ravel(), minlength=101)
    return min(int(np.argmax(counts.cumsum() >= 0.1 * texture.size)), _MOST_TEXTURED_GLASS)


def _stain(image: Pixels, shades: list[Shade], pixel_um: float) -> Signal:
    """Return green's density over the lesser of red's and blue's, less a tenth of grey's."""
    side = window_px(STAIN_WINDOW_UM, pixel_um, image.shape)
    shade_side = window_px(SHADE_WINDOW_UM, pixel_um, image.shape, per_side=8)
    shown = ShadeMap.of(image, shades, shade_side) if len(shades) > 1 else None
    stain = np.empty(image.shape[:2], np.int16)
    for band in bands(image.shape, side // 2):
        red, green, blue = Densities.of(image[band.seen], shades[0])
        over_red = window_mean(green - red, side)[band.within]
        over_blue = window_mean(green - blue, side)[band.within]
        # Whatever is mostly grey is dust or ink, even if it leans to one colour.
        grey = window_mean(red + green + blue, side)[band.within]
        over = _over_shades(over_red, over_blue, shades)
        if shown is None:
            signal = over[0]
        else:
            signal = _over_the_shade_there(
                over, ShadeMap(shown.shown[band.rows], shown.prevailing[band.rows])
            )
        stain[band.rows] = np.rint((signal - np.maximum(grey, 0) / np.float32(15)) * UNIT)
    return stain


def _over_shades(over_red: Plane, over_blue: Plane, shades: list[Shade]) -> list[Plane]:
    """Measure the stain against each shade of glass."""
    darkest = np.log(shades[0])
    signals: list[Plane] = []
    for shade in shades:
        red, green, blue = np.log(shade) - darkest
        signals.append(np.maximum(over_red + (green - red), over_blue + (green - blue)))
    return signals


def _over_the_shade_there(signals: list[Plane], shades: ShadeMap) -> Plane:
    """Measure a pixel against the shade it shows, else against the one prevailing around it."""
    least = np.minimum.reduce(signals)
    prevailing = np.choose(shades.prevailing, [*signals, least])
    infinite = np.float32(np.inf)
    own = np.minimum.reduce(
        [
            np.where(shades.shown >> number & 1, signal, infinite)
            for number, signal in enumerate(signals)
        ]
    )
    return np.asarray(np.where(np.isfinite(own), own, prevailing), np.float32)

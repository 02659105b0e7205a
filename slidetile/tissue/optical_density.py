"""The default tissue detector: tissue absorbs light the way stains do.

Knows images of stained sections on glass. Does not know slides or files.

By the Beer–Lambert law, a stain's optical density −ln(I / I₀) is its amount times its colour,
where I₀ is the light through bare glass (Ruifrok & Johnston, "Quantification of histochemical
staining by color deconvolution", Anal. Quant. Cytol. Histol. 23, 2001; Macenko et al., "A method
for normalizing histology slides for quantitative analysis", ISBI 2009). Their stain colours, as
densities in red, green and blue:

    haematoxylin 0.65 0.70 0.29     eosin 0.07 0.99 0.11     DAB 0.27 0.57 0.78

All of them absorb green more than the lesser of red and blue. Dust, cover-slip edges, air bubbles
and uneven light absorb all three alike, and green and cyan pens absorb green least.

Fat is nearly as pale as glass, but its membranes make it textured, and glass is smooth (Bug,
Feuerhake & Merhof, "Foreground extraction for histopathological whole slide imaging",
Bildverarbeitung für die Medizin, 2015, recognise tissue by its texture).
"""

import functools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from slidetile.choices import UnfitChoiceError
from slidetile.counts import how_many
from slidetile.raster.bands import bands
from slidetile.raster.masks import Mask
from slidetile.raster.neighbourhood import all_around, window_mean
from slidetile.raster.pixels import Pixels
from slidetile.tissue.glass import Shade, ShadeMap, near_shade
from slidetile.tissue.imaging import (
    Plane,
    Signal,
    enlarge,
    require_positive,
    window_px,
)
from slidetile.tissue.pen import Densities
from slidetile.tissue.working import working_image

STAIN_WINDOW_UM = 48.0
SHADE_WINDOW_UM = 1000.0
UNIT = 4096
"""Units of signal per optical density of 1; the darkest pixel's signal is still below 2¹⁵."""

# The least and most that one pixel adds to the mean around it: a speck is not tissue.
_LEAST, _MOST = -0.022, 0.06
# Glass varies by noise alone: rarely by over 2.5 times its median. 0.002 is half a grey value.
_NOISE_FACTOR, _LEAST_CHANGE = 2.5, 0.002
_MOST_TEXTURED_GLASS = 25


@dataclass(frozen=True, slots=True, kw_only=True)
class OpticalDensityDetector:
    """Tissue is what absorbs like a stain, densely or in a fine texture; pen is left out.

    The detector is made for H&E and for brown-and-blue immunohistochemistry, at 4–60 µm per pixel.
    Mirrored images give mirrored masks: exactly, where the image is not averaged to 16 µm first or
    its sides are whole multiples of the factor, and otherwise to within one averaged pixel.

    Raises
    ------
    ValueError
        A value is not positive, or ``min_texture`` is above 1.
    """

    min_density: float = 0.05
    """Stain-like optical density above which a pixel is tissue by itself."""

    min_spread_density: float = 0.005
    """Mean stain-like optical density, over twice the window, above which a textured area is
    tissue: fat, pale stroma."""

    min_texture: float = 0.25
    """Share of the window's pixels that vary more than bare glass, above which an area is textured;
    0 is the share on this slide's own glass, 1 is all pixels."""

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
            raise ValueError(f"min_texture must be at most 1, but it is {self.min_texture}.")

    def __call__(self, image: Pixels) -> Mask:
        """Return the tissue of an image of unknown resolution; see `detect`."""
        return self.detect(image, mpp=None)

    def detect(self, image: Pixels, *, mpp: float | None) -> Mask:
        """Return the tissue; see `ScaledDetector.detect`.

        Raises
        ------
        UnfitChoiceError
            The image does not have three channels.
        """
        if image.shape[2] != 3:
            raise UnfitChoiceError(
                "The detector density recognises stains by red, green and blue, but this image has "
                f"{how_many(image.shape[2], 'channels')}: choose dark (DarkBackgroundDetector) "
                "for fluorescence, or otsu (OtsuDetector)."
            )
        working = working_image(image, mpp)
        small, shades, pixel_um = working.pixels, working.shades, working.pixel_um
        stain = _stain(small, shades, pixel_um)
        texture = _texture(small, shades)
        if not self.keep_pen:
            stain[working.strokes] = 0
            texture[working.strokes] = False
        side = window_px(self.window_um, pixel_um, small.shape)
        tissue = self._gathered(stain, _percent(texture, side), side)
        return enlarge(tissue, working.factor, image.shape)

    def left_out(self, image: Pixels, *, mpp: float | None) -> dict[str, Mask]:
        """Return the pen that was left out; see `ExplainingDetector.left_out`."""
        if self.keep_pen:
            return {}
        working = working_image(image, mpp)
        return {"pen": enlarge(working.strokes, working.factor, image.shape)}

    def _gathered(self, stain: Signal, texture: NDArray[np.uint8], side: int) -> Mask:
        """Return the densely stained pixels, and the areas that are stained and textured enough."""
        # A window reaches over the edge of the tissue in it; 0.6 of its half is taken off again.
        overhang = int(0.6 * side / 2)
        glass = _lowest_tenth(texture)
        enough = glass + self.min_texture * (100 - glass)
        spread = texture > enough
        for band in bands(stain.shape, side):
            if spread[band.rows].any():
                clipped = np.clip(stain[band.seen], round(_LEAST * UNIT), round(_MOST * UNIT))
                density = window_mean(clipped, 2 * side + 1, band.within)
                spread[band.rows] &= density > self.min_spread_density * UNIT
        tissue = stain > self.min_density * UNIT
        for band in bands(stain.shape, overhang):
            inner = all_around(spread[band.seen], 2 * overhang + 1)
            tissue[band.rows] |= inner[band.within]
        return tissue


def _texture(image: Pixels, shades: list[Shade]) -> Mask:
    """Return the pixels that differ from the mean around them by more than bare glass does."""
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
    """Return the percentage of a window around every pixel that is in a mask."""
    percent = np.empty(mask.shape, np.uint8)
    for band in bands(mask.shape, side // 2):
        share = window_mean(mask[band.seen].view(np.uint8), side, band.within)
        percent[band.rows] = np.rint(100 * share)
    return percent


def _lowest_tenth(texture: NDArray[np.uint8]) -> int:
    """Return the percentage of glass that looks textured: the lowest tenth, at most 25.

    Compression leaves some texture on glass, but never much.
    """
    counts = np.zeros(101, np.int64)
    for band in bands(texture.shape):
        counts += np.bincount(texture[band.rows].ravel(), minlength=101)
    return min(int(np.argmax(counts.cumsum() >= 0.1 * texture.size)), _MOST_TEXTURED_GLASS)


def _stain(image: Pixels, shades: list[Shade], pixel_um: float) -> Signal:
    """Return green's density minus the lesser of red's and blue's, minus a fifth of their mean."""
    side = window_px(STAIN_WINDOW_UM, pixel_um, image.shape)
    shade_side = window_px(SHADE_WINDOW_UM, pixel_um, image.shape, per_side=8)
    shown = ShadeMap.of(image, shades, shade_side) if len(shades) > 1 else None
    stain = np.empty(image.shape[:2], np.int16)
    for band in bands(image.shape, side // 2):
        red, green, blue = Densities.of(image[band.seen], shades[0])
        over_red = window_mean(green - red, side, band.within)
        over_blue = window_mean(green - blue, side, band.within)
        # What is mostly grey is dust or pen, even if it leans to one colour.
        grey = window_mean(red + green + blue, side, band.within)
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
    """Return the stain's density relative to each shade of glass."""
    darkest = np.log(shades[0])
    signals: list[Plane] = []
    for shade in shades:
        red, green, blue = np.log(shade) - darkest
        signals.append(np.maximum(over_red + (green - red), over_blue + (green - blue)))
    return signals


def _over_the_shade_there(signals: list[Plane], shades: ShadeMap) -> Plane:
    """Return each pixel's signal for the shade it shows, else for the one prevailing around it."""
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

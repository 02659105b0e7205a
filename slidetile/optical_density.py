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

from dataclasses import dataclass

import numpy as np

from slidetile.bands import bands
from slidetile.detectors import (
    Plane,
    Signal,
    enlarge,
    gather,
    require_positive,
    window_mean,
    window_px,
    working_resolution,
)
from slidetile.glass import Shade, ShadeMap, glass_shades
from slidetile.overview import area_average
from slidetile.pen import Densities, pen_strokes
from slidetile.pieces import Mask
from slidetile.pixels import Pixels

STAIN_WINDOW_UM = 48.0
SHADE_WINDOW_UM = 1000.0
UNIT = 4096
"""Signal per optical density; the darkest pixel's is still below 2¹⁵."""


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
        stain = _stain(small, shades, pixel_um)
        if not self.keep_pen:
            stain[pen_strokes(small, shades[0], pixel_um)] = 0
        tissue = gather(
            stain,
            window_px=window_px(self.window_um, pixel_um, small.shape),
            spread=UNIT * self.min_spread_density,
            dense=UNIT * self.min_density,
            most=UNIT * 5.5 * self.min_spread_density,
        )
        return enlarge(tissue, factor, image.shape)


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
        stain[band.rows] = np.rint((signal - np.maximum(grey, 0) / np.float32(30)) * UNIT)
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

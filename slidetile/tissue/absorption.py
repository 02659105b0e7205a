"""How much light each pixel of a stained section absorbs, and of which colour.

Knows images and the shades of bare glass. Does not know what is tissue.

By the Beer–Lambert law, a stain's optical density −ln(I / I₀) is its amount times its colour,
where I₀ is the light through bare glass (Ruifrok & Johnston, "Quantification of histochemical
staining by color deconvolution", Anal. Quant. Cytol. Histol. 23, 2001; Macenko et al., "A method
for normalizing histology slides for quantitative analysis", ISBI 2009). Their stain colours, as
densities in red, green and blue:

    haematoxylin 0.65 0.70 0.29     eosin 0.07 0.99 0.11     DAB 0.27 0.57 0.78

All of them absorb green more than the lesser of red and blue. Dust, cover-slip edges, air bubbles
and uneven light absorb all three alike, and green and cyan pens absorb green least.
"""

from dataclasses import dataclass

import numpy as np

from slidetile.raster.bands import bands
from slidetile.raster.masks import Mask
from slidetile.raster.neighbourhood import window_mean
from slidetile.raster.pixels import Pixels
from slidetile.tissue.density import Densities
from slidetile.tissue.glass import Shade, ShadeMap
from slidetile.tissue.imaging import Plane, Signal, window_px

UNIT = 4096
"""Units of signal per optical density of 1; the darkest pixel's signal is still below 2¹⁵."""

WINDOW_UM = 48.0
SHADE_WINDOW_UM = 1000.0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Absorption:
    """What pixels absorb beyond glass, each a mean over `WINDOW_UM`, in `UNIT` of a density."""

    stain: Signal
    """Green's density minus the lesser of red's and blue's, minus a fifth of their mean: what is
    mostly grey is dust or pen, even if it leans to one colour."""

    grey: Signal
    """The mean density of red, green and blue."""

    colour: Signal
    """The greatest of the three minus the least."""

    @classmethod
    def of(cls, image: Pixels, shades: list[Shade], pixel_um: float) -> "Absorption":
        """Measure an image, uint8 [row, column, 3], against the shades of its glass."""
        side = window_px(WINDOW_UM, pixel_um, image.shape)
        shade_side = window_px(SHADE_WINDOW_UM, pixel_um, image.shape, per_side=8)
        shown = ShadeMap.of(image, shades, shade_side) if len(shades) > 1 else None
        made = cls(**{name: np.empty(image.shape[:2], np.int16) for name in cls.__slots__})
        for band in bands(image.shape, side // 2):
            there = None if shown is None else shown.rows(band.rows)
            densities = Densities.of(image[band.seen], shades[0])
            red, green, blue = (window_mean(plane, side, band.within) for plane in densities)
            for plane, values in zip(
                (made.stain, made.grey, made.colour),
                _signals(red, green, blue, shades, there),
                strict=True,
            ):
                plane[band.rows] = np.rint(np.clip(values, -7, 7) * UNIT)
        return made

    def forget(self, where: Mask) -> None:
        """Take pixels for glass: nothing of them is stain."""
        for plane in (self.stain, self.grey, self.colour):
            np.minimum(plane, 0, out=plane, where=where)


def _signals(
    red: Plane, green: Plane, blue: Plane, shades: list[Shade], there: ShadeMap | None
) -> tuple[Plane, Plane, Plane]:
    """Return stain, grey and colour, relative to the shade of glass that is shown there."""
    darkest = np.log(shades[0])
    over: list[tuple[Plane, Plane, Plane]] = []
    grey: Plane = np.asarray((red + green + blue) / 3, np.float32)
    for shade in shades:
        offset = np.log(shade) - darkest
        over_red = (green - red) + (offset[1] - offset[0])
        over_blue = (green - blue) + (offset[1] - offset[2])
        most = np.maximum(np.maximum(over_red, over_blue), 0)
        least = np.minimum(np.minimum(over_red, over_blue), 0)
        over.append((np.maximum(over_red, over_blue), grey + offset.mean(), most - least))
    if there is None:
        stain, grey_there, colour = over[0]
    else:
        stain = there.chosen([each[0] for each in over])
        grey_there = there.chosen([np.maximum(each[1], 0) for each in over])
        colour = there.chosen([each[2] for each in over])
    return np.asarray(stain - np.maximum(grey, 0) / 5, np.float32), grey_there, colour

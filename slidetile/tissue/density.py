"""Optical densities of an image's three channels.

Knows images and the colour of glass. Does not know stains.
"""

from typing import NamedTuple

import numpy as np

from slidetile.raster.pixels import Pixels, planes
from slidetile.tissue.glass import Shade
from slidetile.tissue.imaging import Plane

# 0 has no logarithm: the darkest grey, 1, stands in.
_DENSITY = -np.log(np.maximum(np.arange(256), 1) / 255).astype(np.float32)


class Densities(NamedTuple):
    """Optical densities of an image's three channels, relative to bare glass."""

    red: Plane
    green: Plane
    blue: Plane

    @classmethod
    def of(cls, image: Pixels, glass: Shade) -> "Densities":
        """Apply the Beer–Lambert law to an image, uint8 [row, column, 3]."""
        return cls(
            *(
                # Not checked: no value is beyond a table of 256.
                table.take(plane, mode="clip")
                for table, plane in zip(density_tables(glass), planes(image), strict=True)
            )
        )

    @property
    def grey(self) -> Plane:
        """Their mean."""
        return np.asarray((self.red + self.green + self.blue) / 3)

    @property
    def most(self) -> Plane:
        """The greatest of the three."""
        return np.maximum(np.maximum(self.red, self.green), self.blue)

    @property
    def least(self) -> Plane:
        """The least of the three."""
        return np.minimum(np.minimum(self.red, self.green), self.blue)


def density_tables(glass: Shade) -> Plane:
    """Return the density of each value of each channel, float32 [channel, value]."""
    offsets = np.log(glass / np.float32(255))
    return np.asarray(_DENSITY + offsets[:, np.newaxis])

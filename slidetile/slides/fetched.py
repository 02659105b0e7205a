"""A region between reading and decoding."""

from dataclasses import dataclass
from typing import Protocol

from slidetile.raster.pixels import Pixels
from slidetile.raster.region import Region


class FetchedPixels(Protocol):
    """Fetched pixels: the bytes of a region are in memory, and may be decoded later."""

    @property
    def nbytes(self) -> int:
        """The bytes held until `pixels` is called."""

    def crop(self, part: Region) -> "FetchedPixels":
        """Return a part, to be decoded by itself.

        ``part`` is in pixels of the level, relative to the fetched region's corner, and within it.
        """

    def pixels(self, out: Pixels | None = None) -> Pixels:
        """Decode and return the region.

        Parameters
        ----------
        out
            Array to fill: uint8 [row, column, channel] of the region's shape, with any strides,
            so that planes can be filled without another copy.

        Raises
        ------
        DamagedPixelsError
            Part of the region does not decode.
        """
        ...


@dataclass(frozen=True, slots=True)
class DecodedPixels:
    """A region whose pixels are decoded already."""

    array: Pixels
    """The region's pixels."""

    @property
    def nbytes(self) -> int:
        """The bytes held."""
        return self.array.nbytes

    def crop(self, part: Region) -> "DecodedPixels":
        """Return a view of a part; see `FetchedPixels`."""
        return DecodedPixels(self.array[part.slices])

    def pixels(self, out: Pixels | None = None) -> Pixels:
        """Return the region, copied into ``out`` if that is given."""
        if out is None:
            return self.array
        out[:] = self.array
        return out

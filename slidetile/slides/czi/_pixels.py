"""A region of a CZI's level whose tiles are in memory, and their decoding."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from slidetile.errors import DamagedPixelsError, one_line
from slidetile.raster.pixels import Colour, Pixels, fill_colour, paste
from slidetile.raster.region import Region
from slidetile.slides.blocks import reason_of, stored_bytes
from slidetile.slides.cut_tiles import CutTiles
from slidetile.slides.czi._decoding import decode
from slidetile.slides.czi._levels import TileLevel
from slidetile.slides.slide_file import Extent, held_bytes


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CziPixels:
    """The stored bytes of a region's tiles; see `slidetile.slides.fetched.FetchedPixels`."""

    name: str
    """The file and the level, for messages."""

    number: int
    """The level's number."""

    level: TileLevel
    """The level."""

    channels: int
    """Channels of the pixels: 1 or 3."""

    region: Region
    """In pixels of the level."""

    stored: Sequence[tuple[int, Extent]]
    """Number and bytes of each tile that shows, the lowest first."""

    background: Colour
    """The colour where there is none."""

    decoded: CutTiles
    """Those that are decoded already: a tile is larger than most regions."""

    @property
    def nbytes(self) -> int:
        """The bytes held until `pixels` is called."""
        return held_bytes([extent for _, extent in self.stored])

    def crop(self, part: Region) -> "CziPixels":
        """Return a part with the tiles it needs; see `slidetile.slides.fetched.FetchedPixels`."""
        x, y = self.region.x + part.x, self.region.y + part.y
        own = Region(x=x, y=y, width=part.width, height=part.height)
        kept = [each for each in self.stored if self.level.place(each[0]).intersection(own)]
        return replace(self, region=own, stored=kept)

    def pixels(self, out: Pixels | None = None) -> Pixels:
        """Decode and return the region; see `slidetile.slides.fetched.FetchedPixels`.

        Raises
        ------
        DamagedPixelsError
            A tile does not decode.
        """
        shape = self.region.height, self.region.width, self.channels
        canvas = np.empty(shape, np.uint8) if out is None else out
        fill_colour(canvas, self.background)
        bounds = self.level.bounds
        for number, extent in self.stored:
            tile, place = self._decoded(number, extent), self.level.place(number)
            inside = place.intersection(bounds)
            assert inside is not None, "a tile that shows lies in the level"
            part = tile[inside.relative_to(place).slices]
            paste(canvas, part, inside.x - self.region.x, inside.y - self.region.y)
        return canvas

    def _decoded(self, number: int, extent: Extent) -> Pixels:
        pixels = self.decoded.get(self.number, number)
        if pixels is None:
            pixels = self._decode(number, extent)
            self.decoded.put(self.number, number, pixels)
        return pixels

    def _decode(self, number: int, extent: Extent) -> Pixels:
        try:
            return decode(self.level.tiles[number], stored_bytes(extent))
        except MemoryError:
            raise  # the tile may be sound
        except Exception as error:  # whatever a decoder raises on damaged data
            raise damaged(
                self.level.place(number), self.name, one_line(error), reason_of(error)
            ) from error


def damaged(place: Region, name: str, why: str, reason: str) -> DamagedPixelsError:
    """Return the error of a tile that is damaged.

    Parameters
    ----------
    place
        Where it lies, in pixels of its level.
    name
        The file and the level.
    why, reason
        What is wrong, and the same in words that are equal for all tiles so damaged.
    """
    error = DamagedPixelsError(
        f"The tile at column {place.x}, row {place.y} of {name} does not decode: {why}."
    )
    error.reason = reason
    return error

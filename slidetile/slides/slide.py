"""What a slide is: the protocol every reader fulfils."""

from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Protocol, Self

import numpy as np
from numpy.typing import NDArray

from slidetile.raster import drawing as preview
from slidetile.raster.pixels import Pixels
from slidetile.raster.region import Region
from slidetile.raster.resolution import COARSEST_MPP, FINEST_MPP, Rescaling

Cells = Sequence[tuple[int, int]] | NDArray[np.int64]
"""Native tiles, each by its (column, row) in the grid of its level."""

DAMAGED = b""
"""Stands for a native tile whose bytes are no JPEG at all; see `FetchedTiles.streams`."""


class FetchedTiles(Protocol):
    """Native tiles whose stored bytes are in memory."""

    @property
    def nbytes(self) -> int:
        """The bytes held."""
        ...

    def streams(self) -> list[bytes | None]:
        """Return each tile as a JPEG stream any decoder reads, in the order asked for.

        The scan data are the file's own; only the tables the file keeps elsewhere and the
        colour marker it lacks are put before them. None where the file stores nothing, and
        `DAMAGED` where what it stores is no JPEG.

        Raises
        ------
        NotNativeError
            A tile is encoded otherwise than the level promises: not baseline, not 8-bit, of
            another size or with other components.
        """
        ...


class NativeTiles(Protocol):
    """A level whose compressed JPEG tiles can be copied without decoding them."""

    @property
    def columns(self) -> int:
        """Native tiles in a row."""
        ...

    @property
    def rows(self) -> int:
        """Native tiles in a column."""
        ...

    @property
    def tile_width_px(self) -> int:
        """Width of every native tile, those at the right edge included."""
        ...

    @property
    def tile_height_px(self) -> int:
        """Height of every native tile, those at the bottom edge included."""
        ...

    def fetch(self, tiles: Cells) -> FetchedTiles:
        """Read the stored bytes of ``tiles``.

        Safe to call from several threads.

        Raises
        ------
        SlideReadError
            The file could not be read, or ended too early.
        """
        ...

    def stored_bytes(self, tiles: Cells) -> int:
        """Return how many bytes the file stores for ``tiles``, without reading them."""
        ...


LARGEST_THUMBNAIL_PX = 1 << 25


@dataclass(frozen=True, slots=True, kw_only=True)
class Level:
    """One resolution of a slide's pyramid."""

    width: int
    """Columns, in pixels of this level."""

    height: int
    """Rows, in pixels of this level."""

    downsample: float
    """Level-0 pixels per pixel of this level, the mean of both axes; at least 1."""

    tile_width_px: int | None = None
    """Width of the compressed blocks in the file, or None where the file has none."""

    tile_height_px: int | None = None
    """Height of the compressed blocks in the file, or None where the file has none."""

    def __post_init__(self) -> None:
        if self.width < 1 or self.height < 1:
            raise ValueError(
                f"A level is at least 1×1 pixels, but this one is {self.width}×{self.height}."
            )
        if not self.downsample >= 1:
            raise ValueError(f"A downsample is at least 1, but this one is {self.downsample}.")

    @property
    def size(self) -> tuple[int, int]:
        """(width, height)."""
        return self.width, self.height


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """What identifies the slide a store was made from."""

    name: str
    """File name without folders."""

    size_bytes: int
    """Size of the file."""

    fingerprint: str
    """SHA-256, in hex, over the size and the first and last MiB of the file."""


class FetchedPixels(Protocol):
    """A region whose bytes are in memory: reading is over, decoding may wait."""

    @property
    def nbytes(self) -> int:
        """The bytes held until `pixels` is called."""
        ...

    def crop(self, part: Region) -> "FetchedPixels":
        """Return a part of it, to be decoded by itself.

        ``part`` is in pixels of the level, from the corner of what was fetched, and within it.
        """
        ...

    def pixels(self, out: Pixels | None = None) -> Pixels:
        """Decode and return the region.

        Parameters
        ----------
        out
            Where to put it: uint8 [row, column, channel] of the region's shape, with any
            strides, so that planes can be filled without a copy in between.

        Raises
        ------
        SlideReadError
            Part of the region does not decode.
        """
        ...


class Slide(Protocol):
    """A whole-slide image: a pyramid of levels, read region by region.

    Readers subclass it and share what is implemented here. All methods may be called from
    several threads at once.
    """

    levels: tuple[Level, ...]
    """The pyramid, finest first; ``levels[0]`` is full resolution."""

    mpp: tuple[float, float] | None
    """Micrometres per level-0 pixel as (x, y), or None where unknown."""

    objective_power: float | None
    """What the scanner says of its objective: for people to read, never for arithmetic."""

    icc_profile: bytes | None
    """The colour profile embedded in the file."""

    vendor: str
    """The scanner's maker or the format's name, lower case."""

    reader: str
    """The reader that opened it: "tiff", "openslide" or "array"."""

    channels: int
    """Channels of every pixel: 3 (red, green, blue) or 1 (grey)."""

    rescaling: Rescaling | None = None
    """How level 0 follows from the file's levels, where this is no level 0 of a file."""

    @property
    def original(self) -> "Slide":
        """The slide as its file has it: this very one, unless it is one at another resolution."""
        return self

    @property
    def source(self) -> Source:
        """What identifies the slide's file."""
        ...

    @property
    def background(self) -> tuple[int, int, int]:
        """The colour of what was not scanned: white in brightfield, black in fluorescence."""
        ...

    def fetch(self, region: Region, *, level: int = 0) -> FetchedPixels:
        """Read the bytes of a region and leave the decoding for later.

        ``region`` is in level-0 pixels; see `read_region`.

        Raises
        ------
        SlideReadError
            The file could not be read.
        """
        ...

    def native_tiles(self, level: int) -> NativeTiles | None:
        """Return access to the compressed tiles of a level, or None where they cannot be copied."""
        ...

    def close(self) -> None:
        """Release the file. Closing twice is allowed."""
        ...

    @property
    def width(self) -> int:
        """Columns of level 0."""
        return self.levels[0].width

    @property
    def height(self) -> int:
        """Rows of level 0."""
        return self.levels[0].height

    @property
    def bounds(self) -> Region:
        """The whole slide, in level-0 pixels."""
        return Region(x=0, y=0, width=self.width, height=self.height)

    @property
    def scan_area(self) -> Region:
        """The part that was scanned, in level-0 pixels; the whole slide where none is told.

        OpenSlide calls it the bounds of the non-empty region. QuPath shows this part only, and
        its coordinates begin at its top left corner. It may reach beyond the slide.
        """
        return self.bounds

    def level_region(self, region: Region, level: int) -> Region:
        """Return the pixels of ``level`` that cover a level-0 ``region``, rounded outward."""
        return region.rescaled(self.levels[0].size, self.levels[level].size)

    def read_region(self, region: Region, *, level: int = 0) -> Pixels:
        """Read a region as pixels.

        Parameters
        ----------
        region
            In level-0 pixels, whatever the level. What lies outside the slide is filled with
            the background.
        level
            The level to read from.

        Returns
        -------
        uint8 array [row, column, channel]
            At level 0 of the region's height and width; at a coarser level the pixels that
            cover the region, rounded outward (`level_region`).

        Raises
        ------
        SlideReadError
            Part of the region could not be read or decoded.
        IndexError
            The slide has no such level.
        """
        return self.fetch(region, level=level).pixels()

    def _repr_html_(self) -> str:
        facts = {
            "size": f"{self.width}×{self.height} px",
            "levels": " → ".join(f"1/{level.downsample:.4g}" for level in self.levels),
            "mpp": "unknown" if self.mpp is None else f"{self.mpp[0]:.4g} µm",
            "objective": "unknown"
            if self.objective_power is None
            else f"{self.objective_power:g}×",
            "vendor": self.vendor,
            "reader": self.reader,
        }
        coarsest = self.levels[-1]
        picture = None  # a slide without a pyramid would have to be read whole
        if coarsest.width * coarsest.height <= LARGEST_THUMBNAIL_PX:
            image = self.read_region(self.bounds, level=len(self.levels) - 1)
            picture = preview.draw(image, longest_side_px=preview.NOTEBOOK_SIDE_PX)
        return preview.card(self.source.name, facts, picture)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


def check_mpp(mpp: float | tuple[float, float]) -> tuple[float, float]:
    """Return micrometres per pixel as (x, y).

    Raises
    ------
    ValueError
        A value lies outside 0.05–50 µm, which no slide scanner delivers.
    """
    x, y = (float(mpp), float(mpp)) if isinstance(mpp, int | float) else map(float, mpp)
    if not (is_plausible_mpp(x) and is_plausible_mpp(y)):
        raise ValueError(
            f"A slide's mpp lies between 0.05 and 50 µm per pixel, but this one is {x:g}×{y:g}. "
            "Is it given in µm, not in mm or pixels per cm?"
        )
    return x, y


def is_plausible_mpp(mpp: float) -> bool:
    """Return whether a slide scanner could have delivered this many micrometres per pixel."""
    return FINEST_MPP <= mpp <= COARSEST_MPP

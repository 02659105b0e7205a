"""What a slide is: the protocol every reader fulfils, and a slide held in memory."""

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from types import TracebackType
from typing import Protocol, Self

import numpy as np
from numpy.typing import NDArray

from slidetile import preview
from slidetile.geometry import Region

Pixels = NDArray[np.uint8]
"""Pixels as [row, column, channel], 8 bits each."""

LARGEST_THUMBNAIL_PX = 1 << 25

DAMAGED = b""
"""Stands for a native tile whose bytes are no JPEG at all; see `FetchedTiles.streams`."""


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


class FetchedRegion(Protocol):
    """A region whose bytes are in memory: reading is over, decoding may wait."""

    @property
    def nbytes(self) -> int:
        """The bytes held until `pixels` is called."""
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


class NativeLevel(Protocol):
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

    def fetch(self, tiles: Sequence[tuple[int, int]]) -> FetchedTiles:
        """Read the stored bytes of ``tiles``, each a (column, row) of the native grid.

        Safe to call from several threads.

        Raises
        ------
        SlideReadError
            The file could not be read, or ended too early.
        """
        ...

    def stored_bytes(self, tiles: Sequence[tuple[int, int]]) -> int:
        """Return how many bytes the file stores for ``tiles``, without reading them."""
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

    @property
    def source(self) -> Source:
        """What identifies the slide's file."""
        ...

    @property
    def background(self) -> tuple[int, int, int]:
        """The colour of what was not scanned: white in brightfield, black in fluorescence."""
        ...

    def fetch(self, region: Region, *, level: int = 0) -> FetchedRegion:
        """Read the bytes of a region and leave the decoding for later.

        ``region`` is in level-0 pixels; see `read_region`.

        Raises
        ------
        SlideReadError
            The file could not be read.
        """
        ...

    def native_level(self, level: int) -> NativeLevel | None:
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
    return math.isfinite(mpp) and 0.05 <= mpp <= 50


def paste(canvas: Pixels, pixels: Pixels, at: Region) -> None:
    """Copy ``pixels``, which begin at the corner of ``at``, into the part of ``canvas`` they meet.

    ``at`` is in the canvas's own coordinates and may reach over its edges.
    """
    frame = Region(x=0, y=0, width=canvas.shape[1], height=canvas.shape[0])
    if (shared := frame.intersection(at)) is not None:
        canvas[shared.slices] = pixels[shared.relative_to(at).slices]


def fill_colour(pixels: Pixels, colour: tuple[int, int, int]) -> None:
    """Give an image one colour; where it has one channel, the colour's red."""
    channels = colour[: pixels.shape[2]]
    if len(set(channels)) == 1:
        pixels.fill(channels[0])  # nearly always, and far quicker
    else:
        pixels[:] = channels


def blank(width: int, height: int, channels: int, colour: tuple[int, int, int]) -> Pixels:
    """Return an image of one colour; see `fill_colour`."""
    pixels = np.empty((height, width, channels), np.uint8)
    fill_colour(pixels, colour)
    return pixels


@dataclass(frozen=True, slots=True)
class DecodedRegion:
    """A region that needed no decoding, or came decoded."""

    array: Pixels
    """The region's pixels."""

    @property
    def nbytes(self) -> int:
        """The bytes held."""
        return self.array.nbytes

    def pixels(self, out: Pixels | None = None) -> Pixels:
        """Return the region, copied into ``out`` where that is given."""
        if out is None:
            return self.array
        out[:] = self.array
        return out


class ArraySlide(Slide):
    """A slide held in memory: for notebooks, small images, and every test's double.

    Parameters
    ----------
    pixels
        Level 0, as uint8 [row, column, channel] with 1 or 3 channels, or the levels from
        finest to coarsest. They are not copied.
    mpp
        Micrometres per level-0 pixel, one number or (x, y).
    objective_power, icc_profile, background, name
        As in `Slide` and `Source`.

    Raises
    ------
    TypeError
        An array is not uint8.
    ValueError
        An array has another shape than stated, or a level is larger than the one before it.

    Examples
    --------
    >>> import numpy as np
    >>> slide = ArraySlide(np.zeros((100, 200, 3), np.uint8), mpp=0.5)
    >>> slide.read_region(Region(x=190, y=0, width=20, height=10)).shape
    (10, 20, 3)
    """

    reader = "array"
    vendor = "array"

    def __init__(
        self,
        pixels: Pixels | Sequence[Pixels],
        *,
        mpp: float | tuple[float, float] | None = None,
        objective_power: float | None = None,
        icc_profile: bytes | None = None,
        background: tuple[int, int, int] = (255, 255, 255),
        name: str = "array",
    ) -> None:
        arrays = (pixels,) if isinstance(pixels, np.ndarray) else tuple(pixels)
        _check_arrays(arrays)
        self._arrays = arrays
        self.levels = tuple(_array_level(array, arrays[0]) for array in arrays)
        self.mpp = None if mpp is None else check_mpp(mpp)
        self.objective_power = objective_power
        self.icc_profile = icc_profile
        self.channels = arrays[0].shape[2]
        self._background = background
        self._name = name

    @property
    def background(self) -> tuple[int, int, int]:
        """The colour of what lies outside the arrays."""
        return self._background

    @property
    def source(self) -> Source:
        """The name given, with a fingerprint over all pixels of level 0."""
        pixels = np.ascontiguousarray(self._arrays[0])
        digest = hashlib.sha256(str(pixels.shape).encode())
        digest.update(pixels.data)
        return Source(name=self._name, size_bytes=pixels.nbytes, fingerprint=digest.hexdigest())

    def fetch(self, region: Region, *, level: int = 0) -> DecodedRegion:
        """Copy a region out of its array; see `Slide.read_region`."""
        array = self._arrays[level]
        asked = self.level_region(region, level)
        canvas = blank(asked.width, asked.height, self.channels, self._background)
        whole = Region(x=0, y=0, width=array.shape[1], height=array.shape[0])
        paste(canvas, array, whole.relative_to(asked))
        return DecodedRegion(canvas)

    def native_level(self, level: int) -> None:
        """Return None: arrays hold no compressed tiles."""
        self.levels[level]

    def close(self) -> None:
        """Do nothing: the arrays belong to the caller."""


def _check_arrays(arrays: tuple[Pixels, ...]) -> None:
    if not arrays:
        raise ValueError("A slide needs at least one level, but none was given.")
    for array in arrays:
        if array.dtype != np.uint8:
            raise TypeError(f"A slide's pixels are uint8, but these are {array.dtype}.")
        if array.ndim != 3 or array.shape[2] not in (1, 3) or 0 in array.shape:
            raise ValueError(
                "A slide's pixels are [row, column, channel] with 1 or 3 channels, "
                f"but the shape is {array.shape}."
            )
    for finer, coarser in pairwise(arrays):
        if coarser.shape[0] > finer.shape[0] or coarser.shape[1] > finer.shape[1]:
            raise ValueError(
                f"Levels go from finest to coarsest, but {coarser.shape} follows {finer.shape}."
            )


def _array_level(array: Pixels, finest: Pixels) -> Level:
    (height, width), (full_height, full_width) = array.shape[:2], finest.shape[:2]
    return Level(
        width=width,
        height=height,
        downsample=max(1.0, (full_width / width + full_height / height) / 2),
    )

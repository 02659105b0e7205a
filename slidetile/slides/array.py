"""A slide held in memory."""

import hashlib
from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from slidetile.raster.channels import MOST_CHANNELS, Channel
from slidetile.raster.pixels import WHITE, Colour, Pixels, blank, paste
from slidetile.raster.region import Region
from slidetile.slides.fetched import DecodedPixels
from slidetile.slides.level import Level
from slidetile.slides.mpp import check_mpp
from slidetile.slides.slide import Slide, Source


class ArraySlide(Slide):
    """A slide held in memory, for notebooks, small images and tests.

    Parameters
    ----------
    pixels
        Level 0, as uint8 or uint16 [row, column, channel], or the levels from finest to
        coarsest. They are not copied.
    mpp
        Micrometres per level-0 pixel, one number or (x, y).
    objective_power, icc_profile, background, name, scan_area
        As in `Slide` and `Source`.
    channels
        What each channel shows; None is grey for one channel, red, green and blue for three, and
        numbers for others.
    bits
        Bits of a sample that are used; None is all of them.

    Raises
    ------
    TypeError
        An array is neither uint8 nor uint16.
    ValueError
        An array does not have this shape, a level is larger than the one before it or has other
        channels, channels or bits do not fit the arrays, a sample needs more bits, or the
        background is not three values of 0–255.

    Examples
    --------
    >>> import numpy as np
    >>> slide = ArraySlide(np.zeros((100, 200, 3), np.uint8), mpp=0.5)
    >>> slide.read_region(Region(x=190, y=0, width=20, height=10)).shape
    (10, 20, 3)
    """

    reader = "array"
    vendor = "array"
    why_decoded = "its pixels lie in memory"

    def __init__(  # noqa: PLR0913  each says one thing about the slide
        self,
        pixels: Pixels | Sequence[Pixels],
        *,
        mpp: float | tuple[float, float] | None = None,
        objective_power: float | None = None,
        icc_profile: bytes | None = None,
        background: Colour = WHITE,
        name: str = "array",
        scan_area: Region | None = None,
        channels: Sequence[Channel] | None = None,
        bits: int | None = None,
    ) -> None:
        arrays = (pixels,) if isinstance(pixels, np.ndarray) else tuple(pixels)
        _check_arrays(arrays)
        _check_background(background)
        self.bits = _checked_bits(arrays, bits)
        self.described = None if channels is None else _checked(channels, arrays[0].shape[2])
        self._arrays = arrays
        sizes = [(array.shape[1], array.shape[0]) for array in arrays]
        self._levels = tuple(Level.covering(sizes[0], size) for size in sizes)
        self.mpp = None if mpp is None else check_mpp(mpp)
        self.objective_power = objective_power
        self.icc_profile = icc_profile
        self.channels = arrays[0].shape[2]
        self._background = background
        self._name = name
        self._scan_area = scan_area

    @property
    def levels(self) -> tuple[Level, ...]:
        """The arrays, finest first."""
        return self._levels

    @property
    def background(self) -> Colour:
        """The colour outside the arrays."""
        return self._background

    @property
    def scan_area(self) -> Region:
        """The part that was scanned, if given; otherwise the whole slide."""
        return self._scan_area or self.bounds

    @property
    def source(self) -> Source:
        """The name given, with a fingerprint over all pixels of level 0."""
        pixels = np.ascontiguousarray(self._arrays[0], self.dtype.newbyteorder("<"))
        digest = hashlib.sha256(str(pixels.shape).encode())
        digest.update(pixels.view(np.uint8).data)
        return Source(name=self._name, size_bytes=pixels.nbytes, fingerprint=digest.hexdigest())

    @property
    def name(self) -> str:
        """The name given."""
        return self._name

    def fetch(self, region: Region, *, level: int = 0) -> DecodedPixels:
        """Copy a region out of its array; see `Slide.read_region`."""
        array = self._arrays[level]
        asked = self.level_region(region, level)
        canvas = blank(asked.width, asked.height, self.channels, self._background, self.bits)
        paste(canvas, array, -asked.x, -asked.y)
        return DecodedPixels(canvas)


def _check_background(background: Colour) -> None:
    if len(background) != 3 or not all(0 <= value <= 255 for value in background):
        raise ValueError(
            "A background is (red, green, blue) of 0–255, also where there are other channels, but "
            f"this one is {background}."
        )


def _check_arrays(arrays: tuple[Pixels, ...]) -> None:
    if not arrays:
        raise ValueError("A slide needs at least one level, but none was given.")
    for array in arrays:
        if array.dtype not in (np.uint8, np.uint16):
            raise TypeError(
                f"A slide's pixels are uint8 or uint16, but these are {array.dtype}: bring them to "
                "a range of your choice, and round them."
            )
        if array.ndim != 3 or 0 in array.shape or array.shape[2] > MOST_CHANNELS:
            raise ValueError(
                f"A slide's pixels are [row, column, channel] with up to {MOST_CHANNELS} channels, "
                f"but the shape is {array.shape}."
            )
    for finer, coarser in pairwise(arrays):
        if (coarser.dtype, coarser.shape[2]) != (finer.dtype, finer.shape[2]):
            raise ValueError(
                f"Levels have the same channels and type, but {coarser.shape[2]} of "
                f"{coarser.dtype} follow {finer.shape[2]} of {finer.dtype}."
            )
        if coarser.shape[0] > finer.shape[0] or coarser.shape[1] > finer.shape[1]:
            raise ValueError(
                f"Levels go from finest to coarsest, but {coarser.shape} follows {finer.shape}."
            )


def _checked_bits(arrays: tuple[Pixels, ...], bits: int | None) -> int:
    array = arrays[0]
    whole = 8 * array.dtype.itemsize
    least = 8 if whole == 8 else 9
    if bits is not None and not least <= bits <= whole:
        raise ValueError(f"Samples of {array.dtype} have {least} to {whole} bits, not {bits}.")
    if bits is None or bits == whole:
        return whole
    most = max(int(each.max(initial=0)) for each in arrays)
    if most >> bits:
        raise ValueError(
            f"Samples of {bits} bits are at most {(1 << bits) - 1}, but one is {most}."
        )
    return bits


def _checked(channels: Sequence[Channel], count: int) -> tuple[Channel, ...]:
    if len(channels) != count:
        raise ValueError(f"The pixels have {count} channels, but {len(channels)} are described.")
    return tuple(channels)

"""The whole slide as one coarse image, read in flat memory.

Knows slides and how to shrink them by whole factors. Does not know what the image shows.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from slidetile.choices import TISSUE_MPP, UnfitChoiceError
from slidetile.errors import DamagedPixelsError
from slidetile.raster.block_means import area_average
from slidetile.raster.channels import Channel, plain_channels, shown
from slidetile.raster.pixels import Pixels
from slidetile.raster.region import Region
from slidetile.raster.resolution import mean_downsample
from slidetile.slides.level import Level
from slidetile.slides.replaced import Replaced
from slidetile.slides.slide import Slide

LARGEST_MPP = 500.0
LARGEST_OVERVIEW_PX = 64_000_000
USUAL_OVERVIEW_PX = 2_000_000
LEAST_OVERVIEW_SIDE_PX = 512
ASSUMED_LENGTH_UM = 32_000.0
BLOCK_BYTES = 16 * 2**20
BLOCK_SIDE_PX = 1024
WIDEST_TILE_PX = 2048


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Overview:
    """The whole slide at a low magnification.

    Its pixels are averages over whole blocks of one level, so the last column and row may cover
    less than the others: they reach beyond the slide by less than one overview pixel.

    Raises
    ------
    TypeError
        The image is neither uint8 nor uint16.
    ValueError
        The image is not [row, column, channel], its channels are not those described, or a size
        or the downsample is not positive.
    """

    image: Pixels
    """uint8 or uint16 [row, column, channel], read-only: the slide's own channels and type."""

    slide_width: int
    """Columns of the slide, in level-0 pixels."""

    slide_height: int
    """Rows of the slide, in level-0 pixels."""

    downsample: tuple[float, float]
    """Level-0 pixels per overview pixel, as (x, y)."""

    mpp: tuple[float, float] | None = None
    """Micrometres per overview pixel as (x, y), or None where the slide's are unknown."""

    replaced: Mapping[int, frozenset[tuple[int, int]]] = field(default_factory=dict)
    """The corners of the slide's blocks that were empty or damaged, by level; see `Replaced`."""

    channels: tuple[Channel, ...] | None = None
    """What each channel shows; None where there are one (grey) or three (colours)."""

    bits: int | None = None
    """Bits of a sample; None is all that its type has."""

    def __post_init__(self) -> None:
        if self.image.dtype not in (np.uint8, np.uint16):
            raise TypeError(
                f"An overview's pixels are uint8 or uint16, but these are {self.image.dtype}."
            )
        if self.image.ndim != 3 or 0 in self.image.shape:
            raise ValueError(
                f"An overview is [row, column, channel], but its shape is {self.image.shape}."
            )
        if self.channels is not None and len(self.channels) != self.image.shape[2]:
            raise ValueError(
                f"An overview of {self.image.shape[2]} channels has {len(self.channels)} described."
            )
        numbers = (self.slide_width, self.slide_height, *self.downsample, *(self.mpp or ()))
        if not all(number > 0 and math.isfinite(number) for number in numbers):
            raise ValueError(
                "An overview's slide size, downsample and mpp are positive, but these are "
                f"{self.slide_width}×{self.slide_height} pixels, {self.downsample} and {self.mpp}."
            )
        image = self.image.view()
        image.flags.writeable = False
        object.__setattr__(self, "image", image)

    @property
    def channel_info(self) -> tuple[Channel, ...]:
        """What each channel shows."""
        return self.channels or plain_channels(self.image.shape[2])

    @property
    def seen(self) -> NDArray[np.uint8]:
        """The image as people see it: uint8 [row, column, 1 or 3]; see `channels.shown`."""
        return shown(self.image, self.channel_info, self.sample_bits)

    @property
    def sample_bits(self) -> int:
        """Bits of a sample that are used."""
        return self.bits or 8 * self.image.dtype.itemsize

    @property
    def height(self) -> int:
        """Rows of the image."""
        return int(self.image.shape[0])

    @property
    def width(self) -> int:
        """Columns of the image."""
        return int(self.image.shape[1])

    def to_slide(self, region: Region) -> Region:
        """Return the level-0 pixels that lie under overview pixels, clipped to the slide."""
        under = region.rescaled((1, 1), self.downsample)
        right, bottom = min(under.right, self.slide_width), min(under.bottom, self.slide_height)
        return Region.from_edges(under.x, under.y, right, bottom)

    def __eq__(self, other: object) -> bool:
        """Compare contents, pixel by pixel."""
        if not isinstance(other, Overview):
            return NotImplemented
        mine = (self.slide_width, self.slide_height, self.downsample, self.mpp, self.channels)
        theirs = (
            *(other.slide_width, other.slide_height, other.downsample, other.mpp, other.channels),
        )
        return mine == theirs and np.array_equal(self.image, other.image)

    __hash__ = None  # type: ignore[assignment]  # compared by content, and arrays have no hash


def read_overview(slide: Slide, *, mpp: float | None = None) -> Overview:
    """Read the whole slide at about ``mpp`` micrometres per pixel.

    The coarsest level that is at most √2 times as coarse as the requested resolution is read block
    by block and averaged by the nearest whole factor, so memory holds the
    result and one block of at most about 16 MB, whether the slide has a pyramid or not. The same
    slide always gives the same overview: free memory never decides.

    Parameters
    ----------
    slide
        The slide to read.
    mpp
        Micrometres per pixel to aim at; None is 8, coarser if that would be more than 2
        megapixels, or finer if it would be fewer than 512 pixels across, see `overview_mpp`. A
        slide of unknown resolution is assumed to be 32 mm long.

    Raises
    ------
    ValueError
        ``mpp`` is not positive or above 500, or the overview would exceed 64 megapixels.
    SlideReadError
        The file could not be read. What does not decode is no error: a block of a coarser level is
        averaged from the next finer level, one of level 0 is background; a warning says how many.
    DamagedPixelsError
        Nothing of level 0 decodes, and no coarser level is there in its stead.
    """
    mpp = overview_mpp(slide, mpp)
    number, factor = overview_level(slide, mpp)
    level = slide.levels[number]
    covered = slide.covered_size(number)
    width, height = (
        -(-whole * side // (factor * reach))
        for whole, side, reach in zip(slide.levels[0].size, level.size, covered, strict=True)
    )
    pixel_bytes = slide.channels * slide.dtype.itemsize
    _check_size(width, height, mpp, pixel_bytes)
    image = np.empty((height, width, slide.channels), slide.dtype)
    replaced = Replaced()
    for block in expected_blocks(slide, number, factor):
        shown = slide.fetch_shown(block, level=number, replaced=replaced).pixels()
        pixels = area_average(shown, factor)
        image[block.rescaled((factor, factor), (1, 1)).slices] = pixels
    _repeat_last(image, -(-level.height // factor), -(-level.width // factor))
    _check_any_decodes(slide, replaced)
    known = slide.replaced
    known.update(replaced)
    known.tell(slide.name)
    across, down = factor * covered[0] / level.width, factor * covered[1] / level.height
    return Overview(
        image=image,
        slide_width=slide.width,
        slide_height=slide.height,
        downsample=(across, down),
        mpp=None if slide.mpp is None else (slide.mpp[0] * across, slide.mpp[1] * down),
        replaced=replaced.blocks,
        channels=slide.described,
        bits=slide.bits,
    )


def _check_any_decodes(slide: Slide, replaced: Replaced) -> None:
    blocks = replaced.counts.get(0, 0)
    if blocks < slide.original.levels[0].block_count:  # a view notes the blocks of the file
        return
    what = "its only block does not decode"
    if blocks > 1:
        what = f"not one of its {blocks} blocks decodes"
    raise DamagedPixelsError(
        f"{slide.name}: {what}: the file is damaged or was cut short; copy it again from "
        "its source."
    )


def _repeat_last(image: Pixels, rows: int, columns: int) -> None:
    """Fill what lies behind the level's last row and column: levels may be cut short by a pixel."""
    image[rows:, :columns] = image[rows - 1 : rows, :columns]
    image[:, columns:] = image[:, columns - 1 : columns]


def overview_mpp(slide: Slide, mpp: float | None = None) -> float:
    """Return the resolution an overview aims at, in µm per pixel.

    Parameters
    ----------
    slide
        The slide to be read.
    mpp
        The requested resolution. None is 8 µm, or the least whole multiple of it at which the
        overview has at most 2 megapixels, so that the cost does not grow with the slide; or finer,
        where its longest side would have fewer than 512 pixels, as that of a single field.

    Raises
    ------
    ValueError
        ``mpp`` is not positive or above 500.
    """
    if mpp is not None:
        check_overview_mpp(mpp)
        return float(mpp)
    finest, multiple = _wanted_downsample(slide, TISSUE_MPP), 1
    most_downsampled = max(1.0, max(slide.width, slide.height) / LEAST_OVERVIEW_SIDE_PX)
    if finest > most_downsampled:
        return TISSUE_MPP * most_downsampled / finest
    most = min(USUAL_OVERVIEW_PX, most_overview_px(2 * slide.channels))  # whatever the bits
    while _overview_px(slide.levels, multiple * finest) > most:
        multiple += 1
    return multiple * TISSUE_MPP


def overview_level(slide: Slide, mpp: float | None = None) -> tuple[int, int]:
    """Return the level of which `read_overview` makes the overview, and the factor it averages by.

    Raises
    ------
    ValueError
        ``mpp`` is not positive or above 500.
    """
    return _level_and_factor(slide.levels, _wanted_downsample(slide, overview_mpp(slide, mpp)))


def _overview_px(levels: tuple[Level, ...], wanted: float) -> int:
    number, factor = _level_and_factor(levels, wanted)
    return -(-levels[number].width // factor) * -(-levels[number].height // factor)


def check_overview_mpp(mpp: float) -> None:
    """Check that an overview may have this many micrometres per pixel.

    Raises
    ------
    ValueError
        ``mpp`` is not positive or above 500.
    """
    if not 0 < mpp <= LARGEST_MPP:
        raise ValueError(f"An overview has more than 0 and up to 500 µm per pixel, not {mpp:g}.")


def _wanted_downsample(slide: Slide, mpp: float) -> float:
    if slide.mpp is None:
        return mpp * max(slide.width, slide.height) / ASSUMED_LENGTH_UM
    return mpp / ((slide.mpp[0] + slide.mpp[1]) / 2)


def _level_and_factor(levels: tuple[Level, ...], wanted: float) -> tuple[int, int]:
    downsamples = [mean_downsample(level.downsample) for level in levels]
    fine_enough = (i for i, own in enumerate(downsamples) if own <= wanted * math.sqrt(2))
    number = max(fine_enough, default=0)
    return number, max(1, round(wanted / downsamples[number]))


def most_overview_px(pixel_bytes: int) -> int:
    """Return the most pixels of an overview of so many bytes each: 64 million in colour or grey."""
    return LARGEST_OVERVIEW_PX * 3 // max(3, pixel_bytes)


def _check_size(width: int, height: int, mpp: float, pixel_bytes: int) -> None:
    most = most_overview_px(pixel_bytes)
    if width * height > most:
        coarser = mpp * math.sqrt(width * height / most)
        raise UnfitChoiceError(
            f"An overview has at most {most // 10**6} megapixels, but at "
            f"{mpp:g} µm per pixel this slide's has {width}×{height} pixels. Ask for "
            f"{math.ceil(coarser)} µm or more, and check that the slide's own mpp is right."
        )


def overview_blocks(level: Level, factor: int, pixel_bytes: int) -> Iterator[Region]:
    """Cut a level into regions of whole averaging blocks and, if they fit, whole native tiles."""
    width = _aligned(factor, level.tile_width_px)
    if (level.tile_width_px or 0) > WIDEST_TILE_PX:
        # Strips: a block as wide as the slide decodes each of them only once.
        width = -(-level.width // factor) * factor
    height = _aligned(factor, level.tile_height_px, BLOCK_BYTES // (width * pixel_bytes))
    for y in range(0, level.height, height):
        for x in range(0, level.width, width):
            yield Region.from_edges(
                x, y, min(x + width, level.width), min(y + height, level.height)
            )


def expected_blocks(slide: Slide, number: int, factor: int) -> list[Region]:
    """Return the blocks of `overview_blocks`, once the slide has been told that they are read."""
    level = slide.levels[number]
    pixel_bytes = slide.channels * slide.dtype.itemsize
    blocks = list(overview_blocks(level, factor, pixel_bytes))
    rows = {block.y: block.bottom for block in blocks}
    bands = [Region.from_edges(0, y, level.width, bottom) for y, bottom in rows.items()]
    slide.expect(bands, level=number)
    return blocks


def _aligned(factor: int, tile_px: int | None, longest: int = WIDEST_TILE_PX) -> int:
    """Return the largest side up to ``longest`` that is a multiple of the factor and the tile."""
    longest = min(longest, max(BLOCK_SIDE_PX, tile_px or 1))
    step = math.lcm(factor, tile_px or 1)
    if step > longest:
        step = factor
    return max(step, longest // step * step)

"""What a slide is: the base class of all slides."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from slidetile import _upward
from slidetile.counts import how_many
from slidetile.raster import drawing as preview
from slidetile.raster.channels import (
    Channel,
    are_plain,
    channel_facts,
    dtype_of,
    plain_channels,
    shown,
)
from slidetile.raster.mapping import Mapping
from slidetile.raster.pixels import WHITE, Colour, Pixels
from slidetile.raster.region import Region
from slidetile.raster.resolution import Rescaling, mean_downsample
from slidetile.raster.srgb import Conversion
from slidetile.slides._filled import FilledPixels
from slidetile.slides.fetched import DecodedPixels, FetchedPixels
from slidetile.slides.level import Level
from slidetile.slides.native import NativeTiles
from slidetile.slides.plane_choice import EVERYTHING, PlaneChoice
from slidetile.slides.replaced import Replaced

if TYPE_CHECKING:  # a store's reader knows slides, and no files
    from slidetile.slides.file_state import FileStates

LARGEST_THUMBNAIL_PX = 1 << 25


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """What identifies the slide a store was made from."""

    name: str
    """File name without folders."""

    size_bytes: int
    """Size of the file; of a folder, of those files that the fingerprint covers."""

    fingerprint: str
    """SHA-256, in hex, over the size and the first and last MiB of the file; of a folder, over its
    metadata and its coarsest level."""


class Slide(ABC):
    """A whole-slide image: a pyramid of levels, read region by region.

    A reader is a subclass. It defines `levels`, `source`, `reader` and `fetch`, and sets the other
    attributes that it knows; without one of the four it cannot be instantiated. All methods may
    be called from several threads at once.

    Raises
    ------
    TypeError
        The subclass lacks one of the four.
    """

    mpp: tuple[float, float] | None = None
    """Micrometres per level-0 pixel as (x, y), or None where unknown."""

    objective_power: float | None = None
    """Objective power as the scanner states it: for people to read, never for arithmetic."""

    icc_profile: bytes | None = None
    """The colour profile embedded in the file."""

    vendor: str = "unknown"
    """The scanner's maker or the format's name, lower case."""

    channels: int = 3
    """Channels of every pixel: 3 (red, green, blue), 1 (grey), or any number of others."""

    bits: int = 8
    """Bits of a sample: 8, or 9–16 in samples of 16 bits."""

    described: tuple[Channel, ...] | None = None
    """What each channel shows; None where the file does not say it: see `channel_info`."""

    planes: PlaneChoice = EVERYTHING
    """Which of the file's channels, depths and times these are."""

    mapping: Mapping | None = None
    """How samples of more bits were mapped onto 8; None where they are the file's own."""

    window: str | None = None
    """The window that was asked for, of which the mapping follows; None without a mapping."""

    colour_note: str | None = None
    """Where two statements of the file about its colours contradict each other: what they say, and
    which is believed, to follow the slide's name. None where they agree."""

    why_decoded: str | None = None
    """Why the tiles of no level can be copied, in one short phrase; None where some can."""

    rescaling: Rescaling | None = None
    """How level 0 is made from the file's levels; None if it is the file's level 0."""

    conversion: Conversion | None = None
    """How the pixels were converted to sRGB; None if their colours are the file's own."""

    @property
    @abstractmethod
    def levels(self) -> tuple[Level, ...]:
        """The pyramid, finest first; ``levels[0]`` is full resolution."""

    @property
    def channel_info(self) -> tuple[Channel, ...]:
        """What each channel shows: its name and colour."""
        return plain_channels(self.channels) if self.described is None else self.described

    @property
    def is_plain(self) -> bool:
        """Whether channels are grey, or red, green and blue, so that pixels are what is seen."""
        return are_plain(self.channel_info)

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the samples: uint8, or uint16 where they have more than 8 bits."""
        return dtype_of(self.bits)

    @property
    @abstractmethod
    def source(self) -> Source:
        """What identifies the slide's file; it may take a while, see `name`."""

    @property
    def name(self) -> str:
        """The file's name, for messages; for most slides known without reading the file."""
        return self.source.name

    @property
    @abstractmethod
    def reader(self) -> str:
        """The name of the reader that opened it, such as "tiff", "openslide" or "array"."""

    @abstractmethod
    def fetch(self, region: Region, *, level: int = 0) -> FetchedPixels:
        """Read the bytes of a region, to be decoded later.

        ``region`` is in level-0 pixels; see `read_region`. A reader that cannot separate the two
        steps returns `DecodedPixels`.

        Raises
        ------
        SlideReadError
            The file could not be read.
        """

    def fetch_noting(self, region: Region, *, level: int = 0, replaced: Replaced) -> FetchedPixels:
        """Read the bytes of a region as `fetch` does, and note elsewhere what is replaced.

        Parameters
        ----------
        region, level
            As in `fetch`.
        replaced
            Where blocks that are averaged from the next finer level are noted, in place of the
            slide's own `replaced`.

        Raises
        ------
        SlideReadError
            The file could not be read.
        """
        del replaced  # a reader of one's own replaces nothing
        return self.fetch(region, level=level)

    @property
    def original(self) -> "Slide":
        """The slide at its file's own resolution; this slide itself, unless it was rescaled."""
        return self

    @property
    def background(self) -> Colour:
        """The colour of what was not scanned: white in brightfield, black in fluorescence."""
        return WHITE

    def native_tiles(self, level: int) -> NativeTiles | None:
        """Return access to the compressed tiles of a level, or None where they cannot be copied.

        Raises
        ------
        IndexError
            The slide has no level of this number.
        """
        self.levels[level]
        return None

    def native_obstacle(self, level: int) -> str | None:
        """Return why the tiles of a level cannot be copied, in one short phrase; None if they can.

        Raises
        ------
        IndexError
            The slide has no level of this number.
        """
        if self.native_tiles(level) is not None:
            return None
        return self.why_decoded or f"the reader {self.reader} gives out no compressed tiles"

    @property
    def files(self) -> "FileStates":
        """Its files, as they were when it was opened; none of a slide in memory."""
        return {}

    @property
    def is_afar(self) -> bool:
        """Whether it is read from object storage, where it lies: each request takes its time."""
        return False

    def expect(self, regions: Sequence[Region], *, level: int) -> None:
        """Announce regions, in pixels of their level, that will be read in this order.

        A slide in object storage fetches them ahead, in few requests; others have nothing to do.
        """
        self.levels[level]
        del regions

    def holes(self, region: Region, *, level: int) -> Sequence[Region]:
        """Return the blocks of a coarser level that the file leaves out of it.

        Parameters
        ----------
        region
            In pixels of the level.
        level
            The level.

        Returns
        -------
        sequence of Region
            The blocks that meet the region, in pixels of the level, of which the file stores
            nothing although it stores finer pixels there. What was not scanned is stored nowhere.
        """
        self.levels[level]
        del region
        return ()

    def fetch_shown(
        self, region: Region, *, level: int, replaced: Replaced | None = None
    ) -> FetchedPixels:
        """Read the bytes of a region that is to be looked at: damage is no error.

        Parameters
        ----------
        region
            In pixels of the level.
        level
            The level. Blocks of it that do not decode show the background at level 0, and are
            averaged from the next finer level elsewhere.
        replaced
            Where the replaced blocks are noted; None is the slide's own `replaced`.

        Raises
        ------
        SlideReadError
            The file could not be read.
        """
        return FilledPixels.read(
            self,
            region,
            level,
            background=lambda: self.background,
            replaced=self.replaced if replaced is None else replaced,
            is_shown=True,
        )

    def fetch_level(
        self, region: Region, level: int, background: Callable[[], Colour]
    ) -> FetchedPixels:
        """Read the bytes of a region that is given in pixels of its own level.

        Parameters
        ----------
        region
            The region, which may reach beyond the level.
        level
            The level, counted from 0.
        background
            Finds the colour of what was not scanned. It may read a whole level, so it is called
            only where that colour shows.

        Raises
        ------
        SlideReadError
            The file could not be read.
        DamagedPixelsError
            Part of the region does not decode.
        """
        del background  # a slide in general knows its own
        return DecodedPixels(self.read_block(region, level=level))

    @property
    def replaced(self) -> Replaced:
        """The blocks that were replaced so far, being empty or damaged; see `read_region`."""
        return Replaced()

    def close(self) -> None:  # noqa: B027  a slide that holds no file has nothing to release
        """Release the file. Closing twice is allowed."""

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
        """The part that was scanned, in level-0 pixels; the whole slide if the file states none.

        OpenSlide calls it the bounds of the non-empty region. QuPath shows this part only, and
        its coordinates begin at its top left corner. It may reach beyond the slide.
        """
        return self.bounds

    @property
    def canvas(self) -> Region:
        """The canvas that other programs show, in level-0 pixels; the slide, unless it is a part.

        Its corner is where their coordinates begin: above and left of the slide, if that is the
        only scanned area of a Leica SCN.
        """
        return self.bounds

    def covered_size(self, level: int) -> tuple[int, int]:
        """Return the (width, height) that ``level`` covers, in level-0 pixels.

        Where its downsample is a whole number, that is a multiple of its size, which may end up to
        one of its pixels before the end of the slide, or behind it.
        """
        found = self.levels[level]
        parts = zip(found.size, found.downsample, self.levels[0].size, strict=True)
        width, height = (
            side * int(downsample) if downsample.is_integer() else whole
            for side, downsample, whole in parts
        )
        return width, height

    def level_region(self, region: Region, level: int) -> Region:
        """Return the pixels of ``level`` that cover a level-0 ``region``, rounded outward.

        A region that ends within the slide ends within the level, which may be cut up to a pixel
        short of it.
        """
        size = self.levels[level].size
        got = region.rescaled(self.covered_size(level), size)
        right, bottom = got.right, got.bottom
        if region.right <= self.width:
            right = min(right, size[0])
        if region.bottom <= self.height:
            bottom = min(bottom, size[1])
        return Region.from_edges(min(got.x, right - 1), min(got.y, bottom - 1), right, bottom)

    def slide_region(self, block: Region, level: int) -> Region:
        """Return the level-0 pixels that a ``block`` of ``level`` covers, rounded outward."""
        return block.rescaled(self.levels[level].size, self.covered_size(level))

    def read_region(self, region: Region, *, level: int = 0) -> Pixels:
        """Read a region as pixels.

        Parameters
        ----------
        region
            In level-0 pixels, whatever the level. What lies outside the slide is filled with
            the background.
        level
            The level to read from. In a file, a block of a coarser level that is empty or does
            not decode is averaged from the next finer level, as far as that decodes.

        Returns
        -------
        array [row, column, channel]
            Of the slide's `dtype`. At level 0 of the region's height and width; at a coarser level
            the pixels that cover the region, rounded outward (`level_region`).

        Raises
        ------
        SlideReadError
            The file could not be read.
        DamagedPixelsError
            Part of the region was read, and does not decode.
        IndexError
            The slide has no level of this number.
        """
        return self.fetch(region, level=level).pixels()

    def read_block(self, block: Region, *, level: int) -> Pixels:
        """Read a block that is given in pixels of its level.

        Raises
        ------
        SlideReadError, DamagedPixelsError
            As in `read_region`.
        """
        asked = self.slide_region(block, level)
        pixels = self.read_region(asked, level=level)
        # Where the levels' sizes are not whole multiples, rounding outward adds a pixel at the rim.
        return pixels[block.relative_to(self.level_region(asked, level)).slices]

    def view(
        self,
        recipe: "object | None" = None,
        *,
        annotations: "object | None" = None,
        height: int = 600,
    ) -> Any:
        """Look at the slide in a notebook: zoom into it, and with a recipe plan it live.

        Parameters
        ----------
        recipe
            A `Recipe`: its plan is shown, too, and made again whenever a setting is moved.
        annotations
            What was drawn on the slide, to be shown over it: a file, a folder of files with the
            names of the slides, an `AnnotationsSpec`, or `Annotations`; the
            recipe's own where none are given.
        height
            Height in pixels, 200–4,000.

        Returns
        -------
        slidetile.viewer.doors.notebook.widget.ViewWidget
            The widget. The slide stays open meanwhile.

        Raises
        ------
        ImportError
            The extra notebook is not installed.
        SlidetileError
            It, or the annotations, cannot be read.
        """
        return _upward.view(self, recipe=recipe, annotations=annotations, height=height)

    def __repr__(self) -> str:
        mpp = "mpp unknown" if self.mpp is None else f"{self.mpp[0]:.4g} µm per pixel"
        return (
            f"{type(self).__name__}({self.name!r}: {self.width}×{self.height} px, {mpp}, "
            f"{how_many(len(self.levels), 'levels')}, {how_many(self.channels, 'channels')} of "
            f"{self.bits} bits, read by {self.reader})"
        )

    def _repr_html_(self) -> str:
        facts = {
            "size": f"{self.width}×{self.height} px",
            "levels": " → ".join(
                f"1/{mean_downsample(level.downsample):.4g}" for level in self.levels
            ),
            "mpp": "unknown" if self.mpp is None else f"{self.mpp[0]:.4g} µm",
            "objective": "unknown"
            if self.objective_power is None
            else f"{self.objective_power:g}×",
            "vendor": self.vendor,
            "reader": self.reader,
            **channel_facts(self.channel_info, self.bits),
        }
        coarsest = self.levels[-1]
        picture = None  # a slide without a pyramid would have to be read whole
        if coarsest.width * coarsest.height <= LARGEST_THUMBNAIL_PX:
            whole = Region(x=0, y=0, width=coarsest.width, height=coarsest.height)
            image = self.fetch_shown(whole, level=len(self.levels) - 1).pixels()
            seen = shown(image, self.channel_info, self.bits)
            picture = preview.draw(seen, longest_side_px=preview.NOTEBOOK_SIDE_PX)
        return preview.card(self.name, facts, picture)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

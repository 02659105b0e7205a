"""A slide at another resolution than its file's."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from slidetile.raster.pixels import Colour
from slidetile.raster.region import Region
from slidetile.raster.resolution import Rescaling
from slidetile.slides.fetched import FetchedPixels
from slidetile.slides.level import Level
from slidetile.slides.replaced import Replaced
from slidetile.slides.slide import Slide, Source

if TYPE_CHECKING:  # a store's reader knows slides, and no files
    from slidetile.slides.file_state import FileStates


class SlideView(Slide):
    """A slide at another resolution: levels and pixels change, everything else is the file's.

    Parameters
    ----------
    original
        The slide. Closing the view closes it.
    rescaling
        How the view's level 0 follows from the slide's levels.
    numbers
        The slide's levels that are levels of the view, unchanged.
    made
        A finer level that the view adds before them.
    """

    def __init__(
        self,
        original: Slide,
        rescaling: Rescaling,
        numbers: Sequence[int],
        made: Level | None = None,
    ) -> None:
        self._original = original
        self._numbers = tuple(numbers)
        self.rescaling = rescaling
        self.mpp = rescaling.mpp
        self.objective_power = original.objective_power
        self.icc_profile = original.icc_profile
        self.vendor = original.vendor
        self.colour_note = original.colour_note
        self.channels, self.bits = original.channels, original.bits
        self.described, self.planes = original.described, original.planes
        self.mapping, self.window = original.mapping, original.window
        own = [
            Level.covering(
                rescaling.size,
                level.size,
                tile_width_px=level.tile_width_px,
                tile_height_px=level.tile_height_px,
            )
            for level in (original.levels[number] for number in self._numbers)
        ]
        self._levels = (*([] if made is None else [made]), *own)

    def fetch(self, region: Region, *, level: int = 0) -> FetchedPixels:
        """Read the bytes of a region; see `slidetile.slides.slide.Slide.fetch`."""
        return self.fetch_noting(region, level=level, replaced=self.replaced)

    @property
    def levels(self) -> tuple[Level, ...]:
        """The pyramid, finest first."""
        return self._levels

    @property
    def reader(self) -> str:
        """The name of the slide's reader."""
        return self._original.reader

    @property
    def original(self) -> Slide:
        """The slide at its file's own resolution."""
        return self._original

    @property
    def source(self) -> Source:
        """What identifies the slide's file."""
        return self._original.source

    @property
    def name(self) -> str:
        """The file's name."""
        return self._original.name

    @property
    def files(self) -> "FileStates":
        """All files of which the slide consists."""
        return self._original.files

    @property
    def is_afar(self) -> bool:
        """Whether the slide is read from object storage."""
        return self._original.is_afar

    @property
    def background(self) -> Colour:
        """The slide's background colour."""
        return self._original.background

    @property
    def scan_area(self) -> Region:
        """The slide's scan area, in pixels of the view's level 0, rounded outward."""
        return self._original.scan_area.rescaled(self._original.levels[0].size, self.levels[0].size)

    @property
    def replaced(self) -> Replaced:
        """The blocks of the slide that were replaced so far."""
        return self._original.replaced

    def close(self) -> None:
        """Close the slide. Closing twice is allowed."""
        self._original.close()


def fetch_block(slide: Slide, block: Region, level: int, replaced: Replaced) -> FetchedPixels:
    """Read the bytes of a block that is given in pixels of its own level; see `Slide.fetch_noting`.

    The level-0 pixels that lie wholly in the block are requested. If they do not give exactly the
    block, since its pixels are hardly larger, it is cut out of a region one pixel wider.

    Raises
    ------
    SlideReadError
        The file could not be read.
    """
    size, whole = slide.levels[level].size, slide.covered_size(level)
    asked = block.rescaled(size, whole, rounding="inward")
    if asked is None or slide.level_region(asked, level) != block:
        asked = block.rescaled(size, whole)
    got = slide.level_region(asked, level)
    fetched = slide.fetch_noting(asked, level=level, replaced=replaced)
    return fetched if got == block else fetched.crop(block.relative_to(got))

"""A slide whose pixels are changed as they are decoded: of the same size, with other samples."""

from abc import abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from slidetile.raster.pixels import Colour, Pixels
from slidetile.raster.region import Region
from slidetile.slides.fetched import FetchedPixels
from slidetile.slides.level import Level
from slidetile.slides.replaced import Replaced
from slidetile.slides.slide import Slide, Source

if TYPE_CHECKING:  # a store's reader knows slides, and no files
    from slidetile.slides.file_state import FileStates

Change = Callable[[Pixels, Pixels | None], Pixels]
"""Returns changed pixels, in the second array if that is given."""


@dataclass(frozen=True, slots=True)
class ChangedPixels:
    """A region that is changed when it is decoded; see `slidetile.slides.fetched`."""

    fetched: FetchedPixels
    """The region as it was."""

    change: Change
    """What is done to it."""

    @property
    def nbytes(self) -> int:
        """The bytes held until `pixels` is called."""
        return self.fetched.nbytes

    def crop(self, part: Region) -> "ChangedPixels":
        """Return a part of it."""
        return replace(self, fetched=self.fetched.crop(part))

    def pixels(self, out: Pixels | None = None) -> Pixels:
        """Decode and change the region.

        Raises
        ------
        SlideReadError, DamagedPixelsError
            As of the region as it was.
        """
        return self.change(self.fetched.pixels(), out)


class ChangedSlide(Slide):
    """A slide with other samples: a subclass sets what of them differs, and changes pixels.

    Parameters
    ----------
    inner
        The slide. Closing the result closes it.
    """

    def __init__(self, inner: Slide) -> None:
        self._inner = inner
        self.mpp = inner.mpp
        self.objective_power = inner.objective_power
        self.icc_profile = inner.icc_profile
        self.vendor = inner.vendor
        self.colour_note = inner.colour_note
        self.rescaling = inner.rescaling
        self.channels, self.bits = inner.channels, inner.bits
        self.described, self.planes = inner.described, inner.planes
        self.mapping, self.window = inner.mapping, inner.window
        self.conversion = inner.conversion

    @abstractmethod
    def change(self, pixels: Pixels, out: Pixels | None = None) -> Pixels:
        """Return changed pixels, in ``out`` if that is given."""

    @abstractmethod
    def changing(self, inner: Slide) -> Slide:
        """Return another slide, changed in the same way."""

    @abstractmethod
    def native_obstacle(self, level: int) -> str | None:
        """Return why tiles cannot be copied; see `slidetile.slides.slide.Slide.native_obstacle`."""

    @property
    def levels(self) -> tuple[Level, ...]:
        """The pyramid, finest first."""
        return self._inner.levels

    @property
    def source(self) -> Source:
        """What identifies the slide's file."""
        return self._inner.source

    @property
    def name(self) -> str:
        """The file's name."""
        return self._inner.name

    @property
    def reader(self) -> str:
        """The name of the slide's reader."""
        return self._inner.reader

    @property
    def original(self) -> Slide:
        """The slide at its file's own resolution, with its samples changed."""
        original = self._inner.original
        return self if original is self._inner else self.changing(original)

    @property
    def background(self) -> Colour:
        """The slide's background colour."""
        return self._inner.background

    @property
    def scan_area(self) -> Region:
        """The slide's scan area."""
        return self._inner.scan_area

    @property
    def canvas(self) -> Region:
        """The canvas that other programs show."""
        return self._inner.canvas

    @property
    def replaced(self) -> Replaced:
        """The blocks of the slide that were replaced so far."""
        return self._inner.replaced

    def fetch(self, region: Region, *, level: int = 0) -> FetchedPixels:
        """Read the bytes of a region; see `slidetile.slides.slide.Slide.fetch`."""
        return self._changed(self._inner.fetch(region, level=level))

    def fetch_noting(self, region: Region, *, level: int = 0, replaced: Replaced) -> FetchedPixels:
        """Read the bytes of a region; see `slidetile.slides.slide.Slide.fetch_noting`."""
        return self._changed(self._inner.fetch_noting(region, level=level, replaced=replaced))

    def fetch_shown(
        self, region: Region, *, level: int, replaced: Replaced | None = None
    ) -> FetchedPixels:
        """Read the bytes of a region; see `slidetile.slides.slide.Slide.fetch_shown`."""
        return self._changed(self._inner.fetch_shown(region, level=level, replaced=replaced))

    @property
    def files(self) -> "FileStates":
        """All files of which the slide consists."""
        return self._inner.files

    @property
    def is_afar(self) -> bool:
        """Whether the slide is read from object storage."""
        return self._inner.is_afar

    def expect(self, regions: Sequence[Region], *, level: int) -> None:
        """Announce regions; see `slidetile.slides.slide.Slide.expect`."""
        self._inner.expect(regions, level=level)

    def holes(self, region: Region, *, level: int) -> Sequence[Region]:
        """Return the empty blocks of a coarser level; see `slidetile.slides.slide.Slide.holes`."""
        return self._inner.holes(region, level=level)

    def close(self) -> None:
        """Close the slide. Closing twice is allowed."""
        self._inner.close()

    def _changed(self, fetched: FetchedPixels) -> FetchedPixels:
        return ChangedPixels(fetched, self.change)

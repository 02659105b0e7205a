"""Slides in DICOM files: a series of whole-slide images, whose levels are files.

pydicom parses the headers, `os.pread` fetches the frames, imagecodecs decodes them.
"""

import logging
from collections.abc import Callable, Iterator, Sequence

from slidetile.cloud.address import Address, Location
from slidetile.errors import SlideReadError, UnsupportedSlideError
from slidetile.raster.pixels import WHITE, Colour
from slidetile.raster.region import Region
from slidetile.runtime.files import as_text
from slidetile.slides.dicom._files import OpenFiles
from slidetile.slides.dicom._frames import Frames
from slidetile.slides.dicom._native import DicomNativeTiles, obstacle
from slidetile.slides.dicom._pixels import DicomPixels, sound
from slidetile.slides.dicom._series import LevelParts, read_levels
from slidetile.slides.file_slide import FileSlide
from slidetile.slides.level import Level
from slidetile.slides.mpp import choose_mpp
from slidetile.slides.reader import refusal
from slidetile.slides.slide_file import GROUP_BYTES, expect_all

_log = logging.getLogger(__name__)


class DicomSlide(FileSlide):
    """A slide in the files of a DICOM series.

    Whichever of the files is named, the slide is the same: its `path` is that of level 0.

    Parameters
    ----------
    path
        Any one of the files.
    mpp
        Micrometres per level-0 pixel, one number or (x, y), in place of what the file says.

    Raises
    ------
    SlideReadError
        A file cannot be read, or is damaged.
    UnsupportedSlideError
        It is of no whole slide, or stored in an unknown way.
    """

    reader = "dicom"
    vendor = "dicom"
    """OpenSlide's name; the maker's own is free text."""

    def __init__(self, path: Location, *, mpp: float | tuple[float, float] | None = None) -> None:
        self._files = OpenFiles()
        try:
            levels = read_levels(path)
            finest = levels[0].first
            super().__init__(finest.path, mpp=mpp)
            levels = self._open(levels)
            if isinstance(finest.path, Address):  # what was read of their headers is at hand
                self._files.hold([part for level in levels for part in level.parts])
            self.mpp = choose_mpp(
                mpp, finest.mpp, finest.path, objective_power=finest.objective_power
            )
        except (SlideReadError, UnsupportedSlideError) as error:
            self._files.close()
            raise refusal(error, path) from error
        self.state = finest.state
        self.beside = {
            part.path: part.state for level in levels for part in level.parts if part is not finest
        }
        self.objective_power = finest.objective_power
        self.icc_profile = finest.icc_profile
        self.channels, self.bits = finest.samples, finest.bits

    def _open(self, found: Sequence[LevelParts]) -> tuple[LevelParts, ...]:
        """Place the frames of levels; return those whose frames lie in a grid."""
        self._frames = list(self._placed(found))
        levels = tuple(frames.level for frames in self._frames)
        self._encodings = [level.first.encoding for level in levels]
        self._decoders = [encoding.decoder() for encoding in self._encodings]
        self._levels = tuple(
            Level.covering(
                levels[0].size,
                level.size,
                tile_width_px=level.first.frame_size[0],
                tile_height_px=level.first.frame_size[1],
            )
            for level in levels
        )
        self._native = {
            number: DicomNativeTiles(frames, encoding)
            for number, (frames, encoding) in enumerate(
                zip(self._frames, self._encodings, strict=True)
            )
            if obstacle(frames, encoding) is None
        }
        self.colour_note = self._contradiction(levels)
        if self.colour_note is not None:
            _log.warning("%s %s.", as_text(levels[0].first.path.name), self.colour_note)
        return levels

    def _placed(self, found: Sequence[LevelParts]) -> Iterator[Frames]:
        """Yield the frames of each level; a warning names coarser levels that cannot be read."""
        for level in found:
            try:
                yield Frames(level, self._files)
            except UnsupportedSlideError as error:
                if level is found[0]:
                    raise
                name = as_text(level.first.path.name)
                _log.warning(
                    "A coarser level is left out: %s, a file of its series: %s.", name, error
                )

    def _contradiction(self, levels: Sequence[LevelParts]) -> str | None:
        """Return what of the colours contradicts itself, by the first frame of each level."""
        for level, encoding in zip(levels, self._encodings, strict=True):
            if (told := encoding.contradiction(level.first.frame_head)) is not None:
                return told
        return None

    @property
    def levels(self) -> tuple[Level, ...]:
        """The images of the series that show the scanned tissue, finest first."""
        return self._levels

    def fetch_level(
        self, region: Region, level: int, background: Callable[[], Colour]
    ) -> DicomPixels:
        """Read the bytes of a region; see `slidetile.slides.file_slide.FileSlide.fetch_level`."""
        self._check_open()
        frames, encoding = self._frames[level], self._encodings[level]
        name = f"level {level} of {self.path.name}"
        cells = list(frames.cells(region))
        stored = sound(cells, frames.read(cells, region), name)
        is_covered = len(stored) == len(cells) and frames.bounds.contains(region)
        return DicomPixels(
            name=name,
            frames=frames,
            decode=self._decoders[level],
            channels=self.channels,
            is_inverted=encoding.is_inverted,
            region=region,
            fetched=region,
            stored=stored,
            is_covered=is_covered,
            background=WHITE if is_covered else background(),
            bits=self.bits,
        )

    def expect(self, regions: Sequence[Region], *, level: int) -> None:
        """Announce regions; see `slidetile.slides.slide.Slide.expect`."""
        if isinstance(self.path, Address):
            frames = self._frames[level]
            places = (
                each for region in regions for each in frames.places(list(frames.cells(region)))
            )
            expect_all(places, is_kept=True, group_bytes=GROUP_BYTES)

    def holes(self, region: Region, *, level: int) -> Sequence[Region]:
        """Return the empty blocks of a coarser level; see `slidetile.slides.slide.Slide.holes`."""
        frames = self._frames[level]
        if not level:
            return ()
        cells = list(frames.cells(region))
        stored = zip(cells, frames.stores(cells), strict=True)
        found = (
            frames.region(cell).intersection(frames.bounds)
            for cell, is_stored in stored
            if not is_stored
        )
        return [block for block in found if block is not None and self._has_finer(block, level)]

    def _has_finer(self, block: Region, level: int) -> bool:
        """Return whether a file stores finer pixels under a block of a level."""
        size = self._levels[level].size
        finer = zip(self._frames[:level], self._levels, strict=False)
        return any(
            frames.stores(list(frames.cells(block.rescaled(size, own.size)))).any()
            for frames, own in finer
        )

    def native_tiles(self, level: int) -> DicomNativeTiles | None:
        """Return access to a level's JPEG frames, or None where they cannot be copied."""
        return self._native.get(range(len(self.levels))[level])

    def native_obstacle(self, level: int) -> str | None:
        """Return why the frames of a level cannot be copied, in a short phrase; None if they can.

        Raises
        ------
        IndexError
            The slide has no level of this number.
        """
        number = range(len(self.levels))[level]
        return obstacle(self._frames[number], self._encodings[number])

    def close(self) -> None:
        """Release the files. Closing twice is allowed."""
        super().close()
        self._files.close()

"""Slides in TIFF files: Aperio, OME, Hamamatsu, Philips, Leica, and plain TIFF of any maker.

tifffile parses the directory, `os.pread` fetches the bytes, imagecodecs decodes them: six times
as fast as OpenSlide, with the same pixels.
"""

import logging
from collections.abc import Callable, Sequence

import numpy as np

from slidetile.choices import UnfitChoiceError
from slidetile.cloud.address import Location
from slidetile.errors import SlideReadError, UnsupportedSlideError
from slidetile.raster.channels import MOST_CHANNELS
from slidetile.raster.pixels import WHITE, Colour
from slidetile.raster.region import Region
from slidetile.slides.cut_tiles import CutTiles
from slidetile.slides.file_slide import FileSlide
from slidetile.slides.level import Level
from slidetile.slides.mpp import choose_mpp
from slidetile.slides.open_file import open_file
from slidetile.slides.plane_choice import EVERYTHING, PlaneChoice
from slidetile.slides.reader import refusal
from slidetile.slides.slide_file import GROUP_BYTES, expect_all
from slidetile.slides.tiff._blocks import BlockGrid
from slidetile.slides.tiff._directory import read_contents
from slidetile.slides.tiff._native import TiffNativeTiles, obstacle
from slidetile.slides.tiff._pixels import TiffPixels, fetch_region
from slidetile.slides.tiff._stack import StackedPixels, channel_count

_log = logging.getLogger(__name__)


class TiffSlide(FileSlide):
    """A slide in a TIFF file.

    Parameters
    ----------
    path
        The file.
    mpp
        Micrometres per level-0 pixel, one number or (x, y), in place of what the file says.
    planes
        Which of its channels, depths and times are read.

    Raises
    ------
    SlideReadError
        The file cannot be read, or is damaged.
    UnsupportedSlideError
        It is not a TIFF, belongs to another reader, or is stored in an unknown way.
    """

    reader = "tiff"

    def __init__(
        self,
        path: Location,
        *,
        mpp: float | tuple[float, float] | None = None,
        planes: PlaneChoice = EVERYTHING,
    ) -> None:
        super().__init__(path, mpp=mpp, planes=planes)
        self._file = open_file(path)
        try:
            contents = read_contents(self._file, planes=planes)
            metadata = contents.metadata
            self.mpp = choose_mpp(
                mpp,
                metadata.stated.mpp,
                path,
                objective_power=metadata.objective_power,
                obstacle=metadata.stated.obstacle,
            )
        except (SlideReadError, UnsupportedSlideError) as error:
            self._file.close()
            raise refusal(error, path) from error
        except UnfitChoiceError:
            self._file.close()
            raise
        self._stacks = contents.stacks
        self._grids = tuple(stack[0] for stack in self._stacks)
        self._levels = tuple(
            Level.covering(
                self._grids[0].size,
                grid.size,
                tile_width_px=grid.block_width,
                tile_height_px=grid.block_height,
            )
            for grid in self._grids
        )
        self.objective_power = metadata.objective_power
        self.icc_profile = metadata.icc_profile
        self.vendor = metadata.vendor
        self.colour_note = contents.colour_note
        if self.colour_note is not None:
            _log.warning("%s %s.", self.name, self.colour_note)
        self.channels = channel_count(self._stacks[0])
        self.described = contents.channels
        self.bits = self._grids[0].encoding.bits
        self._canvas = contents.canvas
        self._cut = CutTiles()
        self._native = {
            i: TiffNativeTiles(self._file, grid)
            for i, grid in enumerate(self._grids)
            if self.native_obstacle(i) is None
        }

    @property
    def levels(self) -> tuple[Level, ...]:
        """The images of the file that make its pyramid, finest first."""
        return self._levels

    @property
    def canvas(self) -> Region:
        """The canvas that other programs show; see `slidetile.slides.slide.Slide.canvas`."""
        return self._canvas or self.bounds

    def fetch_level(
        self, region: Region, level: int, background: Callable[[], Colour]
    ) -> TiffPixels | StackedPixels:
        """Read the bytes of a region; see `slidetile.slides.file_slide.FileSlide.fetch_level`."""
        stack = self._stacks[level]
        first = self._fetch(region, level, 0, background)
        if len(stack) == 1:
            return first
        others = (self._fetch(region, level, n, background) for n in range(1, len(stack)))
        return StackedPixels(parts=(first, *others))

    def _fetch(
        self, region: Region, level: int, number: int, background: Callable[[], Colour]
    ) -> TiffPixels:
        """Read the bytes of a region of one image of a level."""
        stack = self._stacks[level]
        grid = stack[number]
        channel = f", channel {self.channel_info[number].name}," if len(stack) > 1 else ""
        return fetch_region(
            self._file,
            grid,
            region,
            name=f"level {level}{channel} of {self.path.name}",
            background=background() if _shows_background(region, grid) else WHITE,
            bits=self.bits,
            image=level * MOST_CHANNELS + number,
            cut=self._cut,
        )

    def expect(self, regions: Sequence[Region], *, level: int) -> None:
        """Announce regions; see `slidetile.slides.slide.Slide.expect`."""
        if self._file.is_local:
            return
        blocks = (
            (grid, np.array([block.index for block in grid.blocks(region)], np.int64))
            for region in regions
            for grid in self._stacks[level]
        )
        places = (grid.places(self._file, own) for grid, own in blocks)
        expect_all(places, is_kept=True, group_bytes=GROUP_BYTES)

    def holes(self, region: Region, *, level: int) -> Sequence[Region]:
        """Return the empty blocks of a coarser level; see `slidetile.slides.slide.Slide.holes`."""
        if not level:
            return ()
        found: dict[Region, None] = {}
        for grid in self._stacks[level]:
            if not grid.is_whole:
                empty = (block for block in grid.blocks(region) if not grid.counts[block.index])
                found |= dict.fromkeys(grid.region(block) for block in empty)
        return [block for block in found if self._has_finer(block, level)]

    def _has_finer(self, block: Region, level: int) -> bool:
        """Return whether the file stores finer pixels under a block of a level."""
        size = self._grids[level].size
        finer = (grid for stack in self._stacks[:level] for grid in stack)
        return any(grid.stores_some(block.rescaled(size, grid.size)) for grid in finer)

    def native_tiles(self, level: int) -> TiffNativeTiles | None:
        """Return access to a level's compressed tiles, or None where they cannot be copied."""
        return self._native.get(range(len(self.levels))[level])

    def native_obstacle(self, level: int) -> str | None:
        """Return why tiles cannot be copied; see `slidetile.slides.slide.Slide.native_obstacle`."""
        stack = self._stacks[range(len(self.levels))[level]]
        return obstacle(stack[0]) if len(stack) == 1 else "an image for each channel"

    def close(self) -> None:
        """Release the file. Closing twice is allowed."""
        super().close()
        self._file.close()


def _shows_background(region: Region, grid: BlockGrid) -> bool:
    if not grid.bounds.contains(region) or grid.encoding.has_alpha:
        return True
    indices = [block.index for block in grid.blocks(region)]
    return not grid.counts[indices].all()

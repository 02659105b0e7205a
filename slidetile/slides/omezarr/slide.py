"""Slides in OME-Zarr folders, versions 0.4 and 0.5 (Zarr formats 2 and 3).

The metadata are read and checked here; zarr-python reads the chunks that a region needs, with any
codec that it knows.
"""

import logging
import os
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path

from slidetile.cloud.address import Location
from slidetile.errors import SlideReadError, UnsupportedSlideError
from slidetile.raster.channels import Channel, plain_channels
from slidetile.raster.pixels import Colour, blank, paste
from slidetile.raster.region import Region
from slidetile.runtime.files import as_text
from slidetile.slides.fetched import DecodedPixels
from slidetile.slides.file_slide import FileSlide
from slidetile.slides.file_state import AnyState, FileState, unreadable
from slidetile.slides.level import Level
from slidetile.slides.limits import check_size
from slidetile.slides.mpp import choose_mpp
from slidetile.slides.omezarr._array import read_array
from slidetile.slides.omezarr._inside import inside
from slidetile.slides.omezarr._level import ZarrLevel
from slidetile.slides.omezarr._multiscale import Multiscale
from slidetile.slides.omezarr._source import read_source
from slidetile.slides.omezarr.folder import Group, read_image
from slidetile.slides.plane_choice import EVERYTHING, PlaneChoice
from slidetile.slides.planes import chosen_channels, chosen_places
from slidetile.slides.reader import FinalRefusalError, refusal
from slidetile.slides.slide import Source

_log = logging.getLogger(__name__)


class OmeZarrSlide(FileSlide):
    """A slide in an OME-Zarr folder.

    Parameters
    ----------
    path
        The folder: of the image, or of images as bioformats2raw lays them out, of which the first
        is read.
    mpp
        Micrometres per level-0 pixel, one number or (x, y), in place of what the metadata say.
    planes
        Which of its channels, depths and times are read.

    Raises
    ------
    SlideReadError
        The folder cannot be read.
    FinalRefusalError
        It is no OME-Zarr image of version 0.4 or 0.5, or one that would be read with a loss.
    """

    reader = "ome-zarr"
    vendor = "ome-zarr"

    def __init__(
        self,
        path: Path,
        *,
        mpp: float | tuple[float, float] | None = None,
        planes: PlaneChoice = EVERYTHING,
    ) -> None:
        super().__init__(path, mpp=mpp, planes=planes)
        if not path.is_dir():
            raise UnsupportedSlideError(
                f"{path.name} cannot be opened: it is a file, and OME-Zarr is a folder. Name that."
            )
        self._finer: dict[tuple[int, Region], bool] = {}
        try:
            image, files = read_image(path)
            multiscale = Multiscale.of(image.ome)
            self._stored = self._read_levels(image, multiscale)
            channels, self.bits = self._stored[0].channels, self._stored[0].bits
            self.described = self._pick(multiscale.channel_info(channels, self.bits))
        except (SlideReadError, UnsupportedSlideError) as error:
            raise _named(error, path) from error
        self._metadata = (*files, *(level.file for level in self._stored))
        self.beside = _states([*self._metadata, *(level.folder for level in self._stored)])
        self._levels = tuple(_level(level, self._stored[0]) for level in self._stored)
        self.channels = self._stored[0].channels
        stored, obstacle = multiscale.mpp
        self.mpp = choose_mpp(mpp, stored, path, obstacle=obstacle)
        _warn_of_shifts(multiscale, self.name)

    def _pick(self, known: tuple[Channel, ...] | None) -> tuple[Channel, ...] | None:
        """Choose the channels that are read, and return what they show."""
        count = self._stored[0].channels
        listed = known or plain_channels(count)
        numbers = chosen_channels(self.planes, listed)
        if not self.planes.channels:
            return known
        for level in self._stored:
            level.pick(numbers)
        return tuple(listed[number] for number in numbers)

    @property
    def levels(self) -> tuple[Level, ...]:
        """The datasets of the image, in their order."""
        return self._levels

    @property
    def name(self) -> str:
        """The folder's name, also of ``.``; bytes in it that are no text are replaced."""
        return as_text(os.path.basename(os.path.abspath(self.local)))  # noqa: PTH100, PTH119

    @property
    def source(self) -> Source:
        """What identifies the folder: its metadata and its coarsest level."""
        self._check_files()
        return read_source(self.name, self.local, self._metadata, self._stored[-1].files())

    def fetch_level(
        self, region: Region, level: int, background: Callable[[], Colour]
    ) -> DecodedPixels:
        """Read a region; see `slidetile.slides.file_slide.FileSlide.fetch_level`."""
        stored = self._stored[level]
        inner = region.intersection(Region.from_edges(0, 0, *stored.size))
        if inner == region:
            return DecodedPixels(stored.read(region))
        canvas = blank(region.width, region.height, self.channels, background(), self.bits)
        if inner is not None:
            paste(canvas, stored.read(inner), inner.x - region.x, inner.y - region.y)
        return DecodedPixels(canvas)

    def holes(self, region: Region, *, level: int) -> Sequence[Region]:
        """Return the chunks that a level lacks; see `slidetile.slides.slide.Slide.holes`."""
        stored = self._stored[level]
        if not level:
            return ()
        return [block for block in stored.presence.missing(region) if self._has_finer(block, level)]

    def _has_finer(self, block: Region, level: int) -> bool:
        """Return whether the folder stores finer pixels under a block of a level."""
        key = level, block
        if key not in self._finer:
            size = self._stored[level].size
            self._finer[key] = any(
                finer.presence.stores_some(block.rescaled(size, finer.size))
                for finer in self._stored[:level]
            )
        return self._finer[key]

    def _read_levels(self, image: Group, multiscale: Multiscale) -> tuple[ZarrLevel, ...]:
        levels = tuple(
            self._read_level(image, multiscale, number) for number in range(len(multiscale.paths))
        )
        for finer, coarser in pairwise(levels):
            if (coarser.channels, coarser.bits) != (finer.channels, finer.bits):
                raise FinalRefusalError(
                    f"its levels have {finer.channels} and {coarser.channels} channels, of "
                    f"{finer.bits} and {coarser.bits} bits"
                )
            if coarser.size[0] > finer.size[0] or coarser.size[1] > finer.size[1]:
                raise FinalRefusalError(
                    f"its levels do not go from fine to coarse: {coarser.size} follows {finer.size}"
                )
        return levels

    def _read_level(self, image: Group, multiscale: Multiscale, number: int) -> ZarrLevel:
        path = multiscale.paths[number]
        folder = inside(image.folder, *path.split("/"))
        facts = read_array(folder, image.zarr_format)
        places = _places(facts.shape, multiscale, self.planes)
        check_size(facts.shape[multiscale.axes.x], facts.shape[multiscale.axes.y])
        return ZarrLevel(
            facts,
            multiscale.axes,
            root=image.folder,
            name=f"level {number} of {self.name}",
            check_files=self._check_files,
            places=places,
        )

    def _check_files(self) -> None:
        """Check that the folder and what describes the slide are as they were."""
        for path, state in self.beside.items():
            state.check(path, path)


def _places(shape: tuple[int, ...], multiscale: Multiscale, planes: PlaneChoice) -> dict[int, int]:
    """Return the depth and the time that are read, by the axes, of an array of the image's."""
    axes = multiscale.axes
    if len(shape) != len(axes.names):
        raise FinalRefusalError(
            f"an array in it has {len(shape)} axes, but the image {len(axes.names)}: "
            f"{', '.join(axes.names)}"
        )
    z, t = axes.place("z"), axes.place("t")
    several = [
        f"{length} along {name}"
        for place, (name, length) in enumerate(zip(axes.names, shape, strict=True))
        if length > 1 and place not in (axes.x, axes.y, axes.channel, z, t)
    ]
    if several:
        raise FinalRefusalError(
            f"it holds several images ({', '.join(several)}), and slidetile reads slides of one"
        )
    counts = [1 if axis is None else shape[axis] for axis in (z, t)]
    places = zip((z, t), chosen_places(planes, *counts), strict=True)
    return {axis: place for axis, place in places if axis is not None}


def _level(stored: ZarrLevel, finest: ZarrLevel) -> Level:
    width, height = stored.chunk_size
    return Level.covering(finest.size, stored.size, tile_width_px=width, tile_height_px=height)


def _states(paths: Sequence[Path]) -> dict[Location, AnyState]:
    states: dict[Location, AnyState] = {}
    for path in paths:
        try:
            states[path] = FileState.of(path)
        except OSError as error:
            raise unreadable(path, error) from error
    return states


def _named(
    error: SlideReadError | UnsupportedSlideError, path: Path
) -> SlideReadError | UnsupportedSlideError:
    """Return an error that names the folder, if it does not name a file already."""
    if isinstance(error, FinalRefusalError):
        return FinalRefusalError(str(refusal(error, path)))
    return error


def _warn_of_shifts(multiscale: Multiscale, name: str) -> None:
    shifted = ", ".join(map(str, multiscale.shifted_levels))
    if shifted:
        _log.warning(
            "%s says that its level %s lies beside level 0, by more than the centres of its "
            "pixels: that is not followed, and the levels are laid over each other.",
            *(name, shifted),
        )

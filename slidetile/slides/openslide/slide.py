"""Slides in the vendors' own formats, read through OpenSlide."""

import contextlib
import logging
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import openslide
import pyarrow as pa
from PIL import Image

from slidetile.errors import (
    DamagedPixelsError,
    SlideReadError,
    UnsupportedSlideError,
    one_line,
)
from slidetile.raster.pixels import WHITE, Colour, Pixels, blank
from slidetile.raster.region import Region
from slidetile.raster.resolution import mean_downsample
from slidetile.slides.czi.checks import check_czi
from slidetile.slides.dicom.checks import check_dicom
from slidetile.slides.fetched import DecodedPixels
from slidetile.slides.file_slide import FileSlide
from slidetile.slides.file_state import FileState, is_of_the_system, unreadable
from slidetile.slides.level import Level
from slidetile.slides.limits import check_block, check_size
from slidetile.slides.mpp import choose_mpp
from slidetile.slides.openslide._damage import Damage
from slidetile.slides.openslide._handle import SharedHandle
from slidetile.slides.openslide._neighbours import find_neighbours, own_neighbours
from slidetile.slides.openslide._pixels import VendorPixels, is_opaque
from slidetile.slides.reader import FinalRefusalError, refusal
from slidetile.slides.tiff.checks import check_tiff

_log = logging.getLogger(__name__)

_MOST_DIGITS, _MOST_CHARACTERS = 10, 64
"""What is read of a property that holds a number: they are as long as the file's author likes."""

_SERIES = "dicom.SeriesInstanceUID"
"""OpenSlide's property that identifies a DICOM series."""

_PROBE_EVERY_S = 1.0
"""How often it is tried whether bytes of a file can be read, while blocks of it do not decode."""

_BLOCK_SIDE_PX = 2048
"""Side of the largest block read at once: OpenSlide's pixels take 4 bytes each."""


class VendorSlide(FileSlide):
    """A slide in any format that OpenSlide reads; OpenSlide does not give out compressed tiles.

    Parameters
    ----------
    path
        The file; of a DICOM series, any one of its files.
    mpp
        Micrometres per level-0 pixel, one number or (x, y), instead of the file's value.

    Raises
    ------
    UnsupportedSlideError
        OpenSlide does not open the file.
    FinalRefusalError
        It is larger than any slide, or would be read with a loss.
    SlideReadError
        It is a TIFF whose directories are damaged.
    """

    reader = "openslide"

    def __init__(self, path: Path, *, mpp: float | tuple[float, float] | None = None) -> None:
        note = check_tiff(path)
        check_dicom(path)
        check_czi(path)
        neighbours = find_neighbours(path)
        self._state = _state(path)
        self._handle = SharedHandle(path)
        self._damage = Damage(path)
        self._next_probe = 0.0
        properties = self._handle.read(_properties)
        colour = _colour(properties.get("openslide.background-color"))
        super().__init__(path, mpp=mpp, background=colour)
        self.beside = dict(own_neighbours(path, neighbours, properties.get(_SERIES)).items())
        self.objective_power = _number(properties.get("openslide.objective-power"))
        stored, obstacle = _mpp(properties)
        self.mpp = choose_mpp(
            mpp, stored, path, objective_power=self.objective_power, obstacle=obstacle
        )
        self.vendor = properties.get("openslide.vendor", "unknown")
        self.colour_note = _by_openslide(note)
        if self.colour_note is not None:
            _log.warning("%s %s.", self.name, self.colour_note)
        self.icc_profile = self._handle.read(_icc_profile)
        self._levels = self._handle.read(lambda handle: _levels(handle, properties, path))
        self._downsamples = self._handle.read(lambda handle: handle.level_downsamples)
        self._scan_area = _scan_area(properties)

    @property
    def levels(self) -> tuple[Level, ...]:
        """The levels that OpenSlide reports, finest first."""
        return self._levels

    @property
    def scan_area(self) -> Region:
        """The bounds of all scanned scenes together, if the file states them."""
        return self._scan_area or self.bounds

    def native_obstacle(self, level: int) -> str:
        """Return why the reader that copies tiles left the file, or that there are none here.

        See `slidetile.slides.slide.Slide.native_obstacle`.
        """
        self.levels[level]
        return self.refusal or "OpenSlide gives out no compressed tiles"

    def close(self) -> None:
        """Release the file. Closing twice is allowed."""
        super().close()
        self._handle.close()

    def fetch_level(
        self, region: Region, level: int, background: Callable[[], Colour]
    ) -> DecodedPixels | VendorPixels:
        """Read a region. OpenSlide reads and decodes in one step; see `FileSlide.fetch_level`."""
        width, height = self.levels[level].size
        inside = region.intersection(Region(x=0, y=0, width=width, height=height))
        blocks = list(_blocks(inside))
        if len(blocks) == 1:
            return self._fetch_block(blocks[0], region, level, background)
        colour = WHITE if inside == region else background()
        canvas = blank(region.width, region.height, 3, colour)
        for block in blocks:
            part = canvas[block.relative_to(region).slices]
            self._fetch_block(block, block, level, background).pixels(out=part)
        return DecodedPixels(canvas)

    def _fetch_block(
        self, block: Region, region: Region, level: int, background: Callable[[], Colour]
    ) -> VendorPixels:
        """Read a block that is the whole of a region inside the level."""
        rgba = self._read_rgba(block, level)
        return VendorPixels(
            width=region.width,
            height=region.height,
            rgba=rgba,
            at=block.relative_to(region),
            background=None if block == region and is_opaque(rgba) else background(),
        )

    def _read_rgba(self, block: Region, level: int) -> Pixels:
        self._check_open()
        self._damage.check(block, level)
        try:
            pixels = self._handle.read(lambda handle: self._read_with(handle, block, level))
        except UnsupportedSlideError as error:
            self._state.check(self.path, self.path)
            raise SlideReadError(f"{self.path} opens no more: {one_line(error)}") from error
        except openslide.OpenSlideError as error:
            self._check_file(one_line(error))
            self._damage.add(block, level)
            raise DamagedPixelsError(
                f"{block.width}×{block.height} pixels at column {block.x}, row {block.y} of level "
                f"{level} of {self.path.name} do not decode: {one_line(error)}."
            ) from error
        self._damage.add_sound()
        return pixels

    def _check_file(self, message: str) -> None:
        """Check that the file could be read, so that what OpenSlide says is of the bytes."""
        if is_of_the_system(message):
            raise SlideReadError(f"{self.path} cannot be read: OpenSlide says “{message}”.")
        self._state.check(self.path, self.path)
        if time.monotonic() >= self._next_probe:
            self._state.probe(self.path)
            self._next_probe = time.monotonic() + _PROBE_EVERY_S

    def _read_with(self, handle: openslide.OpenSlide, block: Region, level: int) -> Pixels:
        # OpenSlide wants level-0 pixels and divides them by the downsample again: the nearest
        # whole pixel keeps what it has to interpolate least, and nothing where that is exact.
        downsample = self._downsamples[level]
        location = round(block.x * downsample), round(block.y * downsample)
        image = handle.read_region(location, level, (block.width, block.height))
        self._state.check(self.path, self.path)
        return pixels_of(image)


def _by_openslide(note: str | None) -> str | None:
    """Return what to say of colours that a TIFF contradicts itself about."""
    if note is None:
        return None
    contradiction, _, truth = note.partition(": read as ")
    return f"{contradiction}: OpenSlide goes by the tag; the reader tiff reads it as {truth}"


def _state(path: Path) -> FileState:
    try:
        return FileState.of(path)
    except OSError as error:
        raise unreadable(path, error) from error


def _properties(handle: openslide.OpenSlide) -> dict[str, str]:
    """Return the properties whose names are text; a damaged one is listed, but has no value."""
    found = {}
    for name in handle.properties:
        with contextlib.suppress(KeyError):
            found[name] = handle.properties[name]
    return found


def pixels_of(image: Image.Image) -> Pixels:
    """Return an RGBA image of OpenSlide's as uint8 [row, column, channel], read-only.

    The array shares the image's memory, which Pillow hands out through Arrow's C data interface,
    and keeps it alive. `numpy.asarray` would copy it twice, a twentieth of what OpenSlide takes.
    """
    samples: Pixels = pa.array(image).values.to_numpy(zero_copy_only=True)
    return samples.reshape(image.height, image.width, 4)


def _blocks(region: Region | None) -> Iterator[Region]:
    if region is None:
        return
    for y in range(region.y, region.bottom, _BLOCK_SIDE_PX):
        for x in range(region.x, region.right, _BLOCK_SIDE_PX):
            right, bottom = x + _BLOCK_SIDE_PX, y + _BLOCK_SIDE_PX
            yield Region.from_edges(x, y, min(right, region.right), min(bottom, region.bottom))


def _levels(
    handle: openslide.OpenSlide, properties: dict[str, str], path: Path
) -> tuple[Level, ...]:
    sizes, downsamples = handle.level_dimensions, handle.level_downsamples
    try:
        for size in sizes:
            check_size(*size)
        levels = tuple(
            _level(sizes[0], size, downsample, properties, f"openslide.level[{number}]")
            for number, (size, downsample) in enumerate(zip(sizes, downsamples, strict=True))
        )
        for level in levels:
            check_block(level.tile_width_px or 1, level.tile_height_px or 1, 4)
    except FinalRefusalError as error:
        raise refusal(error, path) from error
    return levels


def _level(
    whole: tuple[int, int],
    size: tuple[int, int],
    downsample: float,
    properties: dict[str, str],
    name: str,
) -> Level:
    """Return a level. OpenSlide has one downsample for both axes: their mean, or the format's.

    The mean follows from the sizes alone, which are rounded: what they are rounded from is taken.
    """

    def tile_side(axis: str) -> int | None:
        text = properties.get(f"{name}.tile-{axis}", "")
        return int(text) if text.isdecimal() and len(text) <= _MOST_DIGITS else None

    width_px, height_px = tile_side("width"), tile_side("height")
    level = Level.covering(whole, size, tile_width_px=width_px, tile_height_px=height_px)
    if mean_downsample((whole[0] / size[0], whole[1] / size[1])) == downsample:
        return level
    least = max(1.0, downsample)
    return replace(level, downsample=(least, least))


def _mpp(properties: dict[str, str]) -> tuple[tuple[float, float] | None, str | None]:
    """Return the µm per pixel, or why what is stated cannot be understood."""
    texts = [properties.get(f"openslide.mpp-{axis}") for axis in "xy"]
    x, y = map(_number, texts)
    if x is not None and y is not None:
        return (x, y), None
    if texts == [None, None]:
        return None, None
    stated = " × ".join("nothing" if text is None else f"“{text:.40}”" for text in texts)
    return None, f"its resolution is stated as {stated} µm per pixel"


def _scan_area(properties: dict[str, str]) -> Region | None:
    """Return the bounds; like QuPath, accept only whole numbers."""
    try:
        x, y, width, height = (
            int(properties[f"openslide.bounds-{name}"][:_MOST_CHARACTERS])
            for name in ("x", "y", "width", "height")
        )
        return Region(x=x, y=y, width=width, height=height)
    except (KeyError, ValueError):
        return None


def _number(text: str | None) -> float | None:
    """Return a positive number; None where there is none."""
    try:
        number = float((text or "")[:_MOST_CHARACTERS])
    except ValueError:
        return None
    return number if math.isfinite(number) and number > 0 else None


def _colour(text: str | None) -> Colour | None:
    """Return the colour of six hexadecimal digits."""
    if text is None or len(text) != 6:
        return None
    try:
        red, green, blue = bytes.fromhex(text)
    except ValueError:
        return None
    return red, green, blue


def _icc_profile(handle: openslide.OpenSlide) -> bytes | None:
    try:
        profile = handle.color_profile
        return None if profile is None else profile.tobytes()
    except Exception:  # noqa: BLE001 - a broken profile must not cost the pixels
        return None

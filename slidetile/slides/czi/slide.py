"""Slides in Zeiss CZI files.

`os.pread` fetches the tiles, imagecodecs decodes them. No library for CZI is used: those that there
are fill what does not decode with black, hide what a coarse level leaves out, or need a newer
Python (docs/reference/dependencies.md).
"""

from collections.abc import Callable, Sequence
from pathlib import Path

from slidetile.errors import SlideReadError, UnsupportedSlideError
from slidetile.raster.pixels import WHITE, Colour
from slidetile.raster.region import Region
from slidetile.slides.cut_tiles import CutTiles
from slidetile.slides.czi._coverage import uncovered
from slidetile.slides.czi._decoding import CHANNELS
from slidetile.slides.czi._directory import parse_directory
from slidetile.slides.czi._levels import TileLevel, make_levels
from slidetile.slides.czi._metadata import read_metadata
from slidetile.slides.czi._pixels import CziPixels, damaged
from slidetile.slides.czi._segments import read_contents
from slidetile.slides.czi._stored import read_tiles
from slidetile.slides.czi.file import is_czi
from slidetile.slides.file_slide import FileSlide
from slidetile.slides.level import Level
from slidetile.slides.mpp import choose_mpp
from slidetile.slides.native import Damaged
from slidetile.slides.reader import OtherReaderError, refusal
from slidetile.slides.slide_file import Extent, LocalFile, SlideFile

_KEPT_BYTES = 64 << 20
"""Decoded tiles that are kept: four or five of a scanner's, which several regions share."""


class CziSlide(FileSlide):
    """A slide in a CZI file: all its scenes, where they were scanned.

    Parameters
    ----------
    path
        The file.
    mpp
        Micrometres per pixel, one number or (x, y), in place of what the file says.

    Raises
    ------
    SlideReadError
        The file cannot be read, or is damaged.
    UnsupportedSlideError
        It is no CZI, or would be read with a loss or in part.
    """

    reader = "czi"
    vendor = "zeiss"
    """OpenSlide's name."""
    why_decoded = "tiles that overlap and lie in no grid"

    def __init__(self, path: Path, *, mpp: float | tuple[float, float] | None = None) -> None:
        super().__init__(path, mpp=mpp)
        self._file = LocalFile(path)
        try:
            self._tiles, xml = open_levels(self._file)
        except (SlideReadError, UnsupportedSlideError) as error:
            self._file.close()
            raise refusal(error, path) from error
        self.state = self._file.state
        described = read_metadata(xml)
        self.objective_power = described.objective_power
        self.mpp = choose_mpp(
            mpp,
            described.mpp,
            path,
            objective_power=described.objective_power,
            obstacle=described.obstacle,
        )
        self.channels = CHANNELS[self._tiles[0].tiles[0].pixel_type]
        self._levels = tuple(
            Level(
                width=level.width,
                height=level.height,
                downsample=(float(level.factor), float(level.factor)),
            )
            for level in self._tiles
        )
        self._decoded = CutTiles(_KEPT_BYTES)

    @property
    def levels(self) -> tuple[Level, ...]:
        """The levels of which the file holds tiles, finest first."""
        return self._levels

    def fetch_level(
        self, region: Region, level: int, background: Callable[[], Colour]
    ) -> CziPixels:
        """Read the bytes of a region; see `slidetile.slides.file_slide.FileSlide.fetch_level`."""
        self._check_open()
        own, name = self._tiles[level], f"level {level} of {self.path.name}"
        shown, left = own.visible(region)
        return CziPixels(
            name=name,
            number=level,
            level=own,
            channels=self.channels,
            region=region,
            stored=self._stored(own, shown, name),
            background=background() if left else WHITE,
            decoded=self._decoded,
        )

    def _stored(self, level: TileLevel, shown: list[int], name: str) -> list[tuple[int, Extent]]:
        """Read the tiles that show.

        Raises
        ------
        DamagedPixelsError
            One of them is damaged.
        """
        read = read_tiles(self._file, [level.tiles[number] for number in shown])
        stored = []
        for number, extent in zip(shown, read, strict=True):
            if isinstance(extent, Damaged):
                raise damaged(level.place(number), name, extent.reason, extent.reason)
            stored.append((number, extent))
        return stored

    def holes(self, region: Region, *, level: int) -> Sequence[Region]:
        """Return the parts of a coarser level that it does not cover, though a finer one does.

        Scenes have pyramids of their own, some higher than others; see
        `slidetile.slides.slide.Slide.holes`.
        """
        own = self._tiles[level]
        inside = region.intersection(own.bounds)
        if not level or inside is None:
            return ()
        blocks = (block.intersection(own.bounds) for block in self._levels[level].blocks(inside))
        left = (part for block in blocks if block for part in uncovered(block, own.covers(block)))
        return [
            part
            for part in left
            if part.intersection(inside)
            and any(_is_met(part, finer, own.factor) for finer in self._tiles[:level])
        ]

    def close(self) -> None:
        """Release the file. Closing twice is allowed."""
        super().close()
        self._file.close()


def open_levels(file: SlideFile) -> tuple[tuple[TileLevel, ...], bytes]:
    """Return the levels of a file, and the XML that describes it.

    Raises
    ------
    SlideReadError, UnsupportedSlideError
        As `CziSlide`; the message is a part of the sentence.
    """
    if not is_czi(file.read(0, min(file.size, 16))):
        raise OtherReaderError("it is no CZI")
    contents = read_contents(file)
    return make_levels(parse_directory(contents)), contents.metadata


def _is_met(part: Region, finer: TileLevel, factor: int) -> bool:
    """Return whether tiles of a finer level cover a part of a coarser one.

    A strip of one pixel comes from rounding: a scene may begin and end between pixels.
    """
    own, fine = (factor, factor), (finer.factor, finer.factor)
    below = part.rescaled(fine, own)
    for cover in finer.covers(below):
        met = cover.intersection(below)
        assert met is not None, "only covers that meet the region are given"
        whole = met.rescaled(own, fine, rounding="inward")
        if whole is not None and min(whole.width, whole.height) > 1:
            return True
    return False

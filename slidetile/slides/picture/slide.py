"""Pictures in PNG, JPEG and JPEG 2000 files as slides of one level."""

import logging
import threading
from collections.abc import Callable
from pathlib import Path

from slidetile.errors import DamagedPixelsError, SlideReadError, UnsupportedSlideError
from slidetile.raster.pixels import Colour, Pixels, blank, paste
from slidetile.raster.region import Region
from slidetile.runtime.files import read_regular
from slidetile.slides.container import container_of
from slidetile.slides.fetched import DecodedPixels
from slidetile.slides.file_slide import FileSlide
from slidetile.slides.file_state import unreadable
from slidetile.slides.level import Level
from slidetile.slides.mpp import choose_mpp
from slidetile.slides.picture._decoding import decode
from slidetile.slides.picture._header import LARGEST_BYTES, read_header
from slidetile.slides.picture._notes import check_is_whole, read_notes
from slidetile.slides.reader import LargeBlockError, OtherReaderError, refusal

_log = logging.getLogger(__name__)


class PictureSlide(FileSlide):
    """A picture as a slide of one level. It is decoded whole, when it is first read.

    Parameters
    ----------
    path
        The file.
    mpp
        Micrometres per pixel, one number or (x, y), in place of what the file says.

    Raises
    ------
    UnsupportedSlideError
        It is no such picture.
    FinalRefusalError
        It is too large to be decoded at once, would be read with a loss, or is a part of a slide.
    SlideReadError
        It cannot be read, or its header is damaged.
    """

    reader = "picture"
    why_decoded = "one picture, not tiles"

    def __init__(self, path: Path, *, mpp: float | tuple[float, float] | None = None) -> None:
        super().__init__(path, mpp=mpp)
        data = self._data()
        try:
            self._header = read_header(self._checked(data))
        except (SlideReadError, UnsupportedSlideError) as error:
            raise refusal(error, path) from error
        notes = read_notes(data)
        self.mpp = choose_mpp(mpp, notes.mpp, path)
        self.icc_profile = notes.icc_profile
        if notes.is_turned:
            _log.warning(
                "%s says that it is to be shown turned (EXIF): it is read as stored.", self.name
            )
        self.vendor = self._header.format
        self.channels = self._header.channels
        self._levels = (Level(width=self._header.width, height=self._header.height),)
        self._lock = threading.Lock()
        self._pixels: Pixels | DamagedPixelsError | None = None

    @property
    def levels(self) -> tuple[Level, ...]:
        """The one level."""
        return self._levels

    def fetch_level(
        self, region: Region, level: int, background: Callable[[], Colour]
    ) -> DecodedPixels:
        """Copy a region; see `slidetile.slides.file_slide.FileSlide.fetch_level`."""
        width, height = self.levels[level].size
        whole = self._decoded()
        if Region(x=0, y=0, width=width, height=height).contains(region):
            return DecodedPixels(whole[region.slices])
        canvas = blank(region.width, region.height, self.channels, background())
        paste(canvas, whole, -region.x, -region.y)
        return DecodedPixels(canvas)

    def close(self) -> None:
        """Release the pixels. Closing twice is allowed."""
        super().close()
        self._pixels = None

    def _checked(self, data: bytes) -> bytes:
        """Return the file's bytes, if they are a picture's, and no part of a slide."""
        container = container_of(data[:4096], self.path)
        if container is None or container.role != "picture":
            name = "of another kind" if container is None else container.name
            raise OtherReaderError(f"it is {name}, which is left to OpenSlide")
        if len(data) > LARGEST_BYTES:
            raise LargeBlockError(f"its file has more than {LARGEST_BYTES >> 20} MiB")
        check_is_whole(self.local)
        return data

    def _data(self) -> bytes:
        try:
            data = read_regular(self.local, LARGEST_BYTES + 1)
        except OSError as error:
            raise unreadable(self.path, error) from error
        if self.state is not None:
            self.state.check(self.path, self.path)
        return data

    def _decoded(self) -> Pixels:
        """Return all pixels; a picture that does not decode is tried once."""
        with self._lock:
            if self._pixels is None:
                try:
                    self._pixels = decode(self._data(), self._header, self.name)
                except DamagedPixelsError as error:
                    self._pixels = error
            if isinstance(self._pixels, DamagedPixelsError):
                raise DamagedPixelsError(str(self._pixels)) from self._pixels
            return self._pixels

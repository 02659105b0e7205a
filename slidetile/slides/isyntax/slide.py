"""Slides in Philips iSyntax files, read through libisyntax.

The library checks little of what it reads, and a damaged file may end the process: run such slides
in a process of their own, as `slidetile batch` does by itself.
"""

import threading
from collections.abc import Callable
from pathlib import Path

from slidetile.errors import SlideReadError, UnsupportedSlideError
from slidetile.raster.pixels import WHITE, Colour, blank, paste
from slidetile.raster.region import Region
from slidetile.slides.container import is_isyntax
from slidetile.slides.fetched import DecodedPixels
from slidetile.slides.file_slide import FileSlide
from slidetile.slides.isyntax._library import IsyntaxImage, open_image
from slidetile.slides.isyntax._source import NotingSource
from slidetile.slides.level import Level
from slidetile.slides.limits import check_size
from slidetile.slides.mpp import choose_mpp
from slidetile.slides.reader import HEAD_BYTES, FinalRefusalError, OtherReaderError, refusal
from slidetile.slides.slide_file import LocalFile


class IsyntaxSlide(FileSlide):
    """A slide in an iSyntax file.

    Parameters
    ----------
    path
        The file.
    mpp
        Micrometres per pixel, one number or (x, y), in place of what the file says.

    Raises
    ------
    SlideReadError
        The file cannot be read.
    UnsupportedSlideError
        It is no iSyntax, pyisyntax is not installed, or does not open it.
    """

    reader = "isyntax"
    vendor = "philips"
    why_decoded = "wavelets, which Philips alone stores"

    def __init__(self, path: Path, *, mpp: float | tuple[float, float] | None = None) -> None:
        super().__init__(path, mpp=mpp, background=WHITE)  # it is brightfield alone
        self._lock = threading.Lock()
        self._file = LocalFile(path)
        self._source = NotingSource(self._file)
        try:
            self._image = self._opened()
            self._levels = _levels(self._image)
        except (SlideReadError, UnsupportedSlideError) as error:
            self._file.close()
            raise refusal(error, path) from error
        self.state = self._file.state
        self.mpp = choose_mpp(mpp, self._image.mpp, path)

    def _opened(self) -> IsyntaxImage:
        """Return the image in the file.

        Raises
        ------
        SlideReadError, UnsupportedSlideError
            As the class; the message is a part of the sentence.
        """
        if not is_isyntax(self._file.read(0, min(self._file.size, HEAD_BYTES))):
            raise OtherReaderError("it is no iSyntax")
        image = open_image(self._source, self._file.size)
        self._check_read()
        self._source.is_whole = True
        return image

    @property
    def levels(self) -> tuple[Level, ...]:
        """The levels of the scanned image, finest first."""
        return self._levels

    def fetch_level(
        self, region: Region, level: int, background: Callable[[], Colour]
    ) -> DecodedPixels:
        """Read a region: the library reads and decodes at once; see `FileSlide.fetch_level`.

        Raises
        ------
        SlideReadError
            The file could not be read or is cut short. The library keeps what it made of that, so
            nothing more is read from this slide.
        """
        canvas = blank(region.width, region.height, self.channels, background())
        inside = region.intersection(Region.from_edges(0, 0, *self.levels[level].size))
        if inside is not None:
            with self._lock:  # the library has one of its own, and none that keeps it open
                self._check_open()
                self._check_read()
                pixels = self._image.read(inside, level)
                self._check_read()
            paste(canvas, pixels, inside.x - region.x, inside.y - region.y)
        return DecodedPixels(canvas)

    def close(self) -> None:
        """Release the file. Closing twice is allowed."""
        with self._lock:
            if not self._is_closed:
                super().close()
                self._image.close()
                self._file.close()

    def _check_read(self) -> None:
        """Check that the library got all that it asked for."""
        if self._source.failure is not None:
            raise SlideReadError(str(self._source.failure)) from self._source.failure


def _levels(image: IsyntaxImage) -> tuple[Level, ...]:
    for level in image.levels:
        check_size(level.width, level.height)
    if image.levels[0].downsample != 1:
        raise FinalRefusalError(
            f"its finest level is reduced {image.levels[0].downsample} times: it is damaged"
        )
    return tuple(
        Level(
            width=level.width,
            height=level.height,
            downsample=(float(level.downsample), float(level.downsample)),
        )
        for level in image.levels
    )

"""What slides in files share: the file's identity, pickling and the background."""

import hashlib
import threading
from abc import abstractmethod
from collections.abc import Callable, Mapping
from pathlib import Path

from slidetile.raster.channels import are_colours
from slidetile.raster.pixels import BLACK, WHITE, Colour, Pixels
from slidetile.raster.region import Region
from slidetile.runtime.files import as_text
from slidetile.slides._background import find_background
from slidetile.slides._filled import FilledPixels
from slidetile.slides.fetched import FetchedPixels
from slidetile.slides.file_state import FileState, unreadable
from slidetile.slides.mpp import check_mpp
from slidetile.slides.plane_choice import EVERYTHING, PlaneChoice
from slidetile.slides.replaced import Replaced
from slidetile.slides.slide import Slide, Source

_MIB = 1 << 20


def read_source(path: Path) -> Source:
    """Return the name, size and fingerprint of a file.

    The fingerprint is the SHA-256, in hex, of the size as 8 bytes (little-endian), the first MiB
    and the last MiB; in a file under 2 MiB the two overlap. A whole slide is gigabytes: to hash
    all of it would take longer than tiling it.

    Raises
    ------
    SlideReadError
        The file cannot be read.
    """
    try:
        with path.open("rb") as file:
            size = file.seek(0, 2)
            digest = hashlib.sha256(size.to_bytes(8, "little"))
            for start in (0, max(0, size - _MIB)):
                file.seek(start)
                digest.update(file.read(_MIB))
    except OSError as error:
        raise unreadable(path, error) from error
    return Source(name=as_text(path.name), size_bytes=size, fingerprint=digest.hexdigest())


class FileSlide(Slide):
    """A slide in a file: what its readers share.

    A reader defines `levels`, `reader` and `fetch_level`, and takes only ``path`` and ``mpp``, and
    ``planes`` if it can choose, so that another process can open the slide again.

    Parameters
    ----------
    path
        The file; of a DICOM series, any one of its files.
    mpp
        Micrometres per level-0 pixel, one number or (x, y), instead of the file's value.
    background
        The colour of what was not scanned, if the file states it.
    planes
        Which of its channels, depths and times are read.

    Raises
    ------
    ValueError
        The mpp is implausible.
    """

    def __init__(
        self,
        path: Path,
        *,
        mpp: float | tuple[float, float] | None = None,
        background: Colour | None = None,
        planes: PlaneChoice = EVERYTHING,
    ) -> None:
        self.planes = planes
        self.mpp = None if mpp is None else check_mpp(mpp)
        self.path = path
        """The file."""
        self.state = _state(path)
        """Size and time stamp of the file when it was opened; None where it was not there."""
        self.beside: Mapping[Path, FileState] = {}
        """The other files of which the slide consists, as they were when it was opened."""
        self.refusal: str | None = None
        """Why a reader that was asked before left the file, in a phrase; None if none was."""
        self._given_mpp = mpp
        self._background = background
        self._background_lock = threading.Lock()
        self._replaced = Replaced()
        self._is_closed = False

    def __reduce__(self) -> tuple[Callable[..., "FileSlide"], tuple[object, ...]]:
        """Pickle the path: a process that receives the slide opens the file itself."""
        return _reopen, (type(self), self.path, self._given_mpp, self.planes, self.refusal)

    @property
    def source(self) -> Source:
        """What identifies the named file, even where more files belong to the slide."""
        if self.state is not None:
            self.state.check(self.path, self.path)
        return read_source(self.path)

    @property
    def name(self) -> str:
        """The file's name; bytes in it that are no text are replaced."""
        return as_text(self.path.name)

    @property
    def background(self) -> Colour:
        """The file's background colour; otherwise black if the coarsest level is dark, or white.

        Channels other than grey or colours are those of fluorescence, whose background is black.
        """
        with self._background_lock:
            if self._background is None:
                self._background = self._found_background()
            return self._background

    def _found_background(self) -> Colour:
        if not are_colours(self.channel_info):
            return BLACK  # channels of fluorescence
        return find_background(self.levels[-1].size, self._on_white, self.bits)

    def fetch(self, region: Region, *, level: int = 0) -> FetchedPixels:
        """Read the bytes of a region; see `slidetile.slides.slide.Slide.fetch`."""
        return self.fetch_noting(region, level=level, replaced=self._replaced)

    def fetch_noting(self, region: Region, *, level: int = 0, replaced: Replaced) -> FetchedPixels:
        """Read the bytes of a region; see `slidetile.slides.slide.Slide.fetch_noting`."""
        self._check_open()
        number = range(len(self.levels))[level]
        asked = self.level_region(region, number)
        if number:
            return FilledPixels.read(
                self,
                asked,
                number,
                background=lambda: self.background,
                replaced=replaced,
                is_shown=False,
            )
        return self.fetch_level(asked, number, lambda: self.background)

    def fetch_shown(
        self, region: Region, *, level: int, replaced: Replaced | None = None
    ) -> FetchedPixels:
        """Read the bytes of a region; see `slidetile.slides.slide.Slide.fetch_shown`."""
        self._check_open()
        return super().fetch_shown(region, level=level, replaced=replaced)

    @property
    def replaced(self) -> Replaced:
        """The blocks that were replaced so far, being empty or damaged."""
        return self._replaced

    def close(self) -> None:
        """Read no more. Closing twice is allowed; a reader that holds the file releases it, too."""
        self._is_closed = True

    def _check_open(self) -> None:
        if self._is_closed:
            raise ValueError(f"{self.path} is closed: open the slide again to read from it.")

    @abstractmethod
    def fetch_level(
        self, region: Region, level: int, background: Callable[[], Colour]
    ) -> FetchedPixels:
        """Read the bytes of a region; see `slidetile.slides.slide.Slide.fetch_level`."""

    def _on_white(self, region: Region) -> Pixels:
        """Read a region of the coarsest level as it looks on a white background."""
        level = len(self.levels) - 1
        return FilledPixels.read(
            self, region, level, background=lambda: WHITE, replaced=Replaced(), is_shown=True
        ).pixels()


def _state(path: Path) -> FileState | None:
    try:
        return FileState.of(path)
    except (OSError, ValueError):  # the reader says why
        return None


def _reopen(
    kind: type[FileSlide],
    path: Path,
    mpp: float | tuple[float, float] | None,
    planes: PlaneChoice,
    refusal: str | None,
) -> FileSlide:
    slide = kind(path, mpp=mpp, planes=planes) if planes else kind(path, mpp=mpp)
    slide.refusal = refusal
    return slide

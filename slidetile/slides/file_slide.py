"""What slides in files share: the file's identity, pickling and the background."""

import hashlib
import threading
from abc import abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from slidetile.cloud.address import Address, Location
from slidetile.cloud.ranged import sharing_objects
from slidetile.raster.channels import are_colours
from slidetile.raster.pixels import BLACK, WHITE, Colour, Pixels
from slidetile.raster.region import Region
from slidetile.runtime.files import as_text
from slidetile.slides._background import find_background
from slidetile.slides._filled import FilledPixels
from slidetile.slides.fetched import FetchedPixels
from slidetile.slides.file_state import AnyState, FileState, FileStates
from slidetile.slides.mpp import check_mpp
from slidetile.slides.open_file import open_file
from slidetile.slides.plane_choice import EVERYTHING, PlaneChoice
from slidetile.slides.replaced import Replaced
from slidetile.slides.slide import Slide, Source
from slidetile.slides.slide_file import SlideFile

_MIB = 1 << 20


def read_source(path: Location) -> Source:
    """Return the name, size and fingerprint of a file, wherever it lies.

    The fingerprint is the SHA-256, in hex, of the size as 8 bytes (little-endian), the first MiB
    and the last MiB; in a file under 2 MiB the two overlap. A whole slide is gigabytes: to hash
    all of it would take longer than tiling it.

    Raises
    ------
    SlideReadError
        The file cannot be read.
    """
    file = open_file(path)
    try:
        return source_of(file)
    finally:
        file.close()


def source_of(file: SlideFile) -> Source:
    """Return the name, size and fingerprint of an open file; see `read_source`."""
    size = file.size
    digest = hashlib.sha256(size.to_bytes(8, "little"))
    for start in (0, max(0, size - _MIB)):
        digest.update(file.read(start, min(_MIB, size - start)))
    return Source(name=as_text(file.path.name), size_bytes=size, fingerprint=digest.hexdigest())


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where the file of a slide comes from that was fetched as a whole, to be read here."""

    address: Address
    """The slide's own object."""

    states: Mapping[Location, AnyState]
    """All objects of which it consists, as they were fetched."""

    release: Callable[[], None]
    """Says that the copy is read no more."""

    reopen: "Callable[[Address, Callable[[Path], FileSlide]], FileSlide]"
    """Opens it again in another process, which fetches it too; a function of a module."""


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
        path: Location,
        *,
        mpp: float | tuple[float, float] | None = None,
        background: Colour | None = None,
        planes: PlaneChoice = EVERYTHING,
    ) -> None:
        self.planes = planes
        self.mpp = None if mpp is None else check_mpp(mpp)
        self.path: Location = path
        """The file."""
        self._whole = open_file(path) if isinstance(path, Address) else None
        self.state: AnyState | None = _state(path) if self._whole is None else self._whole.state
        """What tells the file from another, as it was opened; None where it was not there."""
        self.beside: Mapping[Location, AnyState] = {}
        """The other files of which the slide consists, as they were when it was opened."""
        self.origin: Origin | None = None
        """Where the file was fetched from; None where it is read where it lies."""
        self.refusal: str | None = None
        """Why a reader that was asked before left the file, in a phrase; None if none was."""
        self._given_mpp = mpp
        self._background = background
        self._background_lock = threading.Lock()
        self._replaced = Replaced()
        self._is_closed = False
        self._known_source: Source | None = None

    def __reduce__(self) -> tuple[Callable[..., "FileSlide"], tuple[object, ...]]:
        """Pickle the path: a process that receives the slide opens the file itself."""
        given = self._given_mpp, self.planes, self.refusal
        if self.origin is not None:
            return _reopen, (type(self), self.origin.address, *given, self.origin.reopen)
        return _reopen, (type(self), self.path, *given)

    @property
    def files(self) -> FileStates:
        """All files of which the slide consists, as they were when it was opened or fetched."""
        if self.origin is not None:
            return self.origin.states
        return {} if self.state is None else {self.path: self.state, **self.beside}

    @property
    def source(self) -> Source:
        """What identifies the named file, even where more files belong to the slide."""
        if isinstance(self.path, Address):
            return self._remote_source()
        if self.state is not None:
            self.state.check(self.path, self.path)
        return read_source(self.path)

    def _remote_source(self) -> Source:
        """Return what identifies an object, which every read compares with the one it was."""
        if self._known_source is None:
            if self._whole is None:
                return read_source(self.path)
            self._known_source = source_of(self._whole)
        return self._known_source

    @property
    def is_afar(self) -> bool:
        """Whether it is read from object storage, where it lies."""
        return isinstance(self.path, Address)

    @property
    def local(self) -> Path:
        """The file's path, of a slide that is read on this machine."""
        assert isinstance(self.path, Path), "an object is read by ranges, or a copy of it is"
        return self.path

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
        if self._whole is not None:
            self._whole.close()
            self._whole = None
        if self.origin is not None:
            self.origin.release()

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


def _state(path: Location) -> FileState | None:
    assert not isinstance(path, Address), "of an object it is known once it is open"
    try:
        return FileState.of(path)
    except (OSError, ValueError):  # the reader says why
        return None


def _reopen(
    kind: type[FileSlide],
    path: Location,
    mpp: float | tuple[float, float] | None,
    planes: PlaneChoice,
    refusal: str | None,
    fetch: "Callable[[Address, Callable[[Path], FileSlide]], FileSlide] | None" = None,
) -> FileSlide:
    def opened(found: Location) -> FileSlide:
        return kind(found, mpp=mpp, planes=planes) if planes else kind(found, mpp=mpp)

    with sharing_objects():
        if fetch is not None and isinstance(path, Address):
            slide = fetch(path, opened)
        else:
            slide = opened(path)
    slide.refusal = refusal
    return slide

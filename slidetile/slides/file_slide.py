"""What slides in files have in common: the file's identity, pickling, the background found once."""

import hashlib
import logging
import os
import threading
from abc import abstractmethod
from collections.abc import Callable
from pathlib import Path

from slidetile.errors import SlideReadError
from slidetile.raster.pixels import Pixels
from slidetile.raster.region import Region
from slidetile.slides.background import Colour, find_background
from slidetile.slides.slide import Slide, Source, check_mpp, is_plausible_mpp

_MIB = 1 << 20


def read_source(path: Path) -> Source:
    """Return the name, size and fingerprint of a file.

    The fingerprint is the SHA-256, in hex, of the size as 8 bytes (little-endian), the first MiB
    and the last MiB; in a file under 2 MiB the two overlap. A whole slide is gigabytes: to hash
    all of it would take longer than to tile it.

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
        raise SlideReadError(f"{path} cannot be read: {error.strerror or error}.") from error
    name = os.fsencode(path.name).decode(errors="replace")  # JSON cannot hold what is no text
    return Source(name=name, size_bytes=size, fingerprint=digest.hexdigest())


class FileSlide(Slide):
    """A slide in a file.

    Parameters
    ----------
    path
        The file; of a DICOM series, any one of its files.
    mpp
        Micrometres per level-0 pixel, one number or (x, y), in place of what the file says.
    background
        The colour of what was not scanned, where the file tells it.
    """

    def __init__(
        self,
        path: Path,
        *,
        mpp: float | tuple[float, float] | None = None,
        background: Colour | None = None,
    ) -> None:
        self._path = path
        self._given_mpp = mpp
        self._background = background
        self._background_lock = threading.Lock()

    def __reduce__(self) -> tuple[Callable[..., "FileSlide"], tuple[object, ...]]:
        """Pickle the path: a process that receives the slide opens the file itself."""
        return _reopen, (type(self), self._path, self._given_mpp)

    @property
    def source(self) -> Source:
        """What identifies the file that was named, whatever files belong to it."""
        return read_source(self._path)

    @property
    def background(self) -> Colour:
        """The file's background colour; else black where the coarsest level is dark, or white."""
        with self._background_lock:
            if self._background is None:
                coarsest = len(self.levels) - 1
                self._background = find_background(
                    self.levels[coarsest].size, lambda region: self._read_on_white(region, coarsest)
                )
            return self._background

    @abstractmethod
    def _read_on_white(self, region: Region, level: int) -> Pixels:
        """Read a region, in pixels of the level, as it looks on a white background."""
        ...


def _reopen(
    kind: type[FileSlide], path: Path, mpp: float | tuple[float, float] | None
) -> FileSlide:
    return kind(path, mpp=mpp)


_log = logging.getLogger(__name__)


def choose_mpp(
    given: float | tuple[float, float] | None,
    stored: tuple[float, float] | None,
    path: Path,
) -> tuple[float, float] | None:
    """Return the mpp to use, as (x, y), or None where none is known.

    Raises
    ------
    ValueError
        The given value lies outside what a slide scanner delivers.
    """
    if given is not None:
        return check_mpp(given)
    if stored is None or all(map(is_plausible_mpp, stored)):
        return stored
    _log.warning(
        "%s says it has %.4g×%.4g µm per pixel, outside the plausible 0.05–50: ignored. "
        "If you know the scanner's value, give mpp=….",
        path.name,
        *stored,
    )
    return None

"""What slides in files have in common: the file's identity, pickling, the background found once."""

import threading
from abc import abstractmethod
from collections.abc import Callable
from pathlib import Path

from slidetile.geometry import Region
from slidetile.pixels import Pixels
from slidetile.readers.background import Colour, find_background
from slidetile.readers.source import read_source
from slidetile.slide import Slide, Source


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

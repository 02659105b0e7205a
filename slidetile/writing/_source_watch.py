"""A slide's files, watched for changes while a store is made from them."""

import hashlib
from collections.abc import Mapping
from pathlib import Path

from slidetile.errors import SlideReadError
from slidetile.slides.file_slide import FileSlide
from slidetile.slides.file_state import FileState
from slidetile.slides.slide import Slide


class SourceWatch:
    """The size and the time stamp of each of a slide's files when it was opened.

    A file that is copied or written while it is read gives tiles of two states, which nothing
    else shows: its header, and so all that is known of it, comes first. A slide without a file
    does not change. The files beside the named one, of which there may be thousands, are looked at
    once, in the end.

    Parameters
    ----------
    slide
        The slide that the run reads.
    """

    def __init__(self, slide: Slide) -> None:
        self._files = _files(slide.original)

    @property
    def has_changed(self) -> bool:
        """Whether a file is there with another size or time stamp; a lost one may come back."""
        return any(_now(path) not in (state, None) for path, state in self._files.items())

    @property
    def state(self) -> str:
        """SHA-256, in hex, of the sizes and time stamps of all files: the same on every host."""
        files = sorted((path.name, each.size, each.mtime_ns) for path, each in self._files.items())
        return hashlib.sha256(repr(files).encode(errors="surrogateescape")).hexdigest()

    def check(self) -> None:
        """Check that all files are what they were.

        Raises
        ------
        SlideReadError
            One has changed, or is gone.
        """
        for path, state in self._files.items():
            if _now(path) is None:
                raise SlideReadError(
                    f"{path} is gone: what is written is kept; when the file is back, run the same "
                    "command again."
                )
            state.check(path, path)


def _files(slide: Slide) -> Mapping[Path, FileState]:
    if not isinstance(slide, FileSlide) or slide.state is None:
        return {}
    return {slide.path: slide.state, **slide.beside}


def _now(path: Path) -> FileState | None:
    """Return the state of a file; None where there is none."""
    try:
        return FileState.of(path)
    except OSError:
        return None

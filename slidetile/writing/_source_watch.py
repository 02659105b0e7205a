"""A slide's file, watched for changes while a store is made from it."""

from slidetile.errors import SlideReadError
from slidetile.slides.file_slide import FileSlide
from slidetile.slides.file_state import FileState
from slidetile.slides.slide import Slide


class SourceWatch:
    """The size and the time stamp of a slide's file when it was opened.

    A file that is copied or written while it is read gives tiles of two states, which nothing
    else shows: its header, and so all that is known of it, comes first. A slide without a file
    does not change.

    Parameters
    ----------
    slide
        The slide that the run reads.
    """

    def __init__(self, slide: Slide) -> None:
        original = slide.original
        self._file = original if isinstance(original, FileSlide) else None

    @property
    def has_changed(self) -> bool:
        """Whether the file is there with another size or time stamp; a lost one may come back."""
        return self._file is not None and _now(self._file) not in (self._file.state, None)

    def check(self) -> None:
        """Check that the file is what it was.

        Raises
        ------
        SlideReadError
            It has changed, or is gone.
        """
        if self._file is None or self._file.state is None:
            return
        if _now(self._file) is None:
            raise SlideReadError(
                f"{self._file.path} is gone: what is written is kept; when the file is back, run "
                "the same command again."
            )
        self._file.state.check(self._file.path, self._file.path)


def _now(file: FileSlide) -> FileState | None:
    """Return the state of a slide's file; None where there is none."""
    try:
        return FileState.of(file.path)
    except OSError:
        return None

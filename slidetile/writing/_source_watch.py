"""A slide's file, watched for changes while a store is made from it."""

from pathlib import Path

from slidetile.errors import SlideReadError
from slidetile.slides.file_slide import FileSlide
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
        self._path = original.path if isinstance(original, FileSlide) else None
        state = original.state if isinstance(original, FileSlide) else None
        self._before = None if state is None else (state.size, state.mtime_ns)

    @property
    def has_changed(self) -> bool:
        """Whether the file is there with another size or time stamp; a lost one may come back."""
        return self._look() not in (self._before, None)

    def check(self) -> None:
        """Check that the file is what it was.

        Raises
        ------
        SlideReadError
            It has changed, or is gone.
        """
        now = self._look()
        if now == self._before:
            return
        if now is None or self._before is None:
            raise SlideReadError(
                f"{self._path} is gone: what is written is kept; when the file is back, run the "
                "same command again."
            )
        what = "its time stamp is another"
        if now[0] != self._before[0]:
            what = f"its size, {self._before[0]} bytes, is now {now[0]}"
        raise SlideReadError(
            f"{self._path} changed while it was read ({what}): is it still being copied? Run the "
            "same command again when it is complete."
        )

    def _look(self) -> tuple[int, int] | None:
        """Return the (size, time stamp) of the file; None where there is none."""
        if self._path is None:
            return None
        try:
            status = Path(self._path).stat()
        except OSError:
            return None
        return status.st_size, status.st_mtime_ns

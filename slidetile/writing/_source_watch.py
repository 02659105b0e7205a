"""A slide's files, watched for changes while a store is made from them."""

import hashlib

from slidetile.cloud.address import Address, Location
from slidetile.cloud.objects import in_parallel
from slidetile.errors import SlideReadError
from slidetile.slides.file_state import AnyState, replaced, state_of
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
        self._files = slide.files

    @property
    def has_changed(self) -> bool:
        """Whether a file is there with another size or time stamp; a lost one may come back."""
        return any(state not in (self._files[path], None) for path, state in self._now.items())

    @property
    def state(self) -> str:
        """SHA-256, in hex, of the sizes and time stamps of all files: the same on every host."""
        files = sorted((path.name, each.size, each.mark) for path, each in self._files.items())
        return hashlib.sha256(repr(files).encode(errors="surrogateescape")).hexdigest()

    def check(self) -> None:
        """Check that all files are what they were.

        Raises
        ------
        SlideReadError
            One has changed, or is gone.
        """
        for path, state in self._now.items():
            known = self._files[path]
            if state is None:
                raise SlideReadError(
                    f"{path} is gone: what is written is kept; when the file is back, run the same "
                    "command again."
                )
            if state != known:
                known.check(path, path)
                raise replaced(path)

    @property
    def _now(self) -> dict[Location, AnyState | None]:
        """The state of each file as it is now; objects are asked for side by side."""
        objects = [path for path in self._files if isinstance(path, Address)]
        if not objects:
            return {path: _found(path) for path in self._files}
        return dict(zip(self._files, in_parallel(_found, list(self._files)), strict=True))


def _found(path: Location) -> AnyState | None:
    """Return the state of a file; None where there is none."""
    try:
        return state_of(path)
    except OSError:
        return None

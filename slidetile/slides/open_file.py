"""Open a slide's file, wherever it lies."""

from slidetile.cloud.address import Address, Location
from slidetile.slides.file_state import AnyState, RemoteState
from slidetile.slides.slide_file import LocalFile, SlideFile


def open_file(location: Location, *, state: AnyState | None = None) -> SlideFile:
    """Open a file of this machine, or an object.

    Parameters
    ----------
    location
        Where it is.
    state
        What it is known to be. A file is compared with it; of an object, each read is.

    Raises
    ------
    SlideReadError
        It cannot be opened, is not a regular file, or has changed.
    """
    if isinstance(location, Address):
        from slidetile.slides.remote_file import RemoteFile

        known = state if isinstance(state, RemoteState) else None
        return RemoteFile(location, state=known)
    if state is not None:
        state.check(location, location)
    return LocalFile(location)


def file_head(location: Location, most_bytes: int, *, state: AnyState | None = None) -> bytes:
    """Return the first bytes of a file, fewer where it has fewer; see `open_file`."""
    file = open_file(location, state=state)
    try:
        return file.read(0, min(file.size, most_bytes))
    finally:
        file.close()

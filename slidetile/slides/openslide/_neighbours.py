"""Files beside a slide's, which OpenSlide opens with it: none may be waited for, or change."""

import os
import stat
from collections.abc import Mapping
from pathlib import Path

from slidetile.errors import SlideReadError
from slidetile.runtime.files import read_regular
from slidetile.slides.dicom.file import MAGIC_END, is_dicom
from slidetile.slides.file_state import FileState, unreadable

_LISTS = (b"[Virtual Microscope Specimen]", b"[Uncompressed Virtual Microscope Specimen]")
"""How Hamamatsu's VMS and VMU begin, which name the files beside them."""


_HEAD_BYTES, _LIST_BYTES = 1 << 16, 1 << 20
"""Of a DICOM file so much is read to see which series it is of; of a list of files so much."""


def find_neighbours(path: Path) -> dict[Path, FileState]:
    """Return the files which OpenSlide may open with a slide, as they are.

    A DICOM series is all of a folder; a MIRAX slide has a folder of its own.

    Raises
    ------
    SlideReadError
        One is a pipe, a device or a socket.
    """
    folder = _folder(path)
    if folder is None or not folder.is_dir():
        return {}
    found: dict[Path, FileState] = {}
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                state = _state(entry, path)
                if state is not None and entry.name != path.name:
                    found[Path(entry.path)] = state
    except OSError as error:
        raise unreadable(folder, error) from error
    return found


def own_neighbours(
    path: Path, found: Mapping[Path, FileState], series: str | None
) -> dict[Path, FileState]:
    """Return those of the files beside a slide of which it consists.

    Parameters
    ----------
    path
        The slide's file.
    found
        The files beside it.
    series
        The identifier of its DICOM series, if it is of one.
    """
    if not found or path.suffix.lower() == ".mrxs":
        return dict(found)
    if series is not None:
        own = series.encode()
        return {other: state for other, state in found.items() if own in _head(other, _HEAD_BYTES)}
    named = _head(path, _LIST_BYTES)
    return {other: state for other, state in found.items() if os.fsencode(other.name) in named}


def _folder(path: Path) -> Path | None:
    if path.suffix.lower() == ".mrxs":
        return path.with_suffix("")
    try:
        with path.open("rb") as file:
            head = file.read(MAGIC_END)
    except OSError as error:
        raise unreadable(path, error) from error
    if is_dicom(head) or head.startswith(_LISTS):
        return path.parent
    return None


def _state(entry: "os.DirEntry[str]", path: Path) -> FileState | None:
    """Return the state of a regular file; None for what is no file."""
    try:
        found = entry.stat()
    except OSError:
        return None  # a link to nothing: opening it fails, and waits for nothing
    if stat.S_ISREG(found.st_mode):
        return FileState(size=found.st_size, mtime_ns=found.st_mtime_ns)
    if stat.S_ISDIR(found.st_mode):
        return None
    raise SlideReadError(
        f"{path} belongs to the files beside it, of which {entry.path} is a pipe, a device or a "
        "socket, for which OpenSlide would wait: move it elsewhere."
    )


def _head(path: Path, most_bytes: int) -> bytes:
    try:
        return read_regular(path, most_bytes)
    except OSError:
        return b""  # OpenSlide, too, leaves out what it cannot read

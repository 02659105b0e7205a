"""Files beside a slide's, which OpenSlide opens with it and would wait for."""

import os
import stat
from pathlib import Path

from slidetile.errors import SlideReadError
from slidetile.slides.file_state import unreadable

_DICOM, _DICOM_AT = b"DICM", 128
_LISTS = (b"[Virtual Microscope Specimen]", b"[Uncompressed Virtual Microscope Specimen]")
"""How Hamamatsu's VMS and VMU begin, which name the files beside them."""


def check_neighbours(path: Path) -> None:
    """Check that all files which OpenSlide may open with a slide are regular ones.

    A DICOM series is all of a folder; a MIRAX slide has a folder of its own.

    Raises
    ------
    SlideReadError
        One is a pipe, a device or a socket.
    """
    folder = _folder(path)
    if folder is None or not folder.is_dir():
        return
    try:
        with os.scandir(folder) as entries:
            odd = next((entry.path for entry in entries if _is_odd(entry)), None)
    except OSError as error:
        raise unreadable(folder, error) from error
    if odd is not None:
        raise SlideReadError(
            f"{path} belongs to the files beside it, of which {odd} is a pipe, a device or a "
            "socket, for which OpenSlide would wait: move it elsewhere."
        )


def _folder(path: Path) -> Path | None:
    if path.suffix.lower() == ".mrxs":
        return path.with_suffix("")
    try:
        with path.open("rb") as file:
            head = file.read(_DICOM_AT + len(_DICOM))
    except OSError as error:
        raise unreadable(path, error) from error
    if head[_DICOM_AT:] == _DICOM or head.startswith(_LISTS):
        return path.parent
    return None


def _is_odd(entry: "os.DirEntry[str]") -> bool:
    try:
        mode = entry.stat().st_mode
    except OSError:
        return False  # a link to nothing: opening it fails, and waits for nothing
    return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode))

"""Whether a TIFF is the slide, or shows what lies in other files.

A header proves no slide: Olympus writes a TIFF with a preview, a macro and a label, and the pixels
into a folder beside it.
"""

import os
from collections.abc import Iterator
from pathlib import Path

from slidetile.cloud.address import Address
from slidetile.runtime.files import read_regular
from slidetile.slides.reader import FinalRefusalError
from slidetile.slides.slide_file import SlideFile

_VSI_MARK, _VSI_AT = b"\x18\0IS", 8
"""Behind the TIFF's header, Olympus's own begins."""

_VSI_SUFFIX = ".vsi"
_ETS_MARK = b"SIS\0"
_MOST_ENTRIES = 256
"""Of a folder beside the file, no more is looked at."""

_EXPORT = (
    "slidetile has no reader for it: export the slide from OlyVIA or cellSens as a pyramidal TIFF, "
    "or convert it with Bio-Formats (QuPath, bioformats2raw with raw2ometiff)"
)


def check_is_slide(file: SlideFile) -> None:
    """Check that a TIFF holds the slide's own pixels.

    Content comes first: Olympus's mark in the file, or pixels of its kind in the folder that is
    named after the file. The file's name comes last.

    Raises
    ------
    FinalRefusalError
        It is the preview of a slide whose pixels lie, or should lie, in a folder beside it.
    """
    head = file.read(0, min(file.size, _VSI_AT + len(_VSI_MARK)))
    says_so = head[_VSI_AT:] == _VSI_MARK or file.path.suffix.lower() == _VSI_SUFFIX
    if isinstance(file.path, Address):
        if says_so:  # another request for every slide would be too much for the others
            raise FinalRefusalError(
                f"it is an Olympus VSI, a preview of pixels that lie elsewhere. Besides, {_EXPORT}"
            )
        return
    folder = sidecar_folder(file.path)
    pixels = next(_pixel_files(folder), None)
    if not says_so and (pixels is None or pixels.suffix.lower() != ".ets"):
        return
    what = "it is an Olympus VSI" if says_so else "it is a preview"
    if pixels is None:
        raise FinalRefusalError(
            f"{what}, a preview: the pixels lie in *.ets files in the folder {folder.name} beside "
            f"it, which is missing or holds none. Besides, {_EXPORT}"
        )
    where = pixels.relative_to(folder.parent).as_posix()
    raise FinalRefusalError(f"{what}; the slide's pixels lie in {where}. {_EXPORT}")


def sidecar_folder(path: Path) -> Path:
    """Return the folder in which Olympus puts the pixels of a slide."""
    return path.with_name(f"_{path.stem}_")


def _pixel_files(folder: Path) -> Iterator[Path]:
    """Yield the files of a folder, and of those in it, that hold Olympus's pixels."""
    for inner in [folder, *(path for path in _entries(folder) if path.is_dir())]:
        for path in _entries(inner):
            if path.name.startswith("frame_t") and (_is_ets(path) or _is_tiff(path)):
                yield path


def _entries(folder: Path) -> list[Path]:
    try:
        return sorted(folder / name for name in os.listdir(folder))[:_MOST_ENTRIES]  # noqa: PTH208
    except OSError:
        return []


def _is_ets(path: Path) -> bool:
    try:
        return path.is_file() and read_regular(path, len(_ETS_MARK)) == _ETS_MARK
    except OSError:
        return False


def _is_tiff(path: Path) -> bool:
    return path.suffix.lower() in (".tif", ".tiff") and path.is_file()

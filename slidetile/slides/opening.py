"""Open whole slides: a file's content decides which reader opens it, never its name."""

import os
from collections.abc import Sequence
from pathlib import Path

from slidetile.errors import SlideReadError, UnsupportedSlideError
from slidetile.runtime.addresses import address_in
from slidetile.slides.file_state import unreadable
from slidetile.slides.mpp import check_mpp
from slidetile.slides.reader import (
    HEAD_BYTES,
    FinalRefusalError,
    OtherReaderError,
    Reader,
    conversion,
)
from slidetile.slides.readers import READERS, named_reader
from slidetile.slides.slide import Slide


def open_slide(
    path: str | bytes | os.PathLike[str] | os.PathLike[bytes],
    *,
    reader: str | Reader | None = None,
    mpp: float | tuple[float, float] | None = None,
) -> Slide:
    """Open a whole slide.

    Parameters
    ----------
    path
        The slide's file, on a local or mounted disk; of a DICOM series, any one of its files; of
        OME-Zarr, the folder.
    reader
        "tiff", "ome-zarr" or "openslide" to use only that reader, or a `Reader` of your own. None
        is the reader tiff for the TIFF files that it knows (Aperio SVS, OME-TIFF, generic TIFF),
        ome-zarr for OME-Zarr folders, and OpenSlide for everything else.
    mpp
        Micrometres per level-0 pixel, one number or (x, y), if the file's value is missing or
        wrong.

    Raises
    ------
    UnsupportedSlideError
        No reader recognises the file.
    SlideReadError
        The file does not exist, cannot be read, or is damaged.
    ValueError
        The reader is unknown, or the mpp is implausible.

    Examples
    --------
    >>> with open_slide("data_samples/sample.svs") as slide:
    ...     print(slide.width, slide.height, slide.mpp)
    3840 2560 (0.5, 0.5)
    """
    chosen = named_reader(reader) if isinstance(reader, str) else reader
    if mpp is not None:
        mpp = check_mpp(mpp)
    file = Path(_local(os.fsdecode(path)))
    by_folder = _reader_of_folder(file, READERS if chosen is None else (chosen,))
    if by_folder is not None:
        return by_folder.open(file, mpp=mpp)
    _check_file(file)
    return _open_any(file, mpp) if chosen is None else chosen.open(file, mpp=mpp)


def _local(path: str) -> str:
    """Return a path; refuse an address."""
    address = address_in(path)
    if address is None:
        return path
    raise SlideReadError(
        f"{address} is an address, not a local path: slidetile reads files only, so download it, "
        "or mount where it lies and give the path there."
    )


def _reader_of_folder(path: Path, readers: Sequence[Reader]) -> Reader | None:
    """Return the reader of which a folder is a slide; None for files, and where there is none."""
    if not os.path.isdir(path):  # noqa: PTH112  never raises
        return None
    for reader in readers:
        if reader.recognises_folder is not None and reader.recognises_folder(path):
            return reader
    return None


def _check_file(path: Path) -> None:
    try:
        size = path.stat().st_size
    except FileNotFoundError as error:
        raise SlideReadError(f"{path} does not exist.") from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise SlideReadError(f"{path} cannot be read: {reason}.") from error
    if path.is_dir():
        raise SlideReadError(
            f"{path} is a folder, not a slide: name the slide's file, of a DICOM series any one of "
            "its files, or of OME-Zarr the folder that holds the image's metadata."
        )
    if not path.is_file():
        raise SlideReadError(f"{path} is not a regular file, so it cannot be read as a slide.")
    if not size:
        raise SlideReadError(f"{path} is empty (0 bytes): copy it again.")


def _open_any(path: Path, mpp: tuple[float, float] | None) -> Slide:
    """Ask the readers that may know the file, one after another."""
    head = _head(path)
    files = [(reader, reader.recognises) for reader in READERS if reader.recognises is not None]
    strangers = [reader for reader, recognises in files if not recognises(head)]
    refusals: list[UnsupportedSlideError] = []
    for reader, _ in files:
        if reader in strangers:
            continue
        try:
            return reader.open(path, mpp=mpp)
        except FinalRefusalError:
            raise
        except UnsupportedSlideError as error:
            refusals.append(error)
    raise _no_reader(path, strangers, refusals) from refusals[0]


def _head(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(HEAD_BYTES)
    except OSError as error:
        raise unreadable(path, error) from error


def _no_reader(
    path: Path, strangers: list[Reader], refusals: list[UnsupportedSlideError]
) -> UnsupportedSlideError:
    """Return the error that says why every reader refuses a file."""
    kinds = " or ".join(reader.kind for reader in strangers)
    reasons = [f"it is not a {kinds}"] if kinds else []
    reasons += [_reason(error, path) for error in refusals]
    remedy = "Is it a whole slide, and complete?"
    # OpenSlide, the last, refuses whatever it does not know; the others know what they refuse.
    if any(not isinstance(error, OtherReaderError) for error in refusals[:-1]):
        remedy = conversion(path)
    return UnsupportedSlideError(
        f"{path.name} cannot be opened: {', and '.join(reasons)}. {remedy}"
    )


def _reason(error: UnsupportedSlideError, path: Path) -> str:
    return str(error).removeprefix(f"{path.name} cannot be opened: ").removesuffix(".")

"""Open whole slides: one adapter per library, chosen by what is in the file, never by its name.

The libraries are imported when a slide is opened, so that importing slidetile stays quick.
"""

import os
from pathlib import Path

from slidetile.errors import SlideReadError, UnsupportedSlideError, one_line
from slidetile.slides.mpp import check_mpp
from slidetile.slides.slide import Slide


def open_slide(
    path: str | os.PathLike[str],
    *,
    reader: str | None = None,
    mpp: float | tuple[float, float] | None = None,
) -> Slide:
    """Open a whole slide.

    Parameters
    ----------
    path
        The slide's file; of a DICOM series, any one of its files.
    reader
        "tiff" or "openslide" to insist on one. Without it, TIFF files that the fast reader
        knows (Aperio SVS, OME-TIFF, generic TIFF) go to it, everything else to OpenSlide.
    mpp
        Micrometres per level-0 pixel, one number or (x, y), where the file's own is missing
        or wrong.

    Raises
    ------
    UnsupportedSlideError
        No reader recognises the file.
    SlideReadError
        It does not exist, cannot be read, or is damaged.
    ValueError
        The reader is unknown, or the mpp implausible.

    Examples
    --------
    >>> with open_slide("data_samples/sample.svs") as slide:
    ...     print(slide.width, slide.height, slide.mpp)
    3840 2560 (0.5, 0.5)
    """
    if reader is not None and reader not in _READERS:
        raise ValueError(f'The reader is "tiff", "openslide" or None, but not {reader!r}.')
    if mpp is not None:
        mpp = check_mpp(mpp)
    file = Path(path)
    _check_file(file)
    return _open_any(file, mpp) if reader is None else _READERS[reader](file, mpp)


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
            f"{path} is a folder, not a slide: name the slide's file, or of a DICOM series any "
            "one of its files."
        )
    if not path.is_file():
        raise SlideReadError(f"{path} is no regular file, so it cannot be read as a slide.")
    if not size:
        raise SlideReadError(f"{path} is empty (0 bytes): copy it again.")


def _open_any(path: Path, mpp: tuple[float, float] | None) -> Slide:
    from slidetile.slides.tiff.directory import OtherReaderError, PlanesError

    try:
        return _open_tiff(path, mpp)
    except PlanesError:
        raise
    except UnsupportedSlideError as error:
        refusal = error
    try:
        return _open_vendor(path, mpp)
    except UnsupportedSlideError as error:
        remedy = 'Convert it to a tiled 8-bit TIFF, for example with "vips tiffsave".'
        if isinstance(refusal, OtherReaderError):
            remedy = "Is it a whole slide, and complete?"
        raise UnsupportedSlideError(
            f"{path.name} cannot be opened: {one_line(refusal.__cause__)}, and OpenSlide says "
            f"“{one_line(error.__cause__)}”. {remedy}"
        ) from refusal


def _open_tiff(path: Path, mpp: tuple[float, float] | None) -> Slide:
    from slidetile.slides.tiff.slide import TiffSlide

    return TiffSlide(path, mpp=mpp)


def _open_vendor(path: Path, mpp: tuple[float, float] | None) -> Slide:
    from slidetile.slides.openslide.slide import VendorSlide

    return VendorSlide(path, mpp=mpp)


_READERS = {"tiff": _open_tiff, "openslide": _open_vendor}
"""How each reader opens a file, and the names by which one is insisted on."""

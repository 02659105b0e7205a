"""Open whole slides: a file's content decides which reader opens it, never its name."""

import os
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple, cast

from slidetile.cloud.address import Address, Location, locate
from slidetile.cloud.objects import has_objects, in_parallel
from slidetile.cloud.options import using_storage_options
from slidetile.cloud.ranged import HEAD_BYTES as OBJECT_HEAD_BYTES
from slidetile.cloud.ranged import listed, sharing_objects
from slidetile.counts import how_many
from slidetile.errors import SlideReadError, UnsupportedSlideError
from slidetile.runtime.files import as_text, read_regular
from slidetile.slides.container import TIFF, Container, container_of
from slidetile.slides.dicom.file import is_dicom
from slidetile.slides.file_slide import FileSlide
from slidetile.slides.file_state import unreadable
from slidetile.slides.mpp import check_mpp
from slidetile.slides.open_file import file_head
from slidetile.slides.picked import pick_planes
from slidetile.slides.plane_choice import PlaneChoice
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
    path: str | bytes | os.PathLike[str] | os.PathLike[bytes] | Address,
    *,
    reader: str | Reader | None = None,
    mpp: float | tuple[float, float] | None = None,
    channels: Sequence[str] = (),
    z: int | None = None,
    t: int | None = None,
    storage_options: Mapping[str, str] | None = None,
) -> Slide:
    """Open a whole slide.

    Parameters
    ----------
    path
        The slide's file, on a disk or, as an address such as ``s3://bucket/slide.svs``, in object
        storage; of a DICOM series, any one of its files, or the folder that holds it and no other
        slide; of OME-Zarr, the folder. In object storage, TIFF and DICOM are read where they lie,
        range by range; the files of other readers are fetched as a whole, into a folder of the
        system's temporary one.
    reader
        "tiff", "dicom", "ome-zarr", "czi", "isyntax", "picture" or "openslide" to use only that
        reader, or a `Reader` of your own. None is the reader tiff for the TIFF files that it knows
        (Aperio SVS, OME-TIFF, generic TIFF, Hamamatsu NDPI, Philips, Leica SCN), dicom for DICOM,
        ome-zarr for OME-Zarr folders, czi for Zeiss CZI, isyntax for Philips iSyntax (which needs
        the extra isyntax), picture for PNG, JPEG and JPEG 2000, and OpenSlide for everything else.
    mpp
        Micrometres per level-0 pixel, one number or (x, y), if the file's value is missing or
        wrong.
    channels
        Names or numbers (from 0) of the channels to read, in this order; all of them if it is
        empty.
    z, t
        The depth (focal plane) and the time to read, from 0, of a slide that has several.
    storage_options
        Credentials, endpoints and other options of object storage, as obstore names them; None is
        what was set for the process (see `set_storage_options`) or stands in the environment.

    Raises
    ------
    UnsupportedSlideError
        No reader recognises the file, or it has several depths or times and none was chosen.
    SlideReadError
        The file does not exist, cannot be read, or is damaged.
    ValueError
        The reader is unknown, the mpp is implausible, the slide does not have the channel, depth or
        time, or the address or a storage option is none.
    ImportError
        It is an address, and obstore, the extra cloud, is not installed.

    Examples
    --------
    >>> with open_slide("data_samples/sample.svs") as slide:
    ...     print(slide.width, slide.height, slide.mpp)
    3840 2560 (0.5, 0.5)
    """
    chosen = named_reader(reader) if isinstance(reader, str) else reader
    if mpp is not None:
        mpp = check_mpp(mpp)
    asked = _Asked(mpp, PlaneChoice(channels=channels, z=z, t=t))
    with using_storage_options(storage_options):
        located = locate(path)
    with sharing_objects():
        return _open_located(located, chosen, asked)


def _open_located(path: Location, chosen: Reader | None, asked: "_Asked") -> Slide:
    """Open a slide that lies somewhere."""
    by_folder = _reader_of_folder(path, READERS if chosen is None else (chosen,))
    if by_folder is not None:
        return asked.open(by_folder, path)
    file = _file_of(path, chosen)
    if isinstance(file, Address) and file.name in _ZARR:
        return _open_remote_zarr(file.parent, READERS if chosen is None else (chosen,), asked)
    if chosen is None:
        return _open_any(file, READERS, asked)
    if chosen in READERS:
        return _open_any(file, (chosen,), asked)
    return asked.open(chosen, file)


class _Asked(NamedTuple):
    """What is asked of a slide, whichever reader opens it."""

    mpp: tuple[float, float] | None
    planes: PlaneChoice

    def open(self, reader: Reader, location: Location) -> Slide:
        """Open a file with a reader, once it is on this machine if the reader needs that."""
        if isinstance(location, Address) and not reader.reads_ranges:
            from slidetile.slides.staged import open_staged

            return open_staged(location, lambda path: self._open(reader, path))
        return self._open(reader, cast("Path", location))

    def _open(self, reader: Reader, path: Path) -> Slide:
        if not self.planes:
            return reader.open(path, mpp=self.mpp)
        if reader.open_planes is not None:
            return reader.open_planes(path, mpp=self.mpp, planes=self.planes)
        with ExitStack() as stack:
            slide = stack.enter_context(reader.open(path, mpp=self.mpp))
            picked = pick_planes(slide, self.planes)
            stack.pop_all()
        return picked


def _reader_of_folder(path: Location, readers: Sequence[Reader]) -> Reader | None:
    """Return the reader of which a folder is a slide; None for files, and where there is none."""
    if isinstance(path, Address):
        return None  # that is asked once it is known that no object has this name
    if not os.path.isdir(path):  # noqa: PTH112  never raises
        return None
    for reader in readers:
        if reader.recognises_folder is not None and reader.recognises_folder(path):
            return reader
    return None


def _file_of(path: Location, chosen: Reader | None) -> Location:
    """Return the file to open of a path: its own, or one of the DICOM series that fills a folder.

    Raises
    ------
    UnsupportedSlideError
        It is a folder of another reader than the one that was asked for.
    SlideReadError
        It cannot be read, or is a folder of anything else.
    """
    if isinstance(path, Address):
        return _object_of(path)
    try:
        size = path.stat().st_size
        is_folder = path.is_dir()
    except FileNotFoundError as error:
        raise SlideReadError(f"{path} does not exist.") from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise SlideReadError(f"{path} cannot be read: {reason}.") from error
    if is_folder:
        return _file_in(path, chosen)
    if not path.is_file():
        raise SlideReadError(f"{path} is not a regular file, so it cannot be read as a slide.")
    if not size:
        raise SlideReadError(f"{path} is empty (0 bytes): copy it again.")
    return path


def _open_remote_zarr(address: Address, readers: Sequence[Reader], asked: "_Asked") -> Slide:
    """Open a Zarr folder of a bucket, which is fetched as a whole."""
    from slidetile.slides.staged import open_staged_folder

    def opened(path: Path) -> Slide:
        reader = _reader_of_folder(path, readers)
        if reader is None:
            raise SlideReadError(
                f"{address} is a Zarr folder, but not an OME-Zarr image: name the folder that "
                "holds the image's metadata, or the slide's file."
            )
        return asked.open(reader, path)

    return open_staged_folder(address, opened)


def _object_of(address: Address) -> Address:
    """Return the object to open of an address, its own or one of the series below it.

    Raises
    ------
    SlideReadError
        There is none, or it cannot be read.
    """
    from slidetile.slides.dicom.folder import slide_in
    from slidetile.slides.remote_file import RemoteFile

    try:
        file = RemoteFile(address, head_bytes=OBJECT_HEAD_BYTES)
    except SlideReadError as error:
        if not isinstance(error.__cause__, FileNotFoundError) or not _has_any(address):
            raise
        marks = [each for each in _listed(address) if each.name in _ZARR]
        if marks:
            return marks[0]
        found = slide_in(address)
        if found is not None:
            _check_alone(address)
            return cast("Address", found)
        raise SlideReadError(
            f"{address} is a folder, not a slide: name the slide's file, a folder that holds a "
            "DICOM series, or of OME-Zarr the folder that holds the image's metadata."
        ) from error
    size = file.size
    file.close()
    if not size:
        raise SlideReadError(f"{address} is empty (0 bytes): upload it again.")
    return address


def _has_any(address: Address) -> bool:
    try:
        return not address.is_web and has_objects(address)
    except OSError as error:
        raise unreadable(address, error) from error


def _listed(address: Address) -> list[Address]:
    try:
        return sorted(listed(address))
    except OSError as error:
        raise unreadable(address, error) from error


def _file_in(folder: Path, chosen: Reader | None) -> Location:
    """Return a file of the one slide in a folder."""
    from slidetile.slides.dicom.folder import slide_in

    found = slide_in(folder)
    if found is not None:
        _check_alone(folder)
        return found
    able = None if chosen is None else _reader_of_folder(folder, READERS)
    if chosen is not None and able is not None:
        raise UnsupportedSlideError(
            f"{folder.name} cannot be opened: it is an {able.kind} folder, which the reader "
            f"{able.name} reads, and {chosen.name} does not. Ask for {able.name}, or for no reader."
        )
    if any((folder / name).exists() for name in _ZARR):
        raise SlideReadError(
            f"{folder} is a Zarr folder, but not an OME-Zarr image: name the folder that holds the "
            "image's metadata, or the slide's file."
        )
    raise SlideReadError(
        f"{folder} is a folder, not a slide: name the slide's file, a folder that holds a DICOM "
        "series, or of OME-Zarr the folder that holds the image's metadata."
    )


def _check_alone(folder: Location) -> None:
    """Refuse a folder in which there are other slides than those of DICOM."""
    if isinstance(folder, Address):
        found = _listed(folder)
        flags = in_parallel(_is_other_slide, found)
        others = [each.name for each, is_other in zip(found, flags, strict=True) if is_other]
    else:
        others = [name for name in sorted(os.listdir(folder)) if _is_other_slide(folder / name)]  # noqa: PTH208
    if others:
        more = ", …" if len(others) > _MOST_NAMED else ""
        raise FinalRefusalError(
            f"{folder} holds a DICOM slide and {how_many(len(others), 'other slides')} "
            f"({', '.join(map(as_text, others[:_MOST_NAMED]))}{more}). Name a file of the one you "
            "mean, or tile all with the command batch."
        )


def _is_other_slide(path: Location) -> bool:
    if path.name.startswith("."):
        return False
    if isinstance(path, Address):
        head = file_head(path, HEAD_BYTES)
    else:
        try:
            head = read_regular(path, HEAD_BYTES)
        except OSError:  # where it may be a part of this slide, that was refused already
            return False
    container = None if is_dicom(head) else container_of(head, path)
    return container is not None and container.role in ("slide", "unread slide")


_MOST_NAMED = 5
_ZARR = frozenset({"zarr.json", ".zgroup", ".zattrs", ".zarray"})


def _open_any(path: Location, readers: tuple[Reader, ...], asked: _Asked) -> Slide:
    """Ask the readers that may know the file, one after another."""
    head = file_head(path, HEAD_BYTES)
    strangers = [
        reader for reader in readers if reader.recognises is None or not reader.recognises(head)
    ]
    refusals: list[tuple[Reader, UnsupportedSlideError]] = []
    for reader in readers:
        if reader in strangers:
            continue
        if isinstance(path, Address) and not _is_worth_fetching(head, path, reader):
            refusals.append((reader, UnsupportedSlideError(_NOT_FETCHED)))
            continue
        try:
            opened = asked.open(reader, path)
        except FinalRefusalError:
            raise
        except UnsupportedSlideError as error:
            refusals.append((reader, error))
            continue
        if refusals and isinstance(opened, FileSlide):  # a store says why it is not native
            opened.refusal = _reason(refusals[0][1], path).partition(". ")[0]
        return opened
    refusal = _no_reader(path, container_of(head, path), refusals, strangers)
    raise refusal from (refusals[0][1] if refusals else None)


def _is_worth_fetching(head: bytes, address: Address, reader: Reader) -> bool:
    """Return whether an object may be a slide of a reader that has to be given all of it."""
    found = container_of(head, address)
    return reader.reads_ranges or (found is not None and found.role in ("slide", "picture"))


_NOT_FETCHED = "it is not fetched, since its first bytes are of no slide"


def _no_reader(
    path: Location,
    container: Container | None,
    refusals: list[tuple[Reader, UnsupportedSlideError]],
    strangers: list[Reader],
) -> UnsupportedSlideError:
    """Return the error that says what a file is, why every reader refuses it, and what to do."""
    is_tiff = container is not None and container.name == TIFF
    # OpenSlide, the last, refuses whatever it does not know; the others know what they refuse.
    own = [error for reader, error in refusals if reader is not READERS[-1]]
    what = f"it is {container.name}" if container else _UNKNOWN
    is_told = any(what in str(error) for _, error in refusals)
    reasons = [] if is_tiff or is_told else [what]
    remedy = _REMEDY if container is None or is_tiff else container.remedy
    if strangers and not refusals:  # one was asked for by name
        reasons = [_not_its_kind(strangers[0], what)]
        if container is not None and container.role in ("slide", "picture"):
            remedy = _OTHER_READER
    # OpenSlide quotes fields of DICOM, which may be filled with anything; vips asks OpenSlide.
    is_dicom = bool(own) and refusals[0][0].kind == "DICOM"
    if container is None or container.role == "slide" or own:
        told = own if is_dicom else [error for _, error in refusals]
        reasons += [_reason(error, path) for error in told]
    if any(not isinstance(error, OtherReaderError) for error in own):
        remedy = _EXPORT_DICOM if is_dicom else conversion(path)
    return UnsupportedSlideError(
        f"{path.name} cannot be opened: {', and '.join(reasons or ['no reader takes it'])}. "
        f"{remedy}"
    )


def _not_its_kind(reader: Reader, what: str) -> str:
    """Return why a reader that was asked for does not take a file."""
    if reader.recognises is None:
        return f"it is a file, and {reader.kind} slides are folders"
    return f"{what}, not a {reader.kind}"


_UNKNOWN = "its content is of no kind that slidetile knows"
_REMEDY = "Is it a whole slide, and complete?"
_EXPORT_DICOM = "Export it anew from the maker's program, as JPEG frames of 8-bit RGB or YCbCr."
_OTHER_READER = "Leave the reader out, and the one that knows it is chosen."


def _reason(error: UnsupportedSlideError, path: Location) -> str:
    return str(error).removeprefix(f"{path.name} cannot be opened: ").removesuffix(".")

"""Slides in object storage that a library reads as files: fetched whole, to the scratch folder.

Knows which objects make one slide. Does not know how they are fetched and kept.
"""

import contextlib
import os
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

from slidetile.cloud.address import Address, Location
from slidetile.cloud.objects import ObjectState, object_state, objects_below
from slidetile.cloud.ranged import listed, sharing_objects
from slidetile.cloud.scratch import Files, Lease, Scratch
from slidetile.errors import SlideReadError
from slidetile.slides.dicom.file import is_dicom
from slidetile.slides.file_slide import FileSlide, Origin
from slidetile.slides.file_state import AnyState, RemoteState, unreadable
from slidetile.slides.open_file import file_head
from slidetile.slides.slide import Slide

_LISTS = (b"[Virtual Microscope Specimen]", b"[Uncompressed Virtual Microscope Specimen]")
_LIST_BYTES = 1 << 20

_METADATA = ("zarr.json", ".zattrs", ".zgroup", ".zarray", ".ome.xml")
"""How the names of what describes an image of OME-Zarr end."""

Opened = TypeVar("Opened", bound=Slide)


def open_staged(address: Address, open_path: Callable[[Path], Opened]) -> Opened:
    """Fetch the objects of a slide, and open what is fetched.

    It stays in the scratch folder while the slide is open, and then as long as there is room.

    Parameters
    ----------
    address
        The slide's object.
    open_path
        Opens its copy.

    Raises
    ------
    SlideReadError
        An object cannot be fetched, or there is no room for it.
    SlideError
        As ``open_path`` does.
    """
    files, lease = _fetched(address, _files_of)
    found: Opened = _opened(address, files, lease, open_path, open_staged)
    return found


def _opened(
    address: Address,
    files: Files,
    lease: Lease,
    open_path: Callable[[Path], Opened],
    reopen: Callable[..., Any],
) -> Opened:
    try:
        slide = open_path(lease.folder / address.name)
    except BaseException:
        lease.release()
        raise
    weakref.finalize(slide, lease.release)
    if isinstance(slide, FileSlide):
        found = list(files.values())
        if address.name not in files:
            found = [each for path, each in files.items() if path.endswith(_METADATA)]
        states: dict[Location, AnyState] = {each: RemoteState(state) for each, state in found}
        slide.origin = Origin(address=address, states=states, release=lease.release, reopen=reopen)
    return slide


def open_staged_folder(address: Address, open_path: Callable[[Path], Opened]) -> Opened:
    """Fetch all objects below an address, which make one slide; see `open_staged`.

    Whether the slide changes is told by its metadata: its chunks are too many to be asked for.
    """
    with sharing_objects():
        files, lease = _fetched(address, _files_below)
    found: Opened = _opened(address, files, lease, open_path, open_staged_folder)
    return found


def _fetched(address: Address, files_of: Callable[[Address], Files]) -> tuple[Files, Lease]:
    try:
        files = files_of(address)
        return files, Scratch.of(address).fetch(files)
    except SlideReadError:
        raise
    except ValueError as error:
        raise SlideReadError(f"{address} cannot be fetched: {error}") from error
    except OSError as error:
        where = "" if error.filename in (None, str(address)) else f" ({error.filename})"
        failed = unreadable(address, error)
        raise SlideReadError(f"{str(failed).rstrip('.')}{where}.") from error


def _files_of(address: Address) -> Files:
    """Return the objects of which a slide consists, by their paths beside its own."""
    found: dict[str, tuple[Address, ObjectState]] = {}
    found[address.name] = address, object_state(address)
    if address.is_web:
        return found
    for other, state in _beside(address):
        path = other.key[len(address.parent.key) :].lstrip("/")
        if not _leads_out(path):
            found[path] = other, state
    return found


def _files_below(address: Address) -> Files:
    """Return all objects below an address, by their paths beside it."""
    start = len(address.parent.key)
    found = {each.key[start:].lstrip("/"): (each, state) for each, state in objects_below(address)}
    return {path: each for path, each in found.items() if not _leads_out(path)}


def _beside(address: Address) -> Iterator[tuple[Address, ObjectState]]:
    """Yield the other objects of a slide."""
    if address.suffix.lower() == ".mrxs":
        yield from objects_below(address.parent / address.stem)
        return
    head = file_head(address, _LIST_BYTES)
    if head.startswith(_LISTS):
        pairs = listed(address.parent).items()
        yield from (pair for pair in pairs if os.fsencode(pair[0].name) in head)
    elif is_dicom(head):
        from slidetile.slides.dicom.folder import series_of

        series = series_of(address)
        for other, state in listed(address.parent).items():
            with contextlib.suppress(SlideReadError):
                if series is not None and series_of(other) == series:
                    yield other, state


def _leads_out(path: str) -> bool:
    """Return whether a name would leave the folder, or is none that a disk can hold."""
    steps = path.split("/")
    return not path or "\0" in path or any(step in ("", ".", "..") for step in steps)

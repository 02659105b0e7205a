"""Files that commands write beside stores: pictures, GeoJSON, pages; never over what is not theirs.

They lie on a disk or in a bucket. Does not know what is in them.
"""

import os
from collections.abc import Iterable
from dataclasses import dataclass

from slidetile.cloud.address import Address, Location
from slidetile.cloud.objects import check_writable, read_object, write_object
from slidetile.runtime.files import write_whole
from slidetile.store.marks import check_outside_stores, check_place_on_disk, what_lies_at


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputKind:
    """A kind of output file."""

    name: str
    """Its name in messages, such as "a PNG picture"."""

    begins: bytes
    """The bytes that each begins with."""


PNG = OutputKind(name="a PNG picture", begins=b"\x89PNG\r\n\x1a\n")


def check_output(path: Location, kind: OutputKind) -> None:
    """Check that a file may be written, before any work is done for it.

    Only an empty file and one of the same kind are replaced: a slide, a text or a device is not.

    Raises
    ------
    FileExistsError
        Something else is there, or the path lies inside a store.
    OSError
        It would lie in a file or on a web server, or the bucket cannot be read.
    """
    if isinstance(path, Address):
        check_writable(path)
        if not path.key:
            raise FileExistsError(f"{path} is a bucket: name a file in it.")
        check_outside_stores(path)
    else:
        check_place_on_disk(path)
    begins = _head(path, len(kind.begins))
    if begins is not None and begins not in (b"", kind.begins):
        raise FileExistsError(
            f"{path} exists and is not {kind.name}, so it is not replaced: choose another output, "
            "or move it away."
        )


def _head(path: Location, count: int) -> bytes | None:
    """Return the first bytes of a file; None where there is none.

    Raises
    ------
    FileExistsError
        It is no regular file.
    OSError
        It cannot be read.
    """
    if isinstance(path, Address):
        try:
            return read_object(path, count)
        except FileNotFoundError:
            return None
    if not os.path.lexists(path):
        return None
    if path.is_symlink() or not path.is_file():
        if path.is_dir() and not path.is_symlink():
            raise FileExistsError(
                f"{path} is a folder, and a file is written: name one in it, or choose another "
                "output."
            )
        raise FileExistsError(
            f"{path} is {what_lies_at(path)}, so it is not replaced: choose another output."
        )
    with path.open("rb") as file:
        return file.read(count)


def write_output(path: Location, parts: Iterable[bytes], kind: OutputKind) -> int:
    """Write a file, whole or not at all, and return its bytes; folders above it are made.

    Raises
    ------
    FileExistsError
        As in `check_output`.
    OSError
        It cannot be written.
    """
    check_output(path, kind)
    counted = _Counted(parts)
    if isinstance(path, Address):
        write_object(path, counted)
    else:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, counted)
    return counted.bytes


class _Counted:
    """Parts, and how many bytes they have had so far."""

    def __init__(self, parts: Iterable[bytes]) -> None:
        self._parts = iter(parts)
        self.bytes = 0

    def __iter__(self) -> "_Counted":
        return self

    def __next__(self) -> bytes:
        part = next(self._parts)
        self.bytes += len(part)
        return part

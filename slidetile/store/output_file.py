"""Files that commands write beside stores: pictures and GeoJSON, never over what is not theirs."""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from slidetile.errors import StoreExistsError
from slidetile.runtime.files import write_whole
from slidetile.store.marks import hierarchy_above


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputKind:
    """A kind of output file."""

    name: str
    """Its name in messages, such as "a PNG picture"."""

    begins: bytes
    """The bytes that each begins with."""


PNG = OutputKind(name="a PNG picture", begins=b"\x89PNG\r\n\x1a\n")


def check_output(path: Path, kind: OutputKind) -> None:
    """Check that a file may be written, before any work is done for it.

    Only an empty file and one of the same kind are replaced: a slide, a text or a device is not.

    Raises
    ------
    FileExistsError
        Something else is there, or the path lies inside a store.
    """
    store = hierarchy_above(path)
    if store is not None:
        raise StoreExistsError(
            f"{path} lies in the store {store}, which holds only its own files: choose another "
            "output."
        )
    if not os.path.lexists(path):
        return
    if path.is_symlink() or not path.is_file():
        what = (
            f"a symbolic link to {path.readlink()}" if path.is_symlink() else "not a regular file"
        )
        raise FileExistsError(f"{path} is {what}, so it is not replaced: choose another output.")
    with path.open("rb") as file:
        begins = file.read(len(kind.begins))
    if begins not in (b"", kind.begins):
        raise FileExistsError(
            f"{path} exists and is not {kind.name}, so it is not replaced: choose another output, "
            "or move it away."
        )


def write_output(path: Path, parts: Iterable[bytes], kind: OutputKind) -> None:
    """Write a file, whole or not at all; folders above it are made.

    Raises
    ------
    FileExistsError
        As in `check_output`.
    OSError
        It cannot be written.
    """
    check_output(path, kind)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, parts)

"""The marks by which slidetile's own folders are known, before anything in them is removed.

A name alone is no proof: anybody may call a folder ``NAME.zarr``. Knows what a store and an
unfinished one look like from outside. Does not know what is in them.
"""

import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

from slidetile.cloud.address import Address, Location
from slidetile.cloud.objects import in_parallel, object_exists, read_object
from slidetile.errors import StoreError, StoreExistsError
from slidetile.format.metadata.node import LARGEST_JSON_BYTES, parse_json
from slidetile.format.names import MANIFEST, PARTIAL_NOTE, ROOT
from slidetile.runtime.files import is_temporary, open_regular, read_opened

_OF_A_STORE = re.compile(
    r"zarr\.json|unfinished\.(json|sums|blocks|halved/.*)|\d+/(zarr\.json|c/\d+/\d+/\d+)"
    r"|(overview|tissue)/(zarr\.json|0/zarr\.json|0/c/\d+/\d+/\d+)"
    r"|labels/(zarr\.json|tissue/(zarr\.json|\d+/zarr\.json|\d+/c/\d+/\d+))"
    r"|tiles/(zarr\.json|tiles\.parquet|checksums\.txt|references\.json)"
)
"""The files of a store, finished or not, by their paths."""

_OWN = frozenset({"overview/zarr.json", MANIFEST})
"""Those that no other program writes; a store has one of them soon after it was begun."""

_HIERARCHIES = (ROOT, ".zgroup", ".zarray", PARTIAL_NOTE)
"""Files of which each makes its folder a Zarr hierarchy, or one that is being written."""


def is_store(folder: Location) -> bool:
    """Return whether a folder's root metadata say that it is a store of slidetile's.

    A symbolic link is not a store, whatever it leads to.

    Raises
    ------
    OSError
        It lies at an address that cannot be read.
    """
    return isinstance(_member(folder, ROOT, "attributes", "slidetile"), dict)


def is_unfinished(folder: Location) -> bool:
    """Return whether a folder's note says that it is an unfinished store; raises as `is_store`."""
    return isinstance(_member(folder, PARTIAL_NOTE, "slidetile"), dict)


def is_emptied(folder: Path) -> bool:
    """Return whether a folder is a store of slidetile's that has lost its mark.

    A power failure has emptied its root metadata or its note, or they are gone. It holds nothing
    but files that a store has, among them one that no other program writes.
    """
    if not _is_folder(folder) or not (
        any(_is_empty(folder / name) for name in (ROOT, PARTIAL_NOTE))
        or not any(os.path.lexists(folder / name) for name in (ROOT, PARTIAL_NOTE))
    ):
        return False
    found = [path.relative_to(folder) for path in folder.rglob("*") if not path.is_dir()]
    if any(True for _ in links_in(folder)):
        return False
    names = [path.as_posix() for path in found if not is_temporary(path.name)]
    return all(map(_OF_A_STORE.fullmatch, names)) and not _OWN.isdisjoint(names)


def is_bare(folder: Path) -> bool:
    """Return whether a folder holds no files but temporary ones of slidetile's.

    So does one that a process has just made, or has all but removed, when it is killed.
    """
    if not _is_folder(folder):
        return False
    for parent, folders, files in os.walk(folder):
        if any(Path(parent, name).is_symlink() for name in folders):
            return False
        if not all(is_temporary(name) for name in files):
            return False
    return True


def is_ours(folder: Path) -> bool:
    """Return whether a folder may be removed as an unfinished or a replaced store."""
    return any(is_so(folder) for is_so in (is_unfinished, is_store, is_bare, is_emptied))


def remove_ours(folder: Path) -> None:
    """Remove a folder of slidetile's; what symbolic links in it lead to stays.

    Its marks go last: if this is interrupted, what is left can still be told from others' folders.

    Raises
    ------
    StoreExistsError
        It is not slidetile's.
    OSError
        A part of it cannot be removed.
    """
    if not is_ours(folder):
        raise refusal(folder)
    marks = {ROOT, PARTIAL_NOTE}
    with os.scandir(folder) as found:
        entries = sorted(found, key=lambda entry: entry.name in marks)
    for entry in entries:
        if entry.is_dir(follow_symlinks=False):
            shutil.rmtree(entry.path)
        else:
            Path(entry.path).unlink(missing_ok=True)
    folder.rmdir()


def refusal(path: Location) -> StoreExistsError:
    """Return the error that says why what lies somewhere is not removed."""
    return StoreExistsError(
        f"{path} is not slidetile's, so it is not removed: move it away, or choose another output."
    )


def hierarchy_above(path: Location) -> Location | None:
    """Return the folder above a path that is a Zarr hierarchy, finished or not; None if none is.

    Symbolic links on the way are followed, since files would be written where they lead.

    Raises
    ------
    OSError
        It is an address, and the bucket cannot be read.
    """
    if isinstance(path, Address):
        return _prefix_above(path)
    absolute = Path(os.path.abspath(path))  # noqa: PTH100  links stay
    real = Path(os.path.realpath(absolute.parent), absolute.name)
    above = (*absolute.parents, *real.parents)
    return next((folder for folder in above if _is_hierarchy(folder)), None)


def check_outside_stores(path: Location) -> None:
    """Check that an output does not lie in a Zarr hierarchy.

    Raises
    ------
    StoreExistsError
        It does.
    OSError
        As in `hierarchy_above`.
    """
    store = hierarchy_above(path)
    if store is not None:
        raise StoreExistsError(
            f"{path} lies in the store {store}, which holds only its own files: choose another "
            "output."
        )


def check_place_on_disk(path: Path) -> None:
    """Check that a path lies in a folder, or in one to be made, and not in a store.

    Raises
    ------
    StoreExistsError
        It lies in a store.
    NotADirectoryError
        It lies in a file.
    """
    check_outside_stores(path)
    above = next((folder for folder in path.absolute().parents if os.path.lexists(folder)), None)
    if above is not None and not above.is_dir():
        raise NotADirectoryError(f"{path} lies in {above}, which is not a folder.")


def what_lies_at(path: Path) -> str:
    """Return what a path that exists leads to, in words: for messages that say why it stays."""
    if path.is_symlink():
        return f"a symbolic link to {path.readlink()}"
    if path.is_dir():
        return "a folder" if any(path.iterdir()) else "an empty folder"
    return "a file" if path.is_file() else "not a regular file"


def _prefix_above(address: Address) -> Address | None:
    above = []
    while (address := address.parent).key:
        above.append(address)
    marks = [folder / name for folder in above for name in (ROOT, PARTIAL_NOTE)]
    found = zip(marks, in_parallel(object_exists, marks), strict=True)
    return next((mark.parent for mark, is_there in found if is_there), None)


def links_in(folder: Path) -> Iterator[Path]:
    """Yield the symbolic links in a folder, at any depth."""
    for parent, folders, files in os.walk(folder):
        yield from (
            path for name in (*folders, *files) if (path := Path(parent, name)).is_symlink()
        )


def _is_empty(path: Path) -> bool:
    """Return whether a file is there that has no bytes, or nothing but zeros."""
    try:
        return not _read(path).strip(b"\0")
    except OSError:
        return False


def _is_hierarchy(folder: Path) -> bool:
    return any(os.path.isfile(folder / name) for name in _HIERARCHIES)  # noqa: PTH113  never raises


def _is_folder(path: Path) -> bool:
    return os.path.isdir(path) and not os.path.islink(path)  # noqa: PTH112, PTH114  never raises


def _member(folder: Location, name: str, *keys: str) -> object:
    """Return a member of the JSON object in a folder's file; None where there is none.

    At an address it is raised that the object cannot be read; only a lost one is none.
    """
    if isinstance(folder, Path) and not _is_folder(folder):
        return None
    try:
        node = parse_json(_content(folder, name))
        for key in keys:
            node = node[key]
    except StoreError:
        return None
    except OSError as error:
        if isinstance(folder, Path) or isinstance(error, FileNotFoundError):
            return None
        raise
    return node.value


def _content(folder: Location, name: str) -> bytes:
    if isinstance(folder, Path):
        return _read(folder / name)
    return read_object(folder / name, LARGEST_JSON_BYTES + 1)


def _read(path: Path) -> bytes:
    """Read a regular file of bounded length, and no link to one."""
    return read_opened(open_regular(path, follows_links=False), LARGEST_JSON_BYTES + 1)

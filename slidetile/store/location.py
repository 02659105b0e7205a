"""What lies at a path: a finished store, an unfinished one, a folder of stores, or something else.

Knows names and what is in folders. Does not read any store.
"""

import itertools
import os
from collections.abc import Iterator
from pathlib import Path

from slidetile.counts import how_many
from slidetile.errors import IncompleteStoreError, StoreError
from slidetile.format.names import (
    MANIFEST,
    PARTIAL_NOTE,
    PARTIAL_SUFFIX,
    ROOT,
    STORE_SUFFIX,
    partial_path,
)

MOST_LISTED = 10_000
"""Stores in a folder that are counted, for a sentence about what is in it."""


def stores_in(folder: Path) -> Iterator[Path]:
    """Yield the stores that lie directly in a folder, in no order.

    Finished ones are known by their files, whatever their name; damaged ones by their name, as
    their files may be what they have lost.

    Raises
    ------
    OSError
        The folder cannot be read.
    """
    with os.scandir(folder) as entries:
        for entry in entries:
            path = folder / entry.name
            if _is_finished(path) or _is_named_so(path):
                yield path


def _is_named_so(path: Path) -> bool:
    """Return whether a folder is named as stores are; OME-Zarr slides may be, too."""
    from slidetile.slides.omezarr.folder import is_slide_folder  # only searches ask

    return path.suffix == STORE_SUFFIX and path.is_dir() and not is_slide_folder(path)


def _is_finished(path: Path) -> bool:
    return _is_file(path / ROOT) and _is_file(path / MANIFEST)


def check_finished(path: Path) -> None:
    """Make sure that a path leads to a folder with a store's root metadata.

    Raises
    ------
    IncompleteStoreError
        The store there is not finished, or the folder has no root metadata.
    StoreError
        No folder is there. The message says what is.
    """
    try:
        if path.is_dir():
            _check_folder(path)
        elif path.exists():
            raise StoreError(_other_file(path))
        else:
            raise _missing(path)
    except OSError as error:
        raise StoreError(f"{path} could not be read: {error.strerror or error}.") from error


def _check_folder(path: Path) -> None:
    root = path / ROOT
    if os.path.lexists(root):
        if not _is_file(root):
            raise StoreError(f"{root} is not a regular file, so {path} is not a store.")
        return
    if _is_file(path / PARTIAL_NOTE) or _named(path).endswith(PARTIAL_SUFFIX):
        raise _unfinished(path, path)
    if _is_file(path / MANIFEST):
        raise IncompleteStoreError(f"{path} has lost its zarr.json: it is a damaged store.")
    beside = _beside(path)
    if beside is not None and beside.is_dir():
        raise _unfinished(path, beside)
    raise IncompleteStoreError(_other_folder(path))


def _missing(path: Path) -> StoreError:
    beside = _beside(path)
    if beside is not None and beside.is_dir():
        return _unfinished(path, beside)
    return StoreError(f"{path} does not exist.")


def _unfinished(path: Path, partial: Path) -> IncompleteStoreError:
    """Return the error of a store whose folder is still ``NAME.zarr.partial``."""
    where = "it" if path == partial else f"{partial} beside it"
    return IncompleteStoreError(
        f"{path} is not finished: {where} is an unfinished store. Run the command that began it "
        "once more to finish it."
    )


def _other_file(path: Path) -> str:
    if not path.is_file():
        return f"{path} is neither a folder nor a file, so it is not a store."
    return (
        f"{path} is a file, not a store: a store is a folder that slidetile tile makes from a "
        f"slide, such as {path.with_suffix(STORE_SUFFIX)}."
    )


def _other_folder(path: Path) -> str:
    """Return what is wrong with a folder that has no root metadata."""
    what = f"{path} has no root zarr.json: it is not finished, or not a store."
    stores = sorted(itertools.islice(filter(_is_finished, stores_in(path)), MOST_LISTED))
    if not stores and path.suffix == STORE_SUFFIX:
        return f"{what} Give the folder of one store, NAME.zarr."
    if not stores:
        return (
            f"{path} is a folder that holds no store, and is none: it has no root zarr.json. A "
            "store is a folder NAME.zarr that slidetile tile makes: give the path of one."
        )
    count = how_many(len(stores), "stores")
    return f"{what} It is a folder that holds {count}: give the path of one, such as {stores[0]}."


def _beside(path: Path) -> Path | None:
    """Return the folder in which a store of this path would be built; None for the root."""
    return partial_path(Path(os.path.abspath(path))) if _named(path) else None  # noqa: PTH100


def _named(path: Path) -> str:
    """Return the name of what a path leads to, also of ``.`` and ``..``."""
    return os.path.basename(os.path.abspath(path))  # noqa: PTH100, PTH119


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:
        return False

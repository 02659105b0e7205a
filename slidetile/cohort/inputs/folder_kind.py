"""What a folder is that a search for slides meets: a slide, a store, or neither."""

import os
from pathlib import Path
from typing import Literal

from slidetile.format.names import MANIFEST, PARTIAL_SUFFIX, STORE_SUFFIX
from slidetile.slides.omezarr.folder import ZarrKind, zarr_kind

FolderRole = Literal["slide", "store", "unfinished store", "other", "plain"]
"""What a search does with a folder: only plain ones are searched."""

_ROLES: dict[ZarrKind | None, tuple[FolderRole, str]] = {
    "image": ("slide", ""),
    "unreadable": ("slide", ""),
    "store": ("store", ""),
    "plate": ("other", "OME-Zarr plate"),
    "well": ("other", "OME-Zarr well"),
    "other": ("other", "Zarr folder without an image"),
    None: ("plain", ""),
}


def folder_role(folder: Path) -> tuple[FolderRole, str]:
    """Return what a folder is, and what it is called if it is left out and is no store.

    One whose Zarr metadata cannot be read is a slide, so that what is wrong with it is said,
    unless it has the list of files that stores have.
    """
    if folder.name.endswith(PARTIAL_SUFFIX):
        return "unfinished store", ""
    kind = zarr_kind(folder)
    if kind in ("unreadable", None) and os.path.isfile(folder / MANIFEST):  # noqa: PTH113  never raises
        return "store", ""
    if kind is None and folder.name.endswith(STORE_SUFFIX):
        return "other", f"folder named {STORE_SUFFIX} without Zarr metadata"
    return _ROLES[kind]


def is_one_slide(folder: Path) -> bool:
    """Return whether a folder given by name is tried as one slide, if only to be refused."""
    return zarr_kind(folder) == "plate" or folder_role(folder)[0] == "slide"

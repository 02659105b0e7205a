"""Which folders are OME-Zarr images, and where in them the slide's image lies.

Knows the metadata of groups, of Zarr formats 2 and 3. Does not know arrays, and loads nothing
heavy.
"""

import logging
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from slidetile.errors import SlideReadError
from slidetile.slides.omezarr._json import items, member, read_object
from slidetile.slides.reader import FinalRefusalError

_log = logging.getLogger(__name__)

ZarrFormat = Literal[2, 3]

V3_NODE = "zarr.json"
_V2_GROUP, _V2_ATTRIBUTES = ".zgroup", ".zattrs"

_LAYOUT = "bioformats2raw.layout"
"""The attribute of a folder whose images are its members 0, 1, …"""

_MOST_IMAGES = 1000

_METADATA = (V3_NODE, _V2_GROUP, _V2_ATTRIBUTES, ".zarray")
"""Files of which each makes its folder one of a Zarr hierarchy."""

ZarrKind = Literal["image", "store", "plate", "well", "unreadable", "other"]
"""What a folder of a Zarr hierarchy is: a slide, one of slidetile's stores, a plate of many images
or a well of one, one whose metadata cannot be read, or a group or array of something else."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """The metadata of a Zarr group."""

    folder: Path
    """Where it lies."""

    zarr_format: ZarrFormat
    """2 or 3."""

    attributes: dict[str, Any]
    """All its attributes."""

    files: tuple[Path, ...]
    """The files that say so."""

    @property
    def ome(self) -> dict[str, Any]:
        """The attributes that OME-Zarr defines."""
        found = member(self.attributes, "ome") if self.zarr_format == 3 else self.attributes
        return found if isinstance(found, dict) else {}

    @property
    def is_image(self) -> bool:
        """Whether it is an image of several resolutions, labels included."""
        return bool(items(self.ome, "multiscales"))

    @property
    def holds_images(self) -> bool:
        """Whether its members 0, 1, … are images."""
        return _LAYOUT in self.ome


def read_group(folder: Path) -> Group | None:
    """Return the Zarr group in a folder; None where there is none.

    Raises
    ------
    SlideReadError
        Its metadata cannot be read.
    """
    node = read_object(folder / V3_NODE)
    if node is not None:
        if node.get("zarr_format") != 3 or node.get("node_type") != "group":
            return None
        attributes = node.get("attributes")
        attributes = attributes if isinstance(attributes, dict) else {}
        return Group(folder=folder, zarr_format=3, attributes=attributes, files=(folder / V3_NODE,))
    if read_object(folder / _V2_GROUP) is None:
        return None
    attributes = read_object(folder / _V2_ATTRIBUTES)
    names = (_V2_GROUP,) if attributes is None else (_V2_GROUP, _V2_ATTRIBUTES)
    return Group(
        folder=folder,
        zarr_format=2,
        attributes=attributes or {},
        files=tuple(folder / name for name in names),
    )


def zarr_kind(folder: Path) -> ZarrKind | None:
    """Return what a folder is by its Zarr metadata; None where it has none."""
    try:
        group = read_group(folder)
    except SlideReadError:
        return "unreadable"
    if group is None:
        has_any = any(os.path.lexists(folder / name) for name in _METADATA)
        return "other" if has_any else None
    if group.is_image or group.holds_images:
        return "store" if _is_own_store(group) else "image"
    if _is_own_store(group):
        return "store"
    return next((kind for kind in _PLATES if isinstance(group.ome.get(kind), dict)), "other")


_PLATES: tuple[ZarrKind, ...] = ("plate", "well")


def is_ome_zarr(folder: Path) -> bool:
    """Return whether a folder is OME-Zarr: an image, or what `read_image` refuses in words.

    So are stores of slidetile, plates, and folders whose metadata cannot be read; see
    `is_slide_folder`.
    """
    return zarr_kind(folder) not in ("other", None)


def is_slide_folder(folder: Path) -> bool:
    """Return whether a folder holds OME-Zarr images that slidetile has not made: slides.

    One whose metadata cannot be read is not.
    """
    return zarr_kind(folder) in ("image", *_PLATES)


def read_image(folder: Path) -> tuple[Group, tuple[Path, ...]]:
    """Return the group of the slide's image in a folder, and all files that led to it.

    Raises
    ------
    FinalRefusalError
        The folder holds no image that is a slide.
    SlideReadError
        Its metadata cannot be read.
    """
    group = read_group(folder)
    if group is not None and not group.is_image:
        _check_plate(group)
    if group is None or not (group.is_image or group.holds_images):
        raise FinalRefusalError(
            "it is not an OME-Zarr image, as no zarr.json or .zattrs in it has OME's “multiscales”"
        )
    if _is_own_store(group):
        raise FinalRefusalError(
            "it is a store that slidetile made, in which a missing chunk is damage and not "
            "background: open it with open_store, or tile the slide that it was made from"
        )
    if group.is_image:
        return _checked(group), group.files
    image = _first_image(group)
    return image, (*group.files, *image.files)


def _first_image(group: Group) -> Group:
    """Return the first image in a folder of bioformats2raw, which writes the slide first."""
    first = group.folder / "0"
    image = None if first.is_symlink() else read_group(first)
    if image is None or not image.is_image:
        raise FinalRefusalError("its first image, which would lie in the folder 0, is missing")
    others = 0
    while others < _MOST_IMAGES and (group.folder / str(others + 1)).is_dir():
        others += 1
    if others:
        _log.warning(
            "%s holds %d more images (label, macro or other scenes): only the first, in its folder "
            "0, is read.",
            *(group.folder.name, others),
        )
    return _checked(image)


def _checked(image: Group) -> Group:
    if "image-label" in image.ome:
        raise FinalRefusalError("it holds labels of another image, and no slide")
    return image


def _check_plate(group: Group) -> None:
    """Refuse a plate or a well, which hold images side by side, of which each is a slide."""
    for kind, image in (("plate", "A/1/0"), ("well", "0")):
        if isinstance(group.ome.get(kind), dict):
            raise FinalRefusalError(
                f"it is an OME-Zarr {kind}, which holds several images: name the folder of one of "
                f"them, such as {group.folder.name}/{image}"
            )


def _is_own_store(group: Group) -> bool:
    return isinstance(group.attributes.get("slidetile"), dict)

"""The description of a slide in its TIFF: resolution, objective, colour profile, maker."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from xml.etree import ElementTree as ET

from tifffile import TiffPage

from slidetile.raster.channels import Channel
from slidetile.slides.reader import FinalRefusalError
from slidetile.slides.tiff._fields import Described, positive, read_fields
from slidetile.slides.tiff._ome_planes import (
    Plane,
    described_channels,
    plane_numbers,
)
from slidetile.slides.tiff._planes import Planes, stated_planes
from slidetile.slides.tiff._resolution import StatedMpp, read_resolution

_ICC_TAG = 34675
_UM_PER_OME_UNIT = {
    "pm": 1e-6,
    "Å": 1e-4,
    "nm": 1e-3,
    "µm": 1.0,
    "μm": 1.0,  # the Greek letter, where the line above has the micro sign
    "um": 1.0,
    "mm": 1e3,
    "cm": 1e4,
    "m": 1e6,
    "in": 25_400.0,
}
_IMAGE_LIMIT = 1000
_ONE = Planes()

_ASSOCIATED = re.compile(r"(?<![\w-])(label|macro|thumbnail|overview)(?![\w-])", re.IGNORECASE)
"""Names of images that show the whole glass slide, not the scanned tissue; not "label-free"."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Metadata:
    """A slide's description as its file states it, not yet checked."""

    vendor: str
    """The maker where it is known, such as "aperio"; "ome" or "generic-tiff" otherwise."""

    stated: StatedMpp
    """Micrometres per pixel of the finest level."""

    objective_power: float | None
    """The objective's nominal magnification."""

    icc_profile: bytes | None
    """The embedded colour profile."""

    planes: Planes = _ONE
    """The channels, depths and times that the slide is spread over."""

    has_tiled_levels: bool = False
    """Whether every tiled image is a level, though none is marked as one."""

    images_of_its_size: int = 1
    """Images that have the slide's size, as the description says: scenes of an OME-TIFF."""

    scenes: tuple[str, ...] = ()
    """Names of all images of an OME-TIFF, the slide's first: scenes, perhaps label and macro."""

    channels: tuple[Channel, ...] = ()
    """What each channel shows; none where nothing is said of them."""

    planes_at: Mapping[Plane, int] = field(default_factory=dict)
    """The directory of each channel, depth and time, where OME-XML says it."""


def shows_glass(name: str) -> bool:
    """Return whether an image of this name is a label, macro or thumbnail, not the tissue."""
    return bool(_ASSOCIATED.search(name))


def associated_sizes(text: str) -> frozenset[tuple[int, int]]:
    """Return (width, height) of an OME-TIFF's images that show the whole glass: label, macro."""
    if (root := _ome_root(text)) is None:
        return frozenset()
    sizes: dict[bool, set[tuple[int, int]]] = {True: set(), False: set()}
    for name, size in _ome_images(root):
        sizes[shows_glass(name)].add(size)
    return frozenset(sizes[True] - sizes[False])


def read_metadata(page: TiffPage, first: TiffPage) -> Metadata:
    """Return the description of the slide.

    Parameters
    ----------
    page
        The page of its finest level.
    first
        The first page of the file, where some writers put what concerns all.
    """
    profile = page.tags.valueof(_ICC_TAG)
    icc = bytes(profile) if isinstance(profile, bytes | tuple) and profile else None
    by_tags = read_resolution(page)
    for text in (page.description, first.description):
        if (root := _ome_root(text)) is not None:
            return _ome_metadata(root, page, by_tags, icc)
    own, others = (read_fields(page, text) for text in (page.description, first.description))
    described = own if own != Described() else others
    mpp = described.mpp
    return Metadata(
        vendor=described.vendor or "generic-tiff",
        stated=StatedMpp(mpp=(mpp, mpp)) if mpp else by_tags,
        objective_power=described.objective_power,
        icc_profile=icc,
        planes=stated_planes(page),
        has_tiled_levels=described.has_tiled_levels,
    )


def _ome_metadata(
    root: ET.Element, page: TiffPage, by_tags: StatedMpp, icc: bytes | None
) -> Metadata:
    images = root.findall("{*}Image")
    own = (page.imagewidth, page.imagelength)
    sizes = [_ome_size(image) for image in images]
    number = sizes.index(own) if own in sizes else 0
    pixels = images[number].find("{*}Pixels") if images else None
    _check_is_here(root, pixels)
    names = [image.get("Name") or image.get("ID") or "unnamed" for image in images]
    planes = _ome_planes(pixels, page.samplesperpixel)
    is_spread = pixels is not None and planes.count > 1
    return Metadata(
        vendor="ome",
        stated=_ome_mpp(pixels, by_tags),
        objective_power=_ome_objective(root),
        icc_profile=icc,
        planes=planes,
        planes_at=plane_numbers(pixels, planes.channels, root.get("UUID"))
        if is_spread and pixels is not None
        else {},
        channels=() if pixels is None else described_channels(pixels),
        images_of_its_size=max(1, sizes.count(own)),
        scenes=(*names[number : number + 1], *names[:number], *names[number + 1 :]),
    )


def _ome_root(text: str) -> ET.Element | None:
    """Parse OME-XML; return None if the text is not OME-XML.

    ElementTree fetches nothing, but a document type, which OME-XML never has, could define
    entities that grow without end.
    """
    if "<OME" not in text[:4096] or "<!DOCTYPE" in text:
        return None
    try:
        root = ET.fromstring(text.encode())  # noqa: S314 - bounded, and without a document type
    except (ET.ParseError, ValueError):
        return None
    if (count := len(root.findall("{*}Image"))) > _IMAGE_LIMIT:
        raise FinalRefusalError(
            f"its OME-XML describes {count} images, more than {_IMAGE_LIMIT}: save the one you need"
        )
    return root


def _check_is_here(root: ET.Element, pixels: ET.Element | None) -> None:
    """Check that the pixels that OME-XML describes lie in the file that has it."""
    if (elsewhere := root.find("{*}BinaryOnly")) is not None:
        raise FinalRefusalError(
            "it is one part of an image in several files, which "
            f"{elsewhere.get('MetadataFile', 'another file')!r:.80} describes: save the image as "
            "one file"
        )
    own = root.get("UUID")
    places = [] if pixels is None else pixels.findall("{*}TiffData/{*}UUID")
    others = [place for place in places if place.text and place.text.strip() != own]
    if own and others and len(others) == len(places):
        raise FinalRefusalError(
            "its OME-XML says that its pixels lie in another file, "
            f"{others[0].get('FileName', 'which it does not name')!r:.80}: name that one"
        )


def _ome_images(root: ET.Element) -> Iterator[tuple[str, tuple[int, int]]]:
    """Yield the name and the (width, height) of each image."""
    for image in root.findall("{*}Image"):
        yield image.get("Name") or "", _ome_size(image)


def _ome_size(image: ET.Element) -> tuple[int, int]:
    pixels = image.find("{*}Pixels")
    width, height = ("", "") if pixels is None else (pixels.get(f"Size{axis}", "") for axis in "XY")
    return (int(width), int(height)) if _is_count(width) and _is_count(height) else (0, 0)


def _is_count(text: str) -> bool:
    return text.isdecimal() and len(text) < 20


def _ome_mpp(pixels: ET.Element | None, by_tags: StatedMpp) -> StatedMpp:
    """Return the physical size of a pixel; what the tags say where there is none."""
    if pixels is None or not any(pixels.get(f"PhysicalSize{axis}") for axis in "XY"):
        return by_tags
    sizes, texts = [], []
    for axis in "XY":
        text = pixels.get(f"PhysicalSize{axis}")
        unit = pixels.get(f"PhysicalSize{axis}Unit", "µm")
        sizes.append((positive(text) or 0.0) * _UM_PER_OME_UNIT.get(unit, 0.0))
        texts.append(f"{text or 'nothing'} {unit}"[:40])
    if 0.0 not in sizes:
        return StatedMpp(mpp=(sizes[0], sizes[1]))
    if by_tags.mpp is not None:
        return by_tags
    return StatedMpp(obstacle=f"its OME-XML states a resolution of {' × '.join(texts)} per pixel")


def _ome_objective(root: ET.Element) -> float | None:
    objective = root.find("{*}Instrument/{*}Objective")
    return None if objective is None else positive(objective.get("NominalMagnification"))


def _ome_planes(pixels: ET.Element | None, samples: int) -> Planes:
    if pixels is None:
        return Planes()
    sizes = [pixels.get(f"Size{axis}", "1") for axis in "CZT"]
    if not all(map(_is_count, sizes)):
        return Planes()
    channels, depths, times = (max(1, int(size)) for size in sizes)
    return Planes(channels=max(1, channels // max(1, samples)), depths=depths, times=times)

"""The description of a slide in its TIFF: resolution, objective, colour profile, maker."""

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from xml.etree import ElementTree as ET

from tifffile import TiffPage

_ICC_TAG, _X_RESOLUTION, _Y_RESOLUTION, _RESOLUTION_UNIT = 34675, 282, 283, 296
_UM_PER_RESOLUTION_UNIT = {2: 25_400.0, 3: 10_000.0}
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
_ASSOCIATED = re.compile(r"\b(label|macro|thumbnail|overview)\b", re.IGNORECASE)
"""Names of images that show the whole glass slide, not the scanned tissue."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Metadata:
    """A slide's description as its file states it, not yet checked."""

    vendor: str
    """"aperio", "ome" or "generic-tiff"."""

    mpp: tuple[float, float] | None
    """Micrometres per pixel of the finest level, (x, y)."""

    objective_power: float | None
    """The objective's nominal magnification."""

    icc_profile: bytes | None
    """The embedded colour profile."""

    planes: int = 1
    """Images that the slide is spread over: channels, depths or times."""

    scenes: tuple[str, ...] = ()
    """Names of all images of an OME-TIFF, the slide's first: scenes, perhaps label and macro."""


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
    tags_mpp = _mpp_from_tags(page)
    for text in (page.description, first.description):
        if text.startswith("Aperio "):
            mpp, power = _aperio_numbers(text)
            return Metadata(
                vendor="aperio",
                mpp=(mpp, mpp) if mpp else tags_mpp,
                objective_power=power,
                icc_profile=icc,
            )
        if (root := _ome_root(text)) is not None:
            return _ome_metadata(root, page, tags_mpp, icc)
    return Metadata(vendor="generic-tiff", mpp=tags_mpp, objective_power=None, icc_profile=icc)


def _ome_metadata(
    root: ET.Element, page: TiffPage, tags_mpp: tuple[float, float] | None, icc: bytes | None
) -> Metadata:
    images = root.findall("{*}Image")
    own = (page.imagewidth, page.imagelength)
    sizes = [_ome_size(image) for image in images]
    number = sizes.index(own) if own in sizes else 0
    pixels = images[number].find("{*}Pixels") if images else None
    names = [image.get("Name") or image.get("ID") or "unnamed" for image in images]
    return Metadata(
        vendor="ome",
        mpp=_ome_mpp(pixels) or tags_mpp,
        objective_power=_ome_objective(root),
        icc_profile=icc,
        planes=_ome_planes(pixels, page.samplesperpixel),
        scenes=(*names[number : number + 1], *names[:number], *names[number + 1 :]),
    )


def _mpp_from_tags(page: TiffPage) -> tuple[float, float] | None:
    unit = page.tags.valueof(_RESOLUTION_UNIT, 2)
    micrometres = _UM_PER_RESOLUTION_UNIT.get(int(unit)) if isinstance(unit, int) else None
    if micrometres is None:
        return None
    try:
        x, y = (
            micrometres * denominator / numerator
            for numerator, denominator in map(page.tags.valueof, (_X_RESOLUTION, _Y_RESOLUTION))
        )
    except (TypeError, ValueError, ZeroDivisionError):
        return None  # the tags are missing or hold no numbers
    return x, y


def _aperio_numbers(text: str) -> tuple[float | None, float | None]:
    """Return MPP and AppMag of an Aperio description: ``... |AppMag = 20|MPP = 0.4990|...``."""
    pairs = (field.partition("=") for field in text.split("|")[1:])
    fields = {name.strip(): value for name, equals, value in pairs if equals}
    return _positive(fields.get("MPP")), _positive(fields.get("AppMag"))


def _positive(text: str | None) -> float | None:
    """Return a number above zero; some scanners write a decimal comma."""
    try:
        number = float((text or "").strip().replace(",", "."))
    except ValueError:
        return None
    return number if math.isfinite(number) and number > 0 else None


def _ome_root(text: str) -> ET.Element | None:
    """Parse OME-XML; return None if the text is not OME-XML.

    ElementTree fetches nothing, but a document type, which OME-XML never has, could define
    entities that grow without end.
    """
    if "<OME" not in text[:4096] or "<!DOCTYPE" in text:
        return None
    try:
        return ET.fromstring(text.encode())  # noqa: S314 - bounded, and without a document type
    except (ET.ParseError, ValueError):
        return None


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


def _ome_mpp(pixels: ET.Element | None) -> tuple[float, float] | None:
    if pixels is None:
        return None
    sizes = []
    for axis in "XY":
        size = _positive(pixels.get(f"PhysicalSize{axis}"))
        unit = _UM_PER_OME_UNIT.get(pixels.get(f"PhysicalSize{axis}Unit", "µm"))
        if size is None or unit is None:
            return None
        sizes.append(size * unit)
    return sizes[0], sizes[1]


def _ome_objective(root: ET.Element) -> float | None:
    objective = root.find("{*}Instrument/{*}Objective")
    return None if objective is None else _positive(objective.get("NominalMagnification"))


def _ome_planes(pixels: ET.Element | None, samples: int) -> int:
    if pixels is None:
        return 1
    sizes = [pixels.get(f"Size{axis}", "1") for axis in "CZT"]
    if not all(map(_is_count, sizes)):
        return 1
    channels, depths, times = (max(1, int(size)) for size in sizes)
    return max(1, channels // max(1, samples)) * depths * times

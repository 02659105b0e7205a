"""The description of a slide in its TIFF: resolution, objective, colour profile, maker."""

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from xml.etree import ElementTree as ET

from tifffile import TiffPage

from slidetile.slides.reader import FinalRefusalError
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
_MOST_CHARACTERS = 64
"""What is read of a number that is written as text."""

_LIKE_APERIO = "Aperio ", "Motic "
"""How descriptions begin that have fields between bars."""

_ASSOCIATED = re.compile(r"\b(label|macro|thumbnail|overview)\b", re.IGNORECASE)
"""Names of images that show the whole glass slide, not the scanned tissue."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Metadata:
    """A slide's description as its file states it, not yet checked."""

    vendor: str
    """"aperio", "motic", "ome", "hamamatsu", "philips", "leica", "ventana" or "generic-tiff"."""

    stated: StatedMpp
    """Micrometres per pixel of the finest level."""

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
    by_tags = read_resolution(page)
    for text in (page.description, first.description):
        if text.startswith(_LIKE_APERIO):
            mpp, power = _aperio_numbers(text)
            return Metadata(
                vendor=text.split(" ", 1)[0].lower(),
                stated=StatedMpp(mpp=(mpp, mpp)) if mpp else by_tags,
                objective_power=power,
                icc_profile=icc,
            )
        if (root := _ome_root(text)) is not None:
            return _ome_metadata(root, page, by_tags, icc)
    return Metadata(vendor="generic-tiff", stated=by_tags, objective_power=None, icc_profile=icc)


def _ome_metadata(
    root: ET.Element, page: TiffPage, by_tags: StatedMpp, icc: bytes | None
) -> Metadata:
    images = root.findall("{*}Image")
    own = (page.imagewidth, page.imagelength)
    sizes = [_ome_size(image) for image in images]
    number = sizes.index(own) if own in sizes else 0
    pixels = images[number].find("{*}Pixels") if images else None
    names = [image.get("Name") or image.get("ID") or "unnamed" for image in images]
    return Metadata(
        vendor="ome",
        stated=_ome_mpp(pixels, by_tags),
        objective_power=_ome_objective(root),
        icc_profile=icc,
        planes=_ome_planes(pixels, page.samplesperpixel),
        scenes=(*names[number : number + 1], *names[:number], *names[number + 1 :]),
    )


def _aperio_numbers(text: str) -> tuple[float | None, float | None]:
    """Return MPP and AppMag of an Aperio description: ``... |AppMag = 20|MPP = 0.4990|...``."""
    pairs = (field.partition("=") for field in text.split("|")[1:])
    fields = {name.strip(): value for name, equals, value in pairs if equals}
    return positive(fields.get("MPP")), positive(fields.get("AppMag"))


def positive(text: str | None) -> float | None:
    """Return a number above zero; some scanners write a decimal comma."""
    try:
        number = float((text or "")[:_MOST_CHARACTERS].strip().replace(",", "."))
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
        root = ET.fromstring(text.encode())  # noqa: S314 - bounded, and without a document type
    except (ET.ParseError, ValueError):
        return None
    if (count := len(root.findall("{*}Image"))) > _IMAGE_LIMIT:
        raise FinalRefusalError(
            f"its OME-XML describes {count} images, more than {_IMAGE_LIMIT}: save the one you need"
        )
    return root


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


def _ome_planes(pixels: ET.Element | None, samples: int) -> int:
    if pixels is None:
        return 1
    sizes = [pixels.get(f"Size{axis}", "1") for axis in "CZT"]
    if not all(map(_is_count, sizes)):
        return 1
    channels, depths, times = (max(1, int(size)) for size in sizes)
    return max(1, channels // max(1, samples)) * depths * times

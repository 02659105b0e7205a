"""Which images of a vendor's TIFF are the slide's levels, where its own description says so.

Knows the XML that vendors write. Does not know how pixels are stored.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from xml.etree import ElementTree as ET

from tifffile import TiffFile, TiffPage

from slidetile.raster.region import Region
from slidetile.slides.reader import OtherReaderError
from slidetile.slides.tiff._fields import positive
from slidetile.slides.tiff._metadata import Metadata
from slidetile.slides.tiff._resolution import StatedMpp, read_resolution

_PACKET = 700
_MOST_POWER = 200
"""The first of Philips' numbers of levels may be the objective's power, or something else."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """The levels of a slide by its description."""

    pages: tuple[TiffPage, ...]
    """Those of the levels, finest first."""

    sizes: tuple[tuple[int, int], ...]
    """(width, height) of each: a page may be padded to whole tiles."""

    metadata: Metadata
    """The slide's description."""

    canvas: Region | None = None
    """The canvas of which the slide is a part, in its own pixels; None where it is the whole."""


def vendor_layout(tiff: TiffFile) -> Layout | None:
    """Return the levels of a TIFF whose vendor lists them; None where no such vendor wrote it.

    Raises
    ------
    OtherReaderError
        It is laid out in a way that is left to OpenSlide.
    """
    readers: dict[str, tuple[str, Callable[[TiffFile, str], Layout]]] = {
        "is_philips": ("Philips TIFF", _philips),
        "is_scn": ("Leica SCN", _leica),
        "is_bif": ("Ventana TIFF", _ventana),
    }
    for flag, (name, read) in readers.items():
        if getattr(tiff, flag):
            return read(tiff, name)
    return None


def _left(name: str, why: str) -> OtherReaderError:
    return OtherReaderError(f"it is a {name} {why}, which is left to OpenSlide")


def _pages(tiff: TiffFile) -> list[TiffPage]:
    return [page.aspage() for page in tiff.pages]


def _xml(text: str, name: str) -> ET.Element:
    """Parse a description, whose length was bounded; a document type could make it grow."""
    if "<!DOCTYPE" not in text:
        try:
            return ET.fromstring(text.strip("\0 \r\n").encode())  # noqa: S314 - see above
        except (ET.ParseError, ValueError):
            pass
    raise _left(name, "whose description is no plain XML")


def _described(
    pages: Sequence[TiffPage],
    vendor: str,
    stated: StatedMpp,
    power: float | None,
    sizes: Sequence[tuple[int, int]] = (),
) -> Layout:
    profile = pages[0].tags.valueof(34675)
    return Layout(
        pages=tuple(pages),
        sizes=tuple(sizes) or tuple((page.imagewidth, page.imagelength) for page in pages),
        metadata=Metadata(
            vendor=vendor,
            stated=stated,
            objective_power=power,
            icc_profile=bytes(profile) if isinstance(profile, bytes | tuple) and profile else None,
        ),
    )


def _philips(tiff: TiffFile, name: str) -> Layout:
    """Philips pads each level to whole tiles, and lists the µm per pixel of each."""
    pages = _pages(tiff)
    root = _xml(pages[0].description, name)
    scans = root.findall("Attribute[@Name='PIM_DP_SCANNED_IMAGES']/Array/DataObject")
    slides = [scan for scan in scans if _value(scan, "PIM_DP_IMAGE_TYPE") == "WSI"]
    if len(slides) != 1:
        raise _left(name, f"of {len(slides)} slides")
    levels = slides[0].findall(
        "Attribute[@Name='PIIM_PIXEL_DATA_REPRESENTATION_SEQUENCE']/Array"
        "/DataObject[@ObjectType='PixelDataRepresentation']"
    )
    spacings = [_spacing(level) for level in levels]
    tiled = [page for page in pages if page.is_tiled]
    if not tiled or len(spacings) != len(tiled) or None in spacings:
        raise _left(name, f"of {len(tiled)} levels that describes {len(spacings)}")
    if not all(page.subfiletype & 1 for page in tiled[1:]):
        raise _left(name, "whose levels are not marked as reduced")
    return _described(
        tiled,
        "philips",
        StatedMpp(mpp=_spacing(slides[0])),
        _philips_power(_value(slides[0], "DICOM_DERIVATION_DESCRIPTION")),
        tuple(_unpadded(name, tiled, [spacing for spacing in spacings if spacing])),
    )


def _value(parent: ET.Element, name: str) -> str:
    found = parent.find(f"Attribute[@Name='{name}']")
    return "" if found is None else (found.text or "").strip()


def _spacing(parent: ET.Element) -> tuple[float, float] | None:
    """Return the µm per pixel as (x, y); the file has mm, of rows first."""
    sides = [positive(part.strip('"')) for part in _value(parent, "DICOM_PIXEL_SPACING").split()]
    if len(sides) != 2 or sides[0] is None or sides[1] is None:
        return None
    return 1e3 * sides[1], 1e3 * sides[0]


def _philips_power(text: str) -> float | None:
    """Return the objective power, the first number of ``levels=40,…`` among words with dashes."""
    for word in text.split("-"):
        key, _, number = word.partition("=")
        if key == "sourceFilename":
            return None
        if key == "levels":
            first = number.split(",")[0]
            is_power = first.isdecimal() and len(first) <= 3 and 0 < int(first) <= _MOST_POWER
            return float(first) if is_power else None
    return None


def _unpadded(
    name: str, pages: Sequence[TiffPage], spacings: Sequence[tuple[float, float]]
) -> Iterator[tuple[int, int]]:
    """Yield the size of each level without padding: that of the finest, divided as a whole."""
    (x, y), whole = spacings[0], (pages[0].imagewidth, pages[0].imagelength)
    for page, (across, down) in zip(pages, spacings, strict=True):
        factor = max(1, round((across / x + down / y) / 2))
        width, height = whole[0] // factor, whole[1] // factor
        if not (0 < width <= page.imagewidth and 0 < height <= page.imagelength):
            raise _left(name, "whose levels are smaller than it says")
        yield width, height


def _leica(tiff: TiffFile, name: str) -> Layout:
    """Leica places images on a canvas of nm: one shows the whole glass, the others scan areas."""
    pages = _pages(tiff)
    collection = _xml(pages[0].description, name).find("{*}collection")
    images = [] if collection is None else collection.findall("{*}image")
    areas = [image for image in images if not _shows_all(image, collection)]
    if collection is None or len(areas) != 1:
        raise _left(name, f"of {len(areas)} scan areas")
    (area,) = areas
    light = area.findtext("{*}scanSettings/{*}illuminationSettings/{*}illuminationSource")
    if light != "brightfield":
        raise _left(name, "without brightfield")
    dimensions = area.findall("{*}pixels/{*}dimension")
    listed = [
        tuple(_whole(each.get(key)) for key in ("sizeX", "sizeY", "ifd")) for each in dimensions
    ]
    listed.sort(reverse=True)
    if not listed or not all(0 <= number < len(pages) for *_, number in listed):
        raise _left(name, "that lists images which it does not hold")
    levels = [pages[number] for *_, number in listed]
    if [(page.imagewidth, page.imagelength) for page in levels] != [(w, h) for w, h, _ in listed]:
        raise _left(name, "whose levels have other sizes than it says")
    power = positive(area.findtext("{*}scanSettings/{*}objectiveSettings/{*}objective"))
    described = _described(levels, "leica", read_resolution(levels[0]), power)
    return replace(described, canvas=_canvas(name, area, collection, levels[0]))


def _canvas(name: str, area: ET.Element, collection: ET.Element, finest: TiffPage) -> Region:
    """Return the canvas in pixels of the only scan area, rounded as OpenSlide rounds."""
    view = area.find("{*}view")
    own, corner, whole = (
        [-1 if each is None else _whole(each.get(f"{key}{axis}")) for axis in "XY"]
        for each, key in ((view, "size"), (view, "offset"), (collection, "size"))
    )
    size = finest.imagewidth, finest.imagelength
    if min(*own, *whole) < 1 or min(corner) < 0:
        raise _left(name, "whose scan area has no place")
    # One scale for both axes: nm per pixel across.
    x, y = (place * size[0] // own[0] for place in corner)
    width, height = (-(-side * size[0] // own[0]) for side in whole)
    return Region(x=-x, y=-y, width=width, height=height)


def _shows_all(image: ET.Element, collection: ET.Element | None) -> bool:
    """Return whether an image covers the whole canvas, as the macro does."""
    view = image.find("{*}view")
    if view is None or collection is None:
        return False
    places = [_whole(view.get(key)) for key in ("offsetX", "offsetY", "sizeX", "sizeY")]
    return places == [0, 0, *(_whole(collection.get(key)) for key in ("sizeX", "sizeY"))]


def _whole(text: str | None) -> int:
    """Return a whole number, -1 where there is none."""
    return int(text) if text and text.isdecimal() and len(text) < 20 else -1


def _ventana(tiff: TiffFile, name: str) -> Layout:
    """Ventana numbers its levels; where the finest has XML of its own, its tiles overlap."""
    pages = _pages(tiff)
    numbered: dict[int, TiffPage] = {}
    for page in pages:
        words = [word.partition("=") for word in page.description[:4096].split()]
        number = _whole({key: value for key, _, value in words}.get("level"))
        if number >= 0:
            numbered.setdefault(number, page)
    if not numbered or sorted(numbered) != list(range(len(numbered))):
        raise _left(name, "whose levels are not numbered one after another")
    levels = [numbered[number] for number in range(len(numbered))]
    if _PACKET in levels[0].tags:
        raise _left(name, "whose tiles overlap")
    packet = pages[0].tags.valueof(_PACKET)
    text = packet.decode("utf-8", "replace") if isinstance(packet, bytes) else str(packet)
    root = _xml(text, name)
    scan = root if root.tag == "iScan" else root.find("iScan")
    if scan is None or not all(page.is_tiled for page in levels):
        raise _left(name, "without a description of its scan")
    mpp = positive(scan.get("ScanRes"))
    stated = StatedMpp(mpp=(mpp, mpp)) if mpp else StatedMpp()
    return _described(levels, "ventana", stated, positive(scan.get("Magnification")))

"""Where OME-XML says that each plane of an image lies, and what its channels show.

Knows elements of OME-XML. Does not know TIFF directories.
"""

import math
import re
from collections.abc import Iterator
from xml.etree import ElementTree as ET

from slidetile.raster.channels import Channel, named_channels
from slidetile.raster.pixels import Colour

Plane = tuple[int, int, int]
"""Channel, depth and time, from 0."""

_AXES = "CZT"
_MOST_PLANES = 1 << 20
_WHOLE = re.compile(r"\d{1,9}", re.ASCII)


def plane_numbers(pixels: ET.Element, channels: int, own: str | None) -> dict[Plane, int]:
    """Return the number of the directory that holds each plane of this file.

    Parameters
    ----------
    pixels
        The element Pixels of the image.
    channels
        How many images the channels are spread over.
    own
        The identifier of this file; planes of others are left out.
    """
    sizes = {axis: _number(pixels, f"Size{axis}", 1) for axis in _AXES} | {"C": channels}
    order = pixels.get("DimensionOrder", "XYCZT")[2:5]
    if sorted(order) != sorted(_AXES) or math.prod(sizes.values()) > _MOST_PLANES:
        return {}
    listed = pixels.findall("{*}TiffData")
    if not listed:
        return dict(_following(0, 0, math.prod(sizes.values()), order, sizes))
    found: dict[Plane, int] = {}
    for data in listed:
        place = data.find("{*}UUID")
        if own and place is not None and (place.text or "").strip() not in ("", own):
            continue
        first, count = _span(data, order, sizes)
        found.update(_following(_number(data, "IFD", 0), first, count, order, sizes))
    return found


def described_channels(pixels: ET.Element) -> tuple[Channel, ...]:
    """Return what the channels show, by their elements; none where there are none."""
    listed = pixels.findall("{*}Channel")
    names = [each.get("Name") or _stain(each) for each in listed]
    return named_channels(names, [_colour(each.get("Color")) for each in listed])


def _stain(channel: ET.Element) -> str | None:
    return channel.get("Fluor")


def _colour(text: str | None) -> Colour | None:
    """Return a colour of OME-XML, a signed number of 32 bits: red, green, blue, alpha."""
    if text is None or not re.fullmatch(r"-?\d{1,10}", text, re.ASCII):
        return None
    red, green, blue, _ = (int(text) & 0xFFFFFFFF).to_bytes(4)
    return red, green, blue


def _span(data: ET.Element, order: str, sizes: dict[str, int]) -> tuple[int, int]:
    """Return the first plane of an element TiffData, in the image's order, and how many it has."""
    place = {axis: _number(data, f"First{axis}", 0) for axis in _AXES}
    total = math.prod(sizes.values())
    if any(place[axis] >= sizes[axis] for axis in _AXES):
        return 0, 0
    first, step = 0, 1
    for axis in order:
        first, step = first + place[axis] * step, step * sizes[axis]
    usual = 1 if data.get("IFD") is not None else total
    return first, min(_number(data, "PlaneCount", usual), total - first)


def _following(
    directory: int, first: int, count: int, order: str, sizes: dict[str, int]
) -> Iterator[tuple[Plane, int]]:
    """Yield planes that follow each other, with the directories that hold them."""
    for number in range(count):
        rest, place = first + number, {}
        for axis in order:
            rest, place[axis] = divmod(rest, sizes[axis])
        yield (place["C"], place["Z"], place["T"]), directory + number


def _number(element: ET.Element, name: str, default: int) -> int:
    text = element.get(name, "")
    return int(text) if _WHOLE.fullmatch(text) else default

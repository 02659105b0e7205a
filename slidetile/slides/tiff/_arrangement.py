"""Which images of a TIFF are the channels of its slide, where it has an image for each.

Knows what descriptions say, and sizes of images. Does not know how pixels are stored.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from tifffile import TiffPage

from slidetile.raster.channels import Channel, named_channels
from slidetile.raster.pixels import Colour
from slidetile.slides.plane_choice import PlaneChoice
from slidetile.slides.planes import chosen_places
from slidetile.slides.reader import FinalRefusalError
from slidetile.slides.tiff._images import TiffImage
from slidetile.slides.tiff._metadata import Metadata
from slidetile.slides.tiff._planes import Planes

_BAND = re.compile(r"<Name>([^<]{1,200})</Name>")
_BAND_COLOUR = re.compile(r"<Color>\s*(\d{1,3}),\s*(\d{1,3}),\s*(\d{1,3})\s*</Color>")


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where the image of a channel lies."""

    page: int
    """The number of the directory that describes it."""

    number: int = 0
    """How many images of the same size lie between that directory's own and this one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrangement:
    """The images of a slide's channels, at the depth and time that are read."""

    finest: tuple[Place, ...]
    """Those of the finest level, by channel."""

    channels: tuple[Channel, ...]
    """What each shows."""

    coarser: tuple[tuple[Place, ...], ...] = ()
    """Those of coarser levels that have directories in the chain, finest first."""


def arrange(
    images: Sequence[TiffImage],
    slide: TiffImage,
    metadata: Metadata,
    spread: Planes,
    page: TiffPage,
    choice: PlaneChoice,
) -> Arrangement:
    """Return where the channels of a slide lie that is spread over several images.

    Parameters
    ----------
    images
        All images of the file.
    slide
        The first of the slide's own size.
    metadata
        The slide's description.
    spread
        Over what it is spread.
    page
        The page of ``slide``.
    choice
        The depth and the time that are read.

    Raises
    ------
    FinalRefusalError
        The file does not say what each image is, or a depth or time has to be chosen.
    UnfitChoiceError
        There is no such depth or time.
    """
    if metadata.planes_at:
        return _of_ome(metadata, spread, choice)
    same = [image.number for image in images if image.size == slide.size and not image.is_mask]
    if metadata.vendor == "perkinelmer" and spread.channels == len(same):
        return _of_bands(images, same, metadata, choice)
    total = spread.channels * spread.depths * spread.times
    if page.description.startswith("ImageJ=") and spread.images <= total:
        return _of_imagej(same, spread, total, choice)
    raise FinalRefusalError(
        f"its image is spread over {spread}, and the file does not say which is which in a way "
        "that slidetile reads: save it as OME-TIFF, or extract the one you need"
    )


def _of_ome(metadata: Metadata, spread: Planes, choice: PlaneChoice) -> Arrangement:
    z, t = chosen_places(choice, spread.depths, spread.times)
    at = metadata.planes_at
    missing = [c for c in range(spread.channels) if (c, z, t) not in at]
    if missing:
        raise FinalRefusalError(
            f"its OME-XML does not say where channel {missing[0]} lies in this file, at depth {z} "
            f"and time {t}: save the image as one file"
        )
    return Arrangement(
        finest=tuple(Place(page=at[c, z, t]) for c in range(spread.channels)),
        channels=_as_many(metadata.channels, spread.channels),
    )


def _of_bands(
    images: Sequence[TiffImage], same: list[int], metadata: Metadata, choice: PlaneChoice
) -> Arrangement:
    """PerkinElmer writes a page for each band, level by level."""
    chosen_places(choice, 1, 1)
    by_size: dict[tuple[int, int], list[Place]] = {}
    for image in images:
        if image.is_reduced and not image.shows_glass:
            by_size.setdefault(image.size, []).append(Place(page=image.number))
    levels = sorted(by_size.items(), key=lambda item: -item[0][0])
    return Arrangement(
        finest=tuple(Place(page=number) for number in same),
        channels=_as_many(metadata.channels, len(same)),
        coarser=tuple(tuple(places) for _, places in levels if len(places) == len(same)),
    )


def _of_imagej(same: list[int], spread: Planes, total: int, choice: PlaneChoice) -> Arrangement:
    """ImageJ has channels first, then depths, then times; they may share one directory."""
    z, t = chosen_places(choice, spread.depths, spread.times)
    first = (t * spread.depths + z) * spread.channels
    numbers = range(first, first + spread.channels)
    if len(same) == total:
        places = tuple(Place(page=same[number]) for number in numbers)
    elif len(same) == 1:
        places = tuple(Place(page=same[0], number=number) for number in numbers)
    else:
        raise FinalRefusalError(
            f"its description speaks of {total} images, but it has {len(same)} of that size: save "
            "it again"
        )
    return Arrangement(finest=places, channels=_as_many((), spread.channels))


def _as_many(channels: tuple[Channel, ...], count: int) -> tuple[Channel, ...]:
    """Return so many channels: those described, if they are as many."""
    return channels if len(channels) == count else named_channels([None] * count, [None] * count)


def band_channels(descriptions: Sequence[str]) -> tuple[Channel, ...]:
    """Return what PerkinElmer's bands show, by the description of each."""
    names = [_first(_BAND.search(text)) for text in descriptions]
    return named_channels(names, [_band_colour(text) for text in descriptions])


def _first(match: re.Match[str] | None) -> str | None:
    return None if match is None else match[1]


def _band_colour(text: str) -> Colour | None:
    found = _BAND_COLOUR.search(text)
    if found is None:
        return None
    red, green, blue = (min(255, int(part)) for part in found.groups())
    return red, green, blue

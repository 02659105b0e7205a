"""Which image of a TIFF is the slide, which are its levels, and which are neither.

Scanners write label, macro and thumbnail beside the slide, in any order, and not all of them mark
which is which. Does not know how pixels are stored.
"""

import logging
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Self

from slidetile.errors import SlideReadError
from slidetile.raster.resolution import whole_factor
from slidetile.slides.slide_file import SlideFile
from slidetile.slides.tiff._fields import image_type
from slidetile.slides.tiff._metadata import Metadata, shows_glass
from slidetile.slides.tiff._planes import Planes
from slidetile.slides.tiff._tags import DESCRIPTION, Directory

_log = logging.getLogger(__name__)

_KIND, _OLD_KIND, _WIDTH, _HEIGHT, _SAMPLES, _TILE_WIDTH = 254, 255, 256, 257, 277, 322
_MASK = 4
"""The bit of tag 254 that marks a mask of transparency."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TiffImage:
    """One image of a TIFF, by its directory."""

    number: int
    """Its place in the chain of directories."""

    width: int
    """Columns, pixels."""

    height: int
    """Rows, pixels."""

    samples: int
    """Samples a pixel."""

    is_tiled: bool
    """Whether it is stored in tiles and not in strips."""

    is_reduced: bool
    """Whether the file calls it a smaller version of another image."""

    shows_glass: bool
    """Whether the file calls it a label, macro or thumbnail."""

    is_mask: bool = False
    """Whether it says where another image is transparent."""

    @classmethod
    def of(cls, number: int, directory: Directory, file: SlideFile) -> Self:
        """Return the image of a directory."""
        kind = directory.number(file, _KIND)
        text = directory.text(file, DESCRIPTION)
        # Behind the first bar scanners put free text; XML describes more than this image.
        name = image_type(text) if text.startswith(("<", "{")) else text.split("|")[0]
        return cls(
            number=number,
            width=directory.number(file, _WIDTH),
            height=directory.number(file, _HEIGHT),
            samples=directory.number(file, _SAMPLES, 1),
            is_tiled=directory.find(_TILE_WIDTH) is not None,
            is_reduced=kind == 1 or (kind == 0 and directory.number(file, _OLD_KIND) == 2),
            shows_glass=shows_glass(name),
            is_mask=bool(kind & _MASK),
        )

    @property
    def size(self) -> tuple[int, int]:
        """(width, height)."""
        return self.width, self.height

    @property
    def area(self) -> int:
        """Pixels."""
        return self.width * self.height

    @property
    def layout(self) -> tuple[bool, int]:
        """What an image has in common with its coarser levels."""
        return self.is_tiled, self.samples


def choose_slide(
    images: tuple[TiffImage, ...], associated_sizes: frozenset[tuple[int, int]]
) -> TiffImage:
    """Return the largest image that is not a label, macro or thumbnail; of equals, the first.

    Parameters
    ----------
    images
        All images of the file, at least one.
    associated_sizes
        Sizes of images that are known to be a label or macro.

    Raises
    ------
    SlideReadError
        An image has no pixels by its tags: the largest cannot be told.
    """
    scanned = [
        image for image in images if not image.shows_glass and image.size not in associated_sizes
    ]
    for image in scanned:
        if 0 in image.size and not (image.is_reduced or image.is_mask):
            raise SlideReadError(
                f"its image {image.number} claims {image.width}×{image.height} pixels: it may be "
                "the slide, and is damaged; copy the file again from its source"
            )
    return max(scanned or images, key=lambda image: image.area)


def levels(
    images: tuple[TiffImage, ...], slide: TiffImage, metadata: Metadata
) -> Iterator[TiffImage]:
    """Yield the images that may be coarser levels of the slide.

    Aperio and those who write as it does mark none as reduced, but only levels are tiled. Others
    mark them; where one does not, an image is a level if both its sides are those of the slide
    divided by one whole number.
    """
    for image in images:
        if image is slide or image.is_mask:
            continue
        if metadata.has_tiled_levels:
            if image.is_tiled and not image.shows_glass:
                yield image
        elif image.is_reduced or (metadata.vendor != "ome" and _is_unmarked_level(image, slide)):
            yield image


def _is_unmarked_level(image: TiffImage, slide: TiffImage) -> bool:
    if image.shows_glass or image.layout != slide.layout or 0 in image.size:
        return False
    return (whole_factor(slide.size, image.size) or 1) > 1


def planes_of(images: tuple[TiffImage, ...], slide: TiffImage, metadata: Metadata) -> Planes:
    """Return over how many channels, depths and times the slide is spread.

    Images of the slide's size, which no description accounts for, are no levels: one of them is a
    part of the slide.
    """
    same = sum(
        image.size == slide.size
        and image.is_tiled == slide.is_tiled
        and not (image.is_mask or image.shows_glass)
        for image in images
    )
    own = metadata.planes
    if same <= own.count * metadata.images_of_its_size:
        return own
    if metadata.vendor == "perkinelmer":  # a page for each band
        return replace(own, channels=same)
    return replace(own, images=max(own.images, same))


def warn_of_other_images(
    images: tuple[TiffImage, ...], slide: TiffImage, metadata: Metadata, name: str
) -> None:
    """Warn of what is left out: other scenes, images that are no levels, and larger ones."""
    _warn_of_doubts(images, slide, metadata, name)
    others = [i for i in images if i is not slide and i.is_tiled == slide.is_tiled]
    scenes = [scene for scene in metadata.scenes[1:] if not shows_glass(scene)]
    if scenes:
        _log.warning(
            "%s holds %d scenes: only “%.60s”, the largest, is read, not “%.200s”.",
            *(name, len(scenes) + 1, metadata.scenes[0], "”, “".join(scenes)),
        )
    elif metadata.vendor == "generic-tiff" and not metadata.has_tiled_levels:
        _warn_of_strangers(others, slide, name)


def _warn_of_doubts(
    images: tuple[TiffImage, ...], slide: TiffImage, metadata: Metadata, name: str
) -> None:
    """Warn where another image may be the slide: a larger one, or the first of a pyramid."""
    for image in images:
        is_like = image.is_tiled or not slide.is_tiled  # photographs of the glass are in strips
        if image.area > slide.area and is_like and not image.is_mask:
            _log.warning(
                "%s: its image %d, of %d×%d pixels, is called a label, macro or thumbnail and left "
                "out, but it is larger than the slide, of %d×%d.",
                *(name, image.number, *image.size, *slide.size),
            )
    tiled = [image for image in images if image.is_tiled and not image.shows_glass]
    if metadata.has_tiled_levels and tiled and tiled[0].area < slide.area:
        _log.warning(
            "%s: its first image has %d×%d pixels, fewer than image %d with %d×%d, which is taken "
            "for the slide: is the file damaged?",
            *(name, *tiled[0].size, slide.number, *slide.size),
        )


def _warn_of_strangers(others: list[TiffImage], slide: TiffImage, name: str) -> None:
    """Warn of images that are neither levels nor marked as anything."""
    strangers = [
        image
        for image in others
        if not (image.is_reduced or image.shows_glass or image.is_mask)
        and not _is_unmarked_level(image, slide)
    ]
    if strangers:
        _log.warning(
            "%s holds %d more images that are not the slide's levels: only the largest, of %d×%d "
            "pixels, is read.",
            *(name, len(strangers), *slide.size),
        )

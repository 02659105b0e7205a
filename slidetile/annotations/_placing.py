"""Where on a slide a file's coordinates are: their unit, their origin, and what is outside.

Knows slides and areas. Does not know file formats.
"""

import logging
import math
from collections.abc import Callable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from slidetile.annotations._shapes import FileShape, FileShapes
from slidetile.annotations.annotations import Annotation, PaintedMask
from slidetile.choices import AnnotationOrigin, AnnotationUnit
from slidetile.errors import AnnotationError, MissingResolutionError
from slidetile.raster.masks import Mask
from slidetile.raster.region import Region
from slidetile.slides.slide import Slide

_log = logging.getLogger(__name__)

_UNITS = {
    **dict.fromkeys(("px", "pixel", "pixels"), "px"),
    **dict.fromkeys(("um", "\N{MICRO SIGN}m", "\N{GREEK SMALL LETTER MU}m"), "um"),
    **dict.fromkeys(("micron", "microns", "micrometer", "micrometers"), "um"),
    **dict.fromkeys(("micrometre", "micrometres"), "um"),
}
_MPP_TOLERANCE = 0.02
_STRETCH = 0.01
"""How much a mask of labels may be stretched along one side: what rounding of small masks takes."""

_SMALLEST_REAL_SLIDE_PX = 100
"""On a smaller slide, an area may be as small as a single pixel."""


def place_shapes(
    shapes: FileShapes, slide: Slide, unit: AnnotationUnit, origin: AnnotationOrigin
) -> tuple[Annotation, ...]:
    """Return a file's areas in level-0 pixels of the slide; see `read_annotations`.

    Annotation files refer to level 0 of the slide's file. So the areas are checked in its pixels,
    and only then converted to those of a slide at another resolution.

    Raises
    ------
    AnnotationError
        The file's unit is unknown, or all its areas are outside the slide.
    MissingResolutionError
        The file is in µm and the slide's mpp is unknown.
    """
    original = slide.original
    _check_made_for(shapes, original)
    begin = np.array(_corner(shapes, original, origin))

    def place(shape: FileShape) -> Annotation:
        step = _pixels_per_unit(unit, shape.unit or shapes.unit, original)
        rings = tuple(ring * step + begin for ring in shape.rings)
        return Annotation(class_name=shape.class_name, rings=rings)

    areas = tuple(_consumed(shapes.shapes, place))
    if areas:
        _check_inside(areas, original)
    scale = original_scale(slide)
    return areas if scale == (1, 1) else tuple(_rescaled(area, scale) for area in areas)


def place_marks(
    shapes: FileShapes, slide: Slide, unit: AnnotationUnit, origin: AnnotationOrigin
) -> dict[str, NDArray[np.int32]]:
    """Return the level-0 pixels of the slide that hold a file's points, [point, (x, y)], by class.

    Raises
    ------
    AnnotationError
        The file's unit is unknown, or all its points are outside the slide.
    MissingResolutionError
        The file is in µm and the slide's mpp is unknown.
    """
    marks, original = shapes.marks or [], slide.original
    places = np.array([mark.place for mark in marks], np.float64).reshape(-1, 2)
    units = {mark.unit or shapes.unit for mark in marks}
    steps = {each: _pixels_per_unit(unit, each, original) for each in units}
    step = np.array([steps[mark.unit or shapes.unit] for mark in marks]).reshape(-1, 2)
    found = (places * step + _corner(shapes, original, origin)) / original_scale(slide)
    is_inside = ((found >= 0) & (found < slide.levels[0].size)).all(axis=1)
    if outside := len(marks) - int(is_inside.sum()):
        what = f"{outside:,} of its {len(marks):,} points are outside the slide"
        if outside == len(marks) and not shapes.shapes:
            raise AnnotationError(f"{what}. {_hint(found.max(axis=0), original)}")
        _log.warning("%s: they are left out.", what)
    names = [mark.class_name for mark in marks]
    pixels = np.floor(found).astype(np.int32)
    chosen: dict[str, list[int]] = {}
    for number in np.flatnonzero(is_inside).tolist():
        chosen.setdefault(names[number], []).append(number)
    return {name: pixels[numbers] for name, numbers in chosen.items()}


def place_numbers(
    size: tuple[int, int], slide: Slide, origin: AnnotationOrigin
) -> tuple[tuple[float, float], tuple[float, float]]:
    """Return where a mask of a (width, height) lies: its corner, and level-0 pixels per pixel.

    Raises
    ------
    AnnotationError
        Its proportions are not those of the slide, nor of its scan area.
    """
    placed = place_mask(np.broadcast_to(np.False_, size[::-1]), slide, origin)
    across, down = placed.scale
    if abs(across / down - 1) > _STRETCH and abs(size[0] * (across / down - 1)) > 1:
        raise AnnotationError(
            f"its {size[0]}×{size[1]} pixels do not have the proportions of the slide's "
            f"{slide.width}×{slide.height}: a label would lie where it does not belong. Is it a "
            "mask of this slide, and of all of it?"
        )
    return placed.origin, placed.scale


def _consumed(
    shapes: list[FileShape], place: Callable[[FileShape], Annotation]
) -> Iterator[Annotation]:
    """Yield shapes as areas, and forget each shape, so that no corner is held twice."""
    shapes.reverse()
    while shapes:
        yield place(shapes.pop())


def original_scale(slide: Slide) -> tuple[float, float]:
    """Return the level-0 pixels of a slide's file per level-0 pixel of the slide, as (x, y)."""
    return (1.0, 1.0) if slide.rescaling is None else slide.rescaling.scale


def _rescaled(area: Annotation, scale: tuple[float, float]) -> Annotation:
    return Annotation(
        class_name=area.class_name, rings=tuple(ring / np.array(scale) for ring in area.rings)
    )


def place_mask(mask: Mask, slide: Slide, origin: AnnotationOrigin) -> PaintedMask:
    """Return a mask stretched over the slide, or over its scan area.

    With the origin "auto" it is stretched over the scan area, unless only the whole slide has the
    mask's proportions to within a pixel.
    """
    original, (x, y) = slide.original, original_scale(slide)
    candidates = {"scan-area": original.scan_area, "slide": original.canvas}
    if origin == "auto":
        fitting = [n for n, area in candidates.items() if _misfit_px(mask, area) <= 1]
        origin = "slide" if fitting == ["slide"] else "scan-area"
    area = candidates[origin]
    if (misfit := _misfit_px(mask, area)) > 1:
        _log.warning(
            "the mask's %d×%d pixels do not have the proportions of the slide's %d×%d: it is "
            "stretched by %.0f of its pixels. %s",
            *(
                mask.shape[1],
                mask.shape[0],
                area.width,
                area.height,
                misfit,
                _misfit_hint(mask, area),
            ),
        )
    scale = area.width / x / mask.shape[1], area.height / y / mask.shape[0]
    return PaintedMask(mask=mask, origin=(area.x / x, area.y / y), scale=scale)


def _misfit_hint(mask: Mask, area: Region) -> str:
    """Return the likely reason why a mask has other proportions than an area."""
    if _misfit_px(mask.T, area) <= 1:
        return "Turned by 90° it would fit: was it saved with rows and columns exchanged?"
    return "Is it a mask of this slide, and of all of it?"


def _misfit_px(mask: Mask, area: Region) -> float:
    """Return by how many of its pixels a mask is too wide or too high for an area."""
    height, width = mask.shape
    too_high = abs(height - width * (area.height / area.width))
    too_wide = abs(width - height * (area.width / area.height))
    return float(min(too_high, too_wide))


def _corner(shapes: FileShapes, slide: Slide, origin: AnnotationOrigin) -> tuple[float, float]:
    if origin == "auto" and shapes.origin is not None:
        return shapes.origin
    area = slide.canvas if origin == "slide" else slide.scan_area
    return area.x, area.y


def _pixels_per_unit(unit: AnnotationUnit, stated: str | None, slide: Slide) -> NDArray[np.float64]:
    chosen: str | None = unit
    if unit == "auto":
        chosen = "px" if stated is None else _UNITS.get(stated.strip().lower())
    if chosen is None:
        raise AnnotationError(
            f"its unit is “{stated:.60}”, which is neither pixels nor µm: export it in one of "
            "these, or give the unit px (--annotations-unit px) if its coordinates are level-0 "
            "pixels"
        )
    if chosen == "px":
        return np.ones(2)
    if slide.mpp is None:
        raise MissingResolutionError(
            f"The mpp of {slide.name} is unknown, but its annotations are in µm: give the "
            "mpp (--slide-mpp)."
        )
    return 1 / np.array(slide.mpp)


def _check_made_for(shapes: FileShapes, slide: Slide) -> None:
    """Warn if the file was made for another slide."""
    size = slide.levels[0].size
    if shapes.slide_size is not None and shapes.slide_size != size:
        _log.warning(
            "the annotations were made for a slide of %d×%d px, but %s has %d×%d.",
            *(*shapes.slide_size, slide.name, *size),
        )
    if shapes.mpp is not None and slide.mpp is not None:
        mpp = math.sqrt(math.prod(slide.mpp))
        if abs(shapes.mpp / mpp - 1) > _MPP_TOLERANCE:
            _log.warning(
                "the annotations were drawn on a slide of %.4g µm per pixel, but %s has %.4g: do "
                "they belong together?",
                *(shapes.mpp, slide.name, mpp),
            )


_SLACK = 0.05
"""How far beyond the slide a hand slips, as a share of its sides: no sign of another slide."""


def _check_inside(areas: Sequence[Annotation], slide: Slide) -> None:
    """Warn about areas outside the slide; refuse the file if all of them are."""
    edges = np.array([area.edges for area in areas])
    (left, top), (right, bottom) = edges[:, :2].T, edges[:, 2:].T
    outside = (right <= 0) | (bottom <= 0) | (left >= slide.width) | (top >= slide.height)
    counts = np.array([_corners_beyond(area.rings[0], slide) for area in areas])
    beyond, corners = counts.sum(axis=0).tolist()
    low, high = edges[:, :2].min(axis=0), edges[:, 2:].max(axis=0)
    extent = f"from ({low[0]:.6g}, {low[1]:.6g}) to ({high[0]:.6g}, {high[1]:.6g})"
    what = f"{extent}, where the slide has {slide.width}×{slide.height} px"
    if (high - low).max() <= 1 < _SMALLEST_REAL_SLIDE_PX <= max(slide.levels[0].size):
        raise AnnotationError(
            f"its areas reach {what}: none is larger than a pixel. If the coordinates are "
            "fractions of the slide, multiply them by its size."
        )
    if outside.all():
        raise AnnotationError(
            f"all its {len(areas)} areas are outside the slide: they reach {what}. "
            f"{_hint(high, slide)}"
        )
    if beyond:
        some = counts[:, 0] > 0
        slack = _SLACK * np.array(slide.levels[0].size)
        is_near = (low >= -slack).all() and (high <= slide.levels[0].size + slack).all()
        hint = "" if is_near else f" {_hint(high, slide)}"
        _log.warning(
            "%s of the %s areas reach beyond the slide%s: %s of all %s corners are outside "
            "(%.1f %%). What is outside is cut off. All areas together reach %s.%s",
            *(f"{some.sum():,}", f"{len(areas):,}", _wholly(int(outside.sum()))),
            *(f"{beyond:,}", f"{corners:,}", 100 * beyond / corners, what, hint),
        )


def _wholly(areas: int) -> str:
    return f", {areas:,} of them wholly" if areas else ""


def _corners_beyond(outline: NDArray[np.float64], slide: Slide) -> tuple[int, int]:
    """Return how many corners of an outline are outside the slide, and how many it has."""
    beyond = np.any((outline < 0) | (outline > slide.levels[0].size), axis=1)
    return int(beyond.sum()), len(beyond)


def _hint(high: NDArray[np.float64], slide: Slide) -> str:
    """Return the likely reason why coordinates reach too far."""
    reach = float((high / slide.levels[0].size).max())
    if slide.mpp is not None and reach > 1:
        pixels = high / slide.mpp
        if (pixels <= 1.02 * np.array(slide.levels[0].size)).all():
            return (
                f"Divided by the slide's mpp of {slide.mpp[0]:.4g} they would be inside: they look "
                "like µm, so give the unit um (--annotations-unit um)."
            )
    if reach > 1:
        return f"They reach {reach:.3g} times as far as the slide: are they of this slide and size?"
    return "Do the slide and the file belong together?"

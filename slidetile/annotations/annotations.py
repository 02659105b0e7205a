"""Areas that somebody drew on a slide, and which pixels of an overview they cover.

Knows level-0 pixels and overviews. Does not know files or their formats.
"""

import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from slidetile.errors import AnnotationError
from slidetile.raster.masks import Mask
from slidetile.raster.rings import crossing_count, winding_numbers
from slidetile.slides.overview import Overview
from slidetile.tissue.mask import pixel_centres

_log = logging.getLogger(__name__)

LARGEST_CROSSING_COUNT = 1_000_000_000
"""Most crossings of outlines with mask rows; more would take longer than a minute."""

_BAND_PX = 1 << 22


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Annotation:
    """One drawn area: what its outline encloses, without its holes."""

    class_name: str
    """Its class; empty where it has none."""

    rings: tuple[NDArray[np.float64], ...]
    """Its outline, then its holes: float64 [corner, (x, y)] in level-0 pixels, not closed."""

    @property
    def edges(self) -> tuple[float, float, float, float]:
        """(left, top, right, bottom) of its outline, in level-0 pixels."""
        (left, top), (right, bottom) = self.rings[0].min(axis=0), self.rings[0].max(axis=0)
        return float(left), float(top), float(right), float(bottom)

    @property
    def area_px(self) -> float:
        """Its area in level-0 pixels, if its rings cross neither themselves nor each other."""
        outline, *holes = (abs(_shoelace(ring)) for ring in self.rings)
        return outline - sum(holes)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PaintedMask:
    """Pixels that somebody painted, at any scale and place on the slide."""

    mask: Mask
    """bool [row, column]."""

    origin: tuple[float, float]
    """(x, y) of its top left corner, in level-0 pixels."""

    scale: tuple[float, float]
    """Level-0 pixels per pixel of the mask, as (x, y)."""

    def covers(self, size: tuple[int, int]) -> bool:
        """Return whether the mask covers exactly a slide of this (width, height)."""
        height, width = self.mask.shape
        ends = width * self.scale[0], height * self.scale[1]
        return not any(self.origin) and bool(np.allclose(ends, size, rtol=1e-9, atol=0))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Annotations:
    """The content of an annotation file, in level-0 pixels. Made by `read_annotations`."""

    name: str
    """The file's name without folders."""

    parameters: Mapping[str, Any] = field(default_factory=dict)
    """The file's digest and how it was read; JSON-serialisable."""

    areas: tuple[Annotation, ...] = ()
    """The areas of the wanted classes, in the file's order; none where the file is a mask."""

    painted: PaintedMask | None = None
    """The mask, where the file is one."""

    classes: Mapping[str, int] = field(default_factory=dict)
    """Number of areas of each class in the file, wanted or not."""

    left_out: Mapping[str, int] = field(default_factory=dict)
    """Number of objects in the file that are not areas, by kind."""

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing at all: no areas, or a mask of zeros."""
        return not self.areas and (self.painted is None or not self.painted.mask.any())

    def mask_on(self, overview: Overview) -> Mask:
        """Return which pixels of an overview the annotations cover.

        An area covers the pixels whose centre is inside its outline and not inside one of its
        holes. All that a self-crossing outline encircles is inside it, in either direction (the
        nonzero winding rule). A painted mask covers the pixels of which at least half is painted.

        Returns
        -------
        bool array [row, column]
            As high and as wide as the overview.

        Raises
        ------
        AnnotationError
            The outlines cross the rows of the overview more than `LARGEST_CROSSING_COUNT` times.
        """
        return self.cover(overview).mask

    def cover(self, overview: Overview, within: Mask | None = None) -> "Cover":
        """Return which pixels of an overview the annotations cover, and which areas do it.

        Parameters
        ----------
        overview
            The overview.
        within
            The pixels that count, [row, column]; None is all.

        Raises
        ------
        AnnotationError
            As in `mask_on`.
        """
        if self.painted is not None:
            return Cover(mask=_sample(self.painted, overview), areas=())
        return _fill(self, overview, within)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Cover:
    """What annotations cover on an overview."""

    mask: Mask
    """bool [row, column]."""

    areas: tuple[Annotation, ...]
    """The areas that cover a pixel that counts."""


@dataclass(slots=True)
class _Doubts:
    """What a user is warned about after outlines are filled."""

    rings: int = 0
    crossed: int = 0
    crossed_px: int = 0
    unseen: int = 0

    def add(self, counts: NDArray[np.int64]) -> None:
        """Add a ring's pixels: wound forwards, wound backwards, wound more than once."""
        self.rings += 1
        doubtful = int(counts[2] + min(counts[0], counts[1]))
        self.crossed += doubtful > 0
        self.crossed_px += doubtful

    def warn(self, annotations: Annotations) -> None:
        """Log a warning for each doubt, with the numbers."""
        if self.crossed:
            _log.warning(
                "%s: %d of %d outlines cross themselves, over %d pixels of the mask: all that "
                "they encircle is used.",
                *(annotations.name, self.crossed, self.rings, self.crossed_px),
            )
        if self.unseen:
            _log.warning(
                "%s: %d of %d areas are too small to hold the centre of a mask pixel, or are "
                "outside the slide: give a finer tissue mpp (--tissue-mpp).",
                *(annotations.name, self.unseen, len(annotations.areas)),
            )


def _fill(annotations: Annotations, overview: Overview, within: Mask | None) -> Cover:
    x, y = pixel_centres(overview)
    crossings = sum(crossing_count(ring, y) for area in annotations.areas for ring in area.rings)
    if crossings > LARGEST_CROSSING_COUNT:
        raise AnnotationError(
            f"{annotations.name}: its outlines cross the mask's rows {crossings:,} times, more "
            f"than {LARGEST_CROSSING_COUNT:,}: simplify them"
        )
    mask: Mask = np.zeros((overview.height, overview.width), np.bool_)
    doubts, counting = _Doubts(), []
    for area in annotations.areas:
        counts = np.zeros((len(area.rings), 3), np.int64)
        is_seen = is_counting = False
        for rows, columns in _bands(area, x, y):
            inside = _inside(area, x[columns], y[rows], counts)
            mask[rows, columns] |= inside
            is_seen |= bool(inside.any())
            is_counting |= bool(
                (inside if within is None else inside & within[rows, columns]).any()
            )
        for ring_counts in counts:
            doubts.add(ring_counts)
        doubts.unseen += not is_seen
        if is_counting:
            counting.append(area)
    doubts.warn(annotations)
    return Cover(mask=mask, areas=tuple(counting))


def _bands(
    area: Annotation, x: NDArray[np.float64], y: NDArray[np.float64]
) -> Iterator[tuple[slice, slice]]:
    """Yield the [rows, columns] around an area, in bands of rows that keep memory flat."""
    rows, columns = _span(area.rings[0], x, y)
    height = max(1, _BAND_PX // max(1, columns.stop - columns.start))
    for row in range(rows.start, rows.stop if columns.start < columns.stop else 0, height):
        yield slice(row, min(row + height, rows.stop)), columns


def _span(
    ring: NDArray[np.float64], x: NDArray[np.float64], y: NDArray[np.float64]
) -> tuple[slice, slice]:
    """Return the [rows, columns] of an overview whose pixel centres are within a ring's bounds."""
    edges = ring.min(axis=0), ring.max(axis=0)
    left, right = (int(np.searchsorted(x, edge[0])) for edge in edges)
    top, bottom = (int(np.searchsorted(y, edge[1])) for edge in edges)
    return slice(top, bottom), slice(left, right)


def _inside(
    area: Annotation, x: NDArray[np.float64], y: NDArray[np.float64], counts: NDArray[np.int64]
) -> Mask:
    inside: Mask = np.zeros((len(y), len(x)), np.bool_)
    for number, ring in enumerate(area.rings):
        rows, columns = _span(ring, x, y)
        winding = winding_numbers(ring, x[columns], y[rows])
        forward, backward = np.count_nonzero(winding > 0), np.count_nonzero(winding < 0)
        counts[number] += forward, backward, np.count_nonzero(np.abs(winding) > 1)
        if number:
            inside[rows, columns] &= winding == 0
        else:
            inside[rows, columns] = winding != 0
    return inside


def _sample(painted: PaintedMask, overview: Overview) -> Mask:
    """Return which pixels a painted mask covers by half.

    Where the mask is coarser than the overview, its pixel at the centre decides.
    """
    size = (overview.slide_width, overview.slide_height)
    if painted.mask.shape == (overview.height, overview.width) and painted.covers(size):
        return painted.mask.copy()  # its last pixels may reach beyond the slide, as the overview's
    mask: Mask = np.zeros((overview.height, overview.width), np.bool_)
    centres = pixel_centres(overview)
    columns, left, right = _spans(painted, overview, centres[0], axis=0)
    rows, top, bottom = _spans(painted, overview, centres[1], axis=1)
    for row, start, stop in zip(rows.tolist(), top.tolist(), bottom.tolist(), strict=True):
        line = painted.mask[start:stop].sum(axis=0, dtype=np.int64)
        up_to = np.concatenate([[0], np.cumsum(line)])
        counts = up_to[right] - up_to[left]
        mask[row, columns] = 2 * counts >= (right - left) * (stop - start)
    return mask


def _spans(
    painted: PaintedMask, overview: Overview, centres: NDArray[np.float64], *, axis: int
) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.intp]]:
    """Return the overview's columns or rows over a painted mask, and the mask pixels under each."""
    count = painted.mask.shape[1 - axis]
    origin, scale, step = painted.origin[axis], painted.scale[axis], overview.downsample[axis]
    centre = (centres - origin) / scale
    numbers = np.flatnonzero((centre >= 0) & (centre < count))
    start = stop = centre[numbers].astype(np.intp)
    if step > scale:
        edges = np.stack([numbers, numbers + 1]) * step
        start, stop = np.rint((edges - origin) / scale).astype(np.intp)
    start = np.clip(start, 0, count - 1)
    return numbers, start, np.clip(stop, start + 1, count)


def _shoelace(ring: NDArray[np.float64]) -> float:
    x, y = (ring - ring[0]).T
    return float(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1))) / 2

"""Frames of small marks, as printed on the slides of spatial transcriptomics.

Knows what pixels absorb. Does not know tissue.

The marks are grey, alike in size, and as far from each other all along, in few directions. What is
scattered in tissue, in smears or as dust is not.
"""

import numpy as np
from numpy.typing import NDArray

from slidetile.raster.masks import Labels, Mask, measure_pieces, painted, sum_pixels
from slidetile.raster.morphology import widened
from slidetile.raster.region import Region
from slidetile.tissue.absorption import UNIT, Absorption

_LEAST_GREYS = 0.03, 0.1
"""Tried one after the other: marks that touch in the first may be apart in the next."""

_MOST_STAIN = 0.04
_WIDEST_UM = 400.0
_LEAST_PX, _LEAST_FILLED = 4, 0.45
_FEWEST, _MOST_MARKS, _MOST_PIECES = 20, 5_000, 100_000
_ALIKE = 0.8, 1.25
_LEAST_REGULAR = 0.6
"""So many marks of a size are as far from the next as they usually are."""

_LEAST_IN_LINE = 0.4
"""How much their steps share the directions of a grid; 0.1 is usual of what is scattered."""

_NEAR = 2.2
"""Marks of other sizes, as rings that touch, lie so many distances from regular ones at most."""

_HALO_PX = 5
"""A mark and its rim are left out, at least, and what lies between marks."""


def fiducial_marks(seen: Absorption, pixel_um: float) -> Mask | None:
    """Return the marks of a frame and what surrounds them; None where there is no frame.

    Parameters
    ----------
    seen
        What pixels absorb, nothing where there is pen.
    pixel_um
        Micrometres per pixel.
    """
    for least in _LEAST_GREYS:
        marks = _marks(measure_pieces(seen.grey > least * UNIT), seen, pixel_um)
        if marks is not None:
            return marks
    return None


def _marks(
    pieces: tuple[Labels, NDArray[np.int64], list[Region]], seen: Absorption, pixel_um: float
) -> Mask | None:
    """Return those pieces that are marks, widened; None where too few are."""
    labels, pixels, boxes = pieces
    if not _FEWEST <= len(boxes) <= _MOST_PIECES:
        return None
    specks = np.flatnonzero(_are_specks(labels, pixels, boxes, seen, pixel_um))
    if not _FEWEST <= len(specks) <= _MOST_MARKS:
        return None
    middles = np.array([(box.x + box.width / 2, box.y + box.height / 2) for box in boxes])[specks]
    regular, pitch = _regular(np.sqrt(pixels[specks]), middles)
    if not regular.any():
        return None
    is_mark = np.zeros(len(boxes), np.bool_)
    is_mark[specks[regular]] = True
    return widened(painted(labels, is_mark), max(_HALO_PX, 2 * int(pitch / 2) + 1))


def _are_specks(
    labels: Labels,
    pixels: NDArray[np.int64],
    boxes: list[Region],
    seen: Absorption,
    pixel_um: float,
) -> NDArray[np.bool_]:
    """Return which pieces are small, round and grey."""
    sides = np.array([(box.width, box.height) for box in boxes])
    longest, shortest = sides.max(axis=1), sides.min(axis=1)
    stain = sum_pixels(labels, seen.stain, most=UNIT)[1:] / pixels
    return np.asarray(
        (pixels >= _LEAST_PX)
        & (longest <= 1.6 * shortest + 1)
        & (pixels >= _LEAST_FILLED * sides.prod(axis=1))
        & (longest * pixel_um < _WIDEST_UM)
        & (stain < _MOST_STAIN * UNIT)
    )


def _regular(
    sizes: NDArray[np.float64], middles: NDArray[np.float64]
) -> tuple[NDArray[np.bool_], float]:
    """Return which specks lie at regular distances, or close to such, and the distance.

    None of them, where too few are regular.
    """
    alike = _alike(sizes, _commonest(sizes))
    if np.count_nonzero(alike) < _FEWEST:
        return np.zeros_like(alike), 0.0
    steps = _steps(middles, middles)
    nearest = np.abs(steps)
    usual = float(np.median(nearest[alike]))
    regular = alike & _alike(nearest, usual)
    count = np.count_nonzero(regular)
    if count < _FEWEST or count < _LEAST_REGULAR * np.count_nonzero(alike):
        return np.zeros_like(regular), usual
    if _in_line(steps[regular]) < _LEAST_IN_LINE:
        return np.zeros_like(regular), usual
    return regular | (np.abs(_steps(middles, middles[regular])) < _NEAR * usual), usual


def _in_line(steps: NDArray[np.complex128]) -> float:
    """Return how much steps lie in the directions of a square or hexagonal grid, 0–1.

    These are multiples of 90° or 60°, so angles are compared within twelfths of a turn.
    """
    return float(np.abs(np.mean((steps / np.abs(steps)) ** 12)))


def _commonest(sizes: NDArray[np.float64]) -> float:
    """Return the size that most others are like; of several, the least."""
    different = np.unique(sizes)
    counts = [np.count_nonzero(_alike(sizes, size)) for size in different]
    return float(different[int(np.argmax(counts))])


def _alike(values: NDArray[np.float64], value: float) -> NDArray[np.bool_]:
    low, high = _ALIKE
    return np.asarray((values > low * value) & (values < high * value))


def _steps(from_: NDArray[np.float64], to: NDArray[np.float64]) -> NDArray[np.complex128]:
    """Return the step from each point to the nearest other one: x, and y as the imaginary part."""
    places, others = (points[:, 0] + 1j * points[:, 1] for points in (from_, to))
    steps = np.empty(len(places), np.complex128)
    for first in range(0, len(places), 256):
        apart = others[np.newaxis] - places[first : first + 256, np.newaxis]
        apart[apart == 0] = np.inf  # itself
        nearest = np.abs(apart).argmin(axis=1)
        steps[first : first + 256] = apart[np.arange(len(apart)), nearest]
    return steps

"""The spots of a mask that lie on a regular grid: the steps of the grid, and the place of each.

Knows weights of pixels. Does not know rows and columns, nor what spots are.

The steps are found by the autocorrelation of the mask, which has a peak where the mask, moved by
one step, falls onto itself: spots that touch or are broken do not hide it. All else is measured in
steps, so that no resolution is needed.
"""

import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Weights = NDArray[np.uint8]
"""How much of each pixel is covered, 0–255: [row, column]."""

Points = NDArray[np.float64]
"""Places as (x, y), or as steps along rows and columns: [point, 2]."""

Values = NDArray[np.float64]

MOST_SPOTS = 2048
"""More than any microarray has: the largest hold about a thousand."""

_STEEPEST = math.tan(math.radians(30))
"""How far rows and columns may lean away from the image's own."""

_VALLEY = 0.9
"""Between no move and a step, the autocorrelation falls below this share of what it is at the step:
else the mask is one area, and not spots with gaps."""

_LEAST_PEAK = 0.2
"""A peak's least share of that of no move. Of a grid of two rows, one row falls onto the other."""

_AS_HIGH = 0.6
"""A peak with this share of the highest one's height is one of a step as well."""

_LIGHTEST = 0.15
"""A spot's least share of the weight of the heavier ones; what is lighter is dust."""

_SHIFTS = 6
"""Until a spot's centre stands still to a fraction of a pixel."""

_CLOSEST = 0.4
"""What lies closer together, in steps, is one spot in parts."""


class NoLatticeError(ValueError):
    """Why spots lie on no grid, as what follows "since"."""


class Basis(NamedTuple):
    """One step along a row, and one down a column."""

    across: Points
    down: Points

    @property
    def step(self) -> float:
        """The shorter of the two, in pixels."""
        return float(min(math.hypot(*self.across), math.hypot(*self.down)))

    @property
    def cell_px(self) -> float:
        """The area between the two, in pixels."""
        x, y = self.across.tolist()
        right, bottom = self.down.tolist()
        return float(abs(x * bottom - y * right))

    def in_steps(self, points: Points) -> Points:
        """Return places in pixels as steps along rows and columns."""
        return np.asarray(points @ np.linalg.inv(np.stack([self.across, self.down])))

    def in_pixels(self, steps: Points) -> Points:
        """Return steps along rows and columns as places in pixels."""
        return np.asarray(steps @ np.stack([self.across, self.down]))


def find_basis(weights: Weights) -> Basis:
    """Return the steps of the grid, by the peaks of the autocorrelation."""
    correlation = _autocorrelation(weights)
    across = _peak(correlation)
    down = _peak(correlation.T)[::-1]
    return Basis(across, down)


def _autocorrelation(weights: Weights) -> Values:
    """Return how much of a mask falls onto itself, for each move by up to half the image.

    Whole numbers, [rows, columns], with no move in the middle.
    """
    shape = [2 * length for length in weights.shape]
    spectrum = np.fft.rfft2(weights, shape)
    products = np.fft.irfft2(np.abs(spectrum) ** 2, shape)
    return np.asarray(np.fft.fftshift(np.rint(products)), np.float64)


def _peak(correlation: Values) -> Points:
    """Return the move (x, y) near the x axis to the next spot: the shortest to a high peak.

    Moves to farther spots, and to those of the next row, have peaks, too, and may be as high where
    spots are missing.
    """
    from scipy.ndimage import maximum_filter

    middle_y, middle_x = (length // 2 for length in correlation.shape)
    right = correlation[:, middle_x:]
    y, x = np.ogrid[: right.shape[0], : right.shape[1]]
    is_near = (np.abs(y - middle_y) <= _STEEPEST * x) & (x > 2)
    is_high = right > _LEAST_PEAK * right[middle_y, 0]
    found = np.argwhere((maximum_filter(right, 5) == right) & is_near & is_high)
    heights = right[tuple(found.T)]
    high = found[heights > _AS_HIGH * heights.max(initial=0)]
    lengths = np.hypot(high[:, 1], high[:, 0] - middle_y)
    for row, column in high[np.argsort(lengths, kind="stable")].tolist():
        if _lowest_on_the_way(right, middle_y, row, column) < _VALLEY * right[row, column]:
            return np.array([column, row - middle_y], np.float64)
    raise NoLatticeError("nothing in it repeats itself in steps")


def _lowest_on_the_way(values: Values, start: int, row: int, column: int) -> float:
    """Return the least value on the way from (start, 0) to a peak."""
    columns = np.arange(column + 1)
    rows = start + np.rint((row - start) * columns / column).astype(np.intp)
    return float(values[rows, columns].min())


def find_spots(weights: Weights, step: float) -> tuple[Points, Values]:
    """Return the place of each spot, and the weight around it."""
    density = _window_sums(_window_sums(weights.astype(np.int64), step / 2), step / 2)
    spots = [_settled(weights, summit, step / 2) for summit in _summits(density, step)]
    places, masses = np.array([(x, y) for x, y, _ in spots]), np.array([m for _, _, m in spots])
    heavy = np.flatnonzero(masses >= _LIGHTEST * np.quantile(masses, 0.9))
    kept: list[int] = []
    for spot in heavy[np.argsort(-masses[heavy], kind="stable")].tolist():
        distances = np.hypot(*(places[kept] - places[spot]).T)
        if distances.min(initial=np.inf) > _CLOSEST * step:
            kept.append(spot)
    return places[sorted(kept)], masses[sorted(kept)]


def _window_sums(values: NDArray[np.int64], side: float) -> NDArray[np.int64]:
    """Return the sums over square windows around each pixel; beyond the edge there is nothing."""
    half = max(1, int(side) // 2)
    for _ in range(2):  # down the columns, then along the rows
        sums = np.pad(values, ((half + 1, half), (0, 0))).cumsum(axis=0)
        values = (sums[2 * half + 1 :] - sums[: len(values)]).T
    return values


def _summits(density: NDArray[np.int64], step: float) -> Iterator[tuple[float, float]]:
    """Yield the (x, y) of the local maxima, none within a third of a step of a higher one."""
    from scipy.ndimage import maximum_filter

    side = max(3, int(0.6 * step) // 2 * 2 + 1)
    least = _LIGHTEST / 4 * int(density.max())
    places = np.argwhere((maximum_filter(density, side) == density) & (density > least))
    if len(places) > MOST_SPOTS:
        raise NoLatticeError(f"it has more than {MOST_SPOTS:,} pieces")
    yield from ((column, row) for row, column in places.tolist())


def _settled(
    weights: Weights, summit: tuple[float, float], radius: float
) -> tuple[float, float, float]:
    """Return the (x, y) of the centre of the weight around a point, and that weight (mean shift).

    Where the window is a ring of spots around nothing, the weight is 0.
    """
    x, y = summit
    mass = 0.0
    for _ in range(_SHIFTS):
        top, left = max(0, int(y - radius)), max(0, int(x - radius))
        seen = weights[top : int(y + radius) + 2, left : int(x + radius) + 2].astype(np.float64)
        rows, columns = np.ogrid[: seen.shape[0], : seen.shape[1]]
        seen *= np.hypot(rows + top - y, columns + left - x) <= radius
        mass = float(seen.sum())
        if not mass:
            break
        x, y = float((seen * columns).sum() / mass + left), float((seen * rows).sum() / mass + top)
    return x, y, mass

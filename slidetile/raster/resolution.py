"""Which level of a slide gives a requested resolution, and how: pure numbers."""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from slidetile.choices import UnfitChoiceError
from slidetile.raster.averaging import Resampling

FINEST_MPP, COARSEST_MPP = 0.05, 200.0
"""The range of micrometres per pixel that slide scanners deliver."""

TOLERANCE = Fraction(2, 100)
"""A level is used unchanged where the requested mpp is this near to its own."""

_UNCHANGED = Fraction(1), Fraction(1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rescaling:
    """How level 0 of a slide at another resolution follows from the slide's own levels."""

    asked_mpp: float
    """The requested micrometres per pixel."""

    mpp: tuple[float, float]
    """The resulting micrometres per pixel, as (x, y): an unchanged level keeps its own."""

    level: int
    """The slide's level that becomes level 0 unchanged, or is averaged into it."""

    level_size: tuple[int, int]
    """(width, height) of that level."""

    factor: tuple[Fraction, Fraction]
    """Pixels of that level per pixel of level 0, as (x, y); both 1 where it is unchanged."""

    scale: tuple[float, float]
    """Level-0 pixels of the slide per pixel of level 0, as (x, y)."""

    @property
    def resampling(self) -> Resampling | None:
        """How that level is averaged, or None where it is unchanged."""
        if self.factor == _UNCHANGED:
            return None
        return Resampling(source_size=self.level_size, factor=self.factor)

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) of level 0."""
        resampling = self.resampling
        return self.level_size if resampling is None else resampling.size


def choose_rescaling(
    sizes: Sequence[tuple[int, int]], slide_mpp: tuple[float, float], mpp: float
) -> Rescaling:
    """Return how a slide is brought to ``mpp`` micrometres per pixel.

    The nearest level within 2 % on both axes is used unchanged. Otherwise the coarsest
    level that is finer on both axes is averaged. All is computed in fractions of the decimal
    numbers that stand for the mpps, so that 0.51 is within 2 % of 0.5 and 0.5 is twice 0.25.

    Parameters
    ----------
    sizes
        (width, height) of the slide's levels, finest first.
    slide_mpp
        Micrometres per level-0 pixel of the slide, as (x, y).
    mpp
        Requested micrometres per pixel, the same on both axes.

    Raises
    ------
    ValueError
        No level is as fine as that, or the next finer one is more than 256 times as fine.
    """
    factors = [_factors(size, sizes[0], slide_mpp, mpp) for size in sizes]
    level, is_near = choose_level(factors)
    if level is None:
        raise UnfitChoiceError(
            f"The slide has {slide_mpp[0]:.4g}×{slide_mpp[1]:.4g} µm per pixel: at {mpp:g} its "
            f"pixels would be made up. Ask for {max(slide_mpp):.4g} or more."
        )
    if is_near:
        scale = tuple(Fraction(*lengths) for lengths in zip(sizes[0], sizes[level], strict=True))
        return _rescaling(level, sizes[level], _UNCHANGED, (scale[0], scale[1]), slide_mpp, mpp)
    scale = tuple(as_written(mpp) / as_written(own) for own in slide_mpp)
    chosen = _rescaling(level, sizes[level], factors[level], (scale[0], scale[1]), slide_mpp, mpp)
    chosen.resampling  # noqa: B018  it refuses a factor that is too large
    return chosen


def choose_level(factors: Sequence[tuple[Fraction, Fraction]]) -> tuple[int | None, bool]:
    """Return the level for a resolution, and whether it is used unchanged.

    That is the nearest where it is within 2 % on both axes; else the coarsest that is finer on
    both, to be averaged; else None.

    Parameters
    ----------
    factors
        How many pixels of each level make one of the resolution, as (x, y), finest level first.
    """
    apart = [max(abs(factor - 1) for factor in pair) for pair in factors]
    nearest = min(range(len(factors)), key=lambda level: apart[level])
    if apart[nearest] <= TOLERANCE:
        return nearest, True
    finer = (level for level, pair in enumerate(factors) if min(pair) >= 1)
    return max(finer, default=None), False


def _rescaling(
    level: int,
    size: tuple[int, int],
    factor: tuple[Fraction, Fraction],
    scale: tuple[Fraction, Fraction],
    slide_mpp: tuple[float, float],
    mpp: float,
) -> Rescaling:
    return Rescaling(
        asked_mpp=mpp,
        mpp=(
            float(as_written(slide_mpp[0]) * scale[0]),
            float(as_written(slide_mpp[1]) * scale[1]),
        ),
        level=level,
        level_size=size,
        factor=factor,
        scale=(float(scale[0]), float(scale[1])),
    )


def _factors(
    size: tuple[int, int], whole: tuple[int, int], slide_mpp: tuple[float, float], mpp: float
) -> tuple[Fraction, Fraction]:
    """Return how many pixels of a level make one of the requested size, as (x, y)."""
    x, y = (
        as_written(mpp) / as_written(own) * Fraction(length, full)
        for own, length, full in zip(slide_mpp, size, whole, strict=True)
    )
    return x, y


def mean_downsample(downsample: tuple[float, float]) -> float:
    """Return the one number by which levels are compared and shown: the mean of both axes."""
    return (downsample[0] + downsample[1]) / 2


def as_written(number: float) -> Fraction:
    """Return the decimal number that a float is written as."""
    return Fraction(repr(float(number)))


def whole_factor(whole: tuple[int, int], size: tuple[int, int]) -> int | None:
    """Return the whole number that a level's size follows from, or None where there is none.

    Writers of pyramids divide both sides by one whole number and round: up, down, or to the
    nearest. So 421×300 over 105×75 is 4, though 421/105 is 4.0095. Where several numbers give the
    size, a power of two is taken, or else the one nearest to the ratio of the sides.

    Parameters
    ----------
    whole
        (width, height) of level 0.
    size
        (width, height) of the level.
    """
    # ⌊L / f⌋ = l is L / (l + 1) < f <= L / l; ⌈L / f⌉ = l is L / l <= f < L / (l - 1).
    first = max(length // (side + 1) + 1 for length, side in zip(whole, size, strict=True))
    last = min(
        -(-length // (side - 1)) - 1 if side > 1 else max(whole)
        for length, side in zip(whole, size, strict=True)
    )
    if first > last:
        return None
    power = 1 << (last.bit_length() - 1)
    if power >= first:
        return power
    ratio = mean_downsample((whole[0] / size[0], whole[1] / size[1]))
    return min(max(round(ratio), first), last)


def covered_size(whole: tuple[int, int], size: tuple[int, int]) -> tuple[int, int]:
    """Return the (width, height) that a level covers, in pixels of level 0.

    That is a whole multiple of its own size where `whole_factor` finds one: it may end up to one of
    its pixels before the end of level 0, or behind it. Otherwise it covers level 0.

    Parameters
    ----------
    whole
        (width, height) of level 0.
    size
        (width, height) of the level.
    """
    factor = whole_factor(whole, size)
    return whole if factor is None else (size[0] * factor, size[1] * factor)

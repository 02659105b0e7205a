"""Which values of micrometres per pixel are plausible."""

import logging
import math
from collections.abc import Iterable

from slidetile.cloud.address import Location
from slidetile.raster.resolution import COARSEST_MPP, FINEST_MPP

_log = logging.getLogger(__name__)

_COARSEST_OF_SCANNERS = 50.0


def check_mpp(mpp: float | tuple[float, float], name: str = "mpp") -> tuple[float, float]:
    """Return micrometres per pixel as (x, y); ``name`` is what the caller calls it.

    Raises
    ------
    ValueError
        A value lies outside 0.05–200 µm: finer than any microscope, coarser than any photograph
        of a slide.
    TypeError
        It is no number, nor two.
    """
    try:
        x, y = map(float, mpp if isinstance(mpp, Iterable) else (mpp, mpp))
    except (TypeError, ValueError):
        raise TypeError(
            f"{name} is a number, in µm per pixel, such as 0.5, but this one is {mpp!r}."
        ) from None
    if not (is_plausible_mpp(x) and is_plausible_mpp(y)):
        found = "×".join(dict.fromkeys((f"{x:g}", f"{y:g}")))
        hint = "Is it given in µm, not in mm or pixels per cm?"
        what = f"not a number ({found})." if math.isnan(x + y) else f"{found}. {hint}"
        raise ValueError(
            f"An mpp lies between {FINEST_MPP:g} and {COARSEST_MPP:g} µm per pixel, but this one "
            f"is {what}"
        )
    return x, y


def is_plausible_mpp(mpp: float) -> bool:
    """Return whether an image of a slide can have this many micrometres per pixel."""
    return FINEST_MPP <= mpp <= COARSEST_MPP


def _is_believed(mpp: float) -> bool:
    """Return whether a slide scanner could have delivered what a file says.

    300 dots per inch, which programs write that know nothing of micrometres, are 85 µm.
    """
    return FINEST_MPP <= mpp <= _COARSEST_OF_SCANNERS


_REMEDY = (
    "If you know the scanner's value, give it: --slide-mpp on the command line, slide_mpp of a "
    "recipe, mpp of open_slide."
)
_USUAL_UM = 10.0
"""Objective power times µm per pixel, of nearly all scanners: 40× has 0.25, 20× has 0.5."""

_USUAL_RATIO = 1.7
"""Scanners lie within this: 20× with 0.345, 40× with 0.17."""


def choose_mpp(
    given: float | tuple[float, float] | None,
    stored: tuple[float, float] | None,
    path: Location,
    *,
    objective_power: float | None = None,
    obstacle: str | None = None,
) -> tuple[float, float] | None:
    """Return the mpp to use, as (x, y), or None if it is unknown.

    Warns of a stored value that is impossible, and of one that the objective contradicts.

    Parameters
    ----------
    given
        What the user gives instead of the file's value.
    stored
        The file's value.
    path
        The file.
    objective_power
        The objective's nominal magnification, if the file states it.
    obstacle
        Why what the file says of its resolution cannot be understood.

    Raises
    ------
    ValueError
        The given value lies outside what a slide scanner delivers.
    """
    if given is not None:
        return check_mpp(given)
    if stored is None:
        if obstacle:
            _log.warning("The mpp of %s is unknown: %s. %s", path.name, obstacle, _REMEDY)
        return None
    if not all(map(_is_believed, stored)):
        _log.warning(
            "%s says it has %.4g×%.4g µm per pixel, outside the plausible 0.05–50: ignored. %s",
            *(path.name, *stored, _REMEDY),
        )
        return None
    _compare(stored, objective_power, path)
    return stored


def _compare(stored: tuple[float, float], power: float | None, path: Location) -> None:
    """Warn where the objective power and the mpp contradict each other."""
    mpp = (stored[0] + stored[1]) / 2
    if power is None or not power > 0:
        return
    usual = _USUAL_UM / power
    ratio = max(mpp / usual, usual / mpp)
    if ratio > _USUAL_RATIO and math.isfinite(ratio):
        _log.warning(
            "%s says it was scanned at %g× and has %.4g µm per pixel, but %g× usually has %.3g: "
            "they differ %.3g times, and the µm are used. %s",
            *(path.name, power, mpp, power, usual, ratio, _REMEDY),
        )

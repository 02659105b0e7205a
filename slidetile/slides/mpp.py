"""Which values of micrometres per pixel are plausible."""

import logging
from pathlib import Path

from slidetile.raster.resolution import COARSEST_MPP, FINEST_MPP

_log = logging.getLogger(__name__)


def check_mpp(mpp: float | tuple[float, float]) -> tuple[float, float]:
    """Return micrometres per pixel as (x, y).

    Raises
    ------
    ValueError
        A value lies outside 0.05–50 µm, which no slide scanner delivers.
    """
    x, y = (float(mpp), float(mpp)) if isinstance(mpp, int | float) else map(float, mpp)
    if not (is_plausible_mpp(x) and is_plausible_mpp(y)):
        raise ValueError(
            f"A slide's mpp lies between 0.05 and 50 µm per pixel, but this one is {x:g}×{y:g}. "
            "Is it given in µm, not in mm or pixels per cm?"
        )
    return x, y


def is_plausible_mpp(mpp: float) -> bool:
    """Return whether a slide scanner could have delivered this many micrometres per pixel."""
    return FINEST_MPP <= mpp <= COARSEST_MPP


def choose_mpp(
    given: float | tuple[float, float] | None,
    stored: tuple[float, float] | None,
    path: Path,
) -> tuple[float, float] | None:
    """Return the mpp to use, as (x, y), or None if it is unknown.

    Raises
    ------
    ValueError
        The given value lies outside what a slide scanner delivers.
    """
    if given is not None:
        return check_mpp(given)
    if stored is None or all(map(is_plausible_mpp, stored)):
        return stored
    _log.warning(
        "%s says it has %.4g×%.4g µm per pixel, outside the plausible 0.05–50: ignored. "
        "If you know the scanner's value, give mpp=….",
        path.name,
        *stored,
    )
    return None

"""Which micrometres per pixel to believe: the caller's, or the file's where it is plausible."""

import logging
from pathlib import Path

from slidetile.slide import check_mpp, is_plausible_mpp

_log = logging.getLogger(__name__)


def choose_mpp(
    given: float | tuple[float, float] | None,
    stored: tuple[float, float] | None,
    path: Path,
) -> tuple[float, float] | None:
    """Return the mpp to use, as (x, y), or None where none is known.

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

"""What magnification a resolution is called by, in programs that count in magnifications."""

from slidetile.errors import MissingResolutionError

_NOMINAL = ((0.16, 80), (0.2, 60), (0.3, 40), (0.6, 20), (1.2, 10), (2.4, 5))
"""Below each mpp, the magnification that TRIDENT takes a slide for."""

_WHOLE = 1e-6
"""Part of a magnification by which it may differ from the whole number that it is written as."""


def level_0_magnification(
    mpp: tuple[float, float] | None, objective_power: float | None, given: float | None
) -> float:
    """Return the magnification that a slide's level 0 is taken for.

    Parameters
    ----------
    mpp
        Micrometres per level-0 pixel, as (x, y), or None where unknown.
    objective_power
        What the scanner states; used only where there is no mpp.
    given
        What somebody says it is, which counts more than both.

    Raises
    ------
    MissingResolutionError
        Nothing of this is known.
    """
    if given is not None:
        return whole(given)
    if mpp is not None:
        names = [number for limit, number in _NOMINAL if mpp[0] < limit]
        return names[0] if names else whole(10 / mpp[0])
    if objective_power:
        return whole(objective_power)
    raise MissingResolutionError(
        "The store knows neither how many µm the slide's pixels have nor its objective's power, so "
        "there is no magnification to write: say what level 0 has (--magnification), or tile the "
        "slide again and say what its mpp is (--slide-mpp)."
    )


def whole(magnification: float) -> float:
    """Return a magnification as an integer where it is one."""
    nearest = round(magnification)
    return nearest if abs(magnification - nearest) <= _WHOLE * magnification else magnification

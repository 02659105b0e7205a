"""Units of length as OME-Zarr spells them, in micrometres."""

from fractions import Fraction

_PREFIXES = {
    "yocto": -24,
    "zepto": -21,
    "atto": -18,
    "femto": -15,
    "pico": -12,
    "nano": -9,
    "micro": -6,
    "milli": -3,
    "centi": -2,
    "deci": -1,
    "": 0,
    "hecto": 2,
    "kilo": 3,
    "mega": 6,
    "giga": 9,
    "tera": 12,
    "peta": 15,
    "exa": 18,
    "zetta": 21,
    "yotta": 24,
}
"""SI's, as powers of ten."""

_OTHERS = {
    "angstrom": Fraction(1, 10_000),
    "inch": Fraction(25_400),
    "foot": Fraction(304_800),
    "yard": Fraction(914_400),
    "mile": Fraction(1_609_344_000),
    **dict.fromkeys(("µm", "μm", "um", "micron"), Fraction(1)),
    "nm": Fraction(1, 1000),
    "mm": Fraction(1000),
    "cm": Fraction(10_000),
    "m": Fraction(1_000_000),
}
"""The other units of the specification, and symbols that writers use in their place."""


def micrometres(unit: str) -> Fraction | None:
    """Return how many micrometres a unit of length has; None where it is unknown."""
    if unit in _OTHERS:
        return _OTHERS[unit]
    for spelling in ("meter", "metre"):
        power = _PREFIXES.get(unit.removesuffix(spelling)) if unit.endswith(spelling) else None
        if power is not None:
            return Fraction(10) ** (power + 6)
    return None

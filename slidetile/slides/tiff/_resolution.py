"""Micrometres per pixel by a TIFF's resolution tags, and by the unit that ImageJ gives them."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from tifffile import TiffPage

X_RESOLUTION, Y_RESOLUTION, RESOLUTION_UNIT = 282, 283, 296
UNIT_NAMES = {2: "inch", 3: "cm"}
_UM_PER_UNIT = {
    **dict.fromkeys(("µm", "μm", "um", "micron", "microns", "micrometer", "micrometre"), 1.0),
    **dict.fromkeys(("nm", "nanometer"), 1e-3),
    **dict.fromkeys(("mm", "millimeter"), 1e3),
    **dict.fromkeys(("cm", "centimeter"), 1e4),
    **dict.fromkeys(("m", "meter"), 1e6),
    **dict.fromkeys(("in", "inch", "inches"), 25_400.0),
}
_UNCALIBRATED = 1.0, 1.0
"""What writers put where they know no resolution."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StatedMpp:
    """What a file says of its micrometres per pixel."""

    mpp: tuple[float, float] | None = None
    """As (x, y); None where it says nothing, or nothing that can be understood."""

    obstacle: str | None = None
    """Why what it says cannot be understood."""


def read_resolution(page: TiffPage) -> StatedMpp:
    """Return the micrometres per pixel by a page's tags.

    ImageJ writes the unit into its description, and none into the tag.
    """
    per_unit = [_ratio(page.tags.valueof(tag)) for tag in (X_RESOLUTION, Y_RESOLUTION)]
    unit = page.tags.valueof(RESOLUTION_UNIT, 2)
    name = _imagej_unit(page.description) or (
        UNIT_NAMES.get(int(unit), "") if isinstance(unit, int) else ""
    )
    return mpp_of(per_unit, name)


def mpp_of(per_unit: Sequence[float | None], name: str) -> StatedMpp:
    """Return the micrometres per pixel of so many pixels per unit, as (x, y).

    Parameters
    ----------
    per_unit
        What the tags say; None where they say nothing, 0 where it is no number.
    name
        The unit's name; empty where it is unknown.
    """
    if list(per_unit) == [None, None]:
        return StatedMpp()
    if not name or tuple(per_unit) == _UNCALIBRATED:
        return StatedMpp()
    micrometres = _UM_PER_UNIT.get(name)
    if micrometres is None:
        return StatedMpp(obstacle=f"its resolution is given in “{name:.40}”, not in a length")
    mpp = [micrometres / each if each else 0.0 for each in per_unit]
    if 0.0 in mpp or not all(map(math.isfinite, mpp)):
        stated = " × ".join("nothing" if each is None else f"{each:g}" for each in per_unit)
        return StatedMpp(
            obstacle=f"its resolution is stated as {stated} pixels per {name}, which is none"
        )
    return StatedMpp(mpp=(mpp[0], mpp[1]))


def _ratio(value: object) -> float | None:
    """Return a rational number of a tag; None where the tag is missing or holds no number."""
    if not isinstance(value, tuple) or len(value) != 2:
        return None
    numerator, denominator = value
    return float(numerator) / float(denominator) if denominator else 0.0


def _imagej_unit(text: str) -> str | None:
    r"""Return the unit in an ImageJ description, which may write the micro sign as ``\u00B5``."""
    if not text.startswith("ImageJ="):
        return None
    fields = dict(line.partition("=")[::2] for line in text[:65_536].splitlines())
    unit = fields.get("unit", "").strip().lower()
    return unit.replace("\\u00b5", "µ").replace("\\u03bc", "µ") or None

"""What a maker's description in a TIFF says in fields, whatever its first word.

Aperio writes them between bars (``…|AppMag = 20|MPP = 0.4990``), and Motic, Mikroscan, Grundium and
exporters do as Aperio does; Huron writes one a line (``Resolution = 0.40 um``). Argos and
PerkinElmer write XML. Does not know OME-XML.
"""

import math
import re
from dataclasses import dataclass

from tifffile import TiffPage

from slidetile.slides.tiff._planes import argos_text

_MAKE = 271
_MOST_NUMBER_CHARACTERS = 64

_LIKE_APERIO = "aperio", "motic", "mikroscan"
"""First words of descriptions with fields between bars."""

_MPP_FIELDS = ("mpp", "micronsperpixel", "pixelsizeum")
_POWER_FIELDS = ("appmag", "objectivepower", "objectivemagnification", "magnification")
_UM_PER_UNIT = {"um": 1.0, "µm": 1.0, "μm": 1.0, "nm": 1e-3, "mm": 1e3}


@dataclass(frozen=True, slots=True, kw_only=True)
class Described:
    """What a maker's description says."""

    vendor: str | None = None
    """The maker, lower case, if it is known."""

    mpp: float | None = None
    """Micrometres per pixel of the finest level."""

    objective_power: float | None = None
    """The objective's nominal magnification."""

    has_tiled_levels: bool = False
    """Whether every tiled image is a level, since its maker marks none and tiles nothing else."""


def read_fields(page: TiffPage, text: str) -> Described:
    """Return what the description of a page says.

    Parameters
    ----------
    page
        The page of the finest level.
    text
        The description: its own, or the first page's.
    """
    if argos := argos_text(page):
        power = re.search(r"<ObjectiveMagnification>([^<]{1,64})<", argos)
        found = positive(power[1]) if power else None
        return Described(vendor="argos", objective_power=found, has_tiled_levels=True)
    if is_perkinelmer(text):
        objective = re.search(r"<Objective>\s*([0-9.]{1,8})\s*[xX]\s*<", text)
        found = positive(objective[1]) if objective else None
        return Described(vendor="perkinelmer", objective_power=found)
    if text.startswith(("<", "{")):
        return Described()
    if (word := text[:64].split(" ", maxsplit=1)[0].lower()) in _LIKE_APERIO:
        return _described(word, text.split("|")[1:])
    if _is_huron(page, text):
        return _described("huron", text.splitlines())
    has_bars = re.search(r"\|\s*MPP\s*=", text) is not None
    return _described(None, text.split("|")[1:]) if has_bars else Described()


def is_perkinelmer(text: str) -> bool:
    """Return whether a description is PerkinElmer's, of one image of a QPTIFF."""
    return "<PerkinElmer-QPI-ImageDescription" in text[:256]


def image_type(text: str) -> str:
    """Return what PerkinElmer's description calls its image, such as "Thumbnail"."""
    found = re.search(r"<ImageType>\s*(\w{1,64})\s*</ImageType>", text)
    return found[1] if found and is_perkinelmer(text) else ""


def positive(text: str | None) -> float | None:
    """Return a number above zero; some scanners write a decimal comma."""
    try:
        number = float((text or "")[:_MOST_NUMBER_CHARACTERS].strip().replace(",", "."))
    except ValueError:
        return None
    return number if math.isfinite(number) and number > 0 else None


def _is_huron(page: TiffPage, text: str) -> bool:
    make = page.tags.valueof(_MAKE) if _MAKE in page.tags else None
    says = isinstance(make, str) and make.startswith("Huron")
    return says or ("Image Dimensions =" in text and "Resolution =" in text)


def _described(vendor: str | None, parts: list[str]) -> Described:
    """Return what fields of the form ``name = value`` say; who writes them tiles levels alone."""
    pairs = (part.partition("=") for part in parts)
    fields = {_plain(name): value for name, equals, value in pairs if equals}
    mpp = next((positive(fields[name]) for name in _MPP_FIELDS if name in fields), None)
    power = next((positive(fields[name]) for name in _POWER_FIELDS if name in fields), None)
    return Described(
        vendor=vendor,
        mpp=_length_um(fields.get("resolution")) if mpp is None else mpp,
        objective_power=power,
        has_tiled_levels=True,
    )


def _plain(name: str) -> str:
    return "".join(name.split()).lower()


def _length_um(text: str | None) -> float | None:
    """Return a length with its unit, such as "0.40 um", in µm."""
    number, _, unit = (text or "").strip()[:_MOST_NUMBER_CHARACTERS].partition(" ")
    length, um = positive(number), _UM_PER_UNIT.get(unit.strip())
    return None if length is None or um is None else length * um

"""What the XML of a CZI says of the slide: its resolution and its objective, and nothing else.

It is megabytes long and names people, barcodes and comments, so that only the texts that are asked
for are kept.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from xml.parsers import expat

_ROOT = ("ImageDocument", "Metadata")
_SCALING = (*_ROOT, "Scaling", "Items", "Distance", "Value")
_USED = (*_ROOT, "Information", "Image", "ObjectiveSettings", "ObjectiveRef")
_POWER = (
    *(*_ROOT, "Information", "Instrument", "Objectives"),
    *("Objective", "NominalMagnification"),
)
_DEEPEST = 64
_MOST_CHARACTERS = 64
_MOST_TEXTS = 1000
_UM = 1e6
"""Micrometres in a metre."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Described:
    """What a file says of its slide."""

    mpp: tuple[float, float] | None = None
    """Micrometres per pixel as (x, y)."""

    objective_power: float | None = None
    """The objective's nominal magnification."""

    obstacle: str | None = None
    """Why what it says cannot be understood."""


class _DoctypeError(ValueError):
    """The XML has a document type, which may define entities that grow without end."""


class _Texts:
    """The texts of some elements, each by its path and its own identifier or its parent's."""

    def __init__(self) -> None:
        self.found: dict[tuple[tuple[str, ...], str], str] = {}
        self._path: list[str] = []
        self._identifiers: list[str] = []
        self._depth = 0

    def start(self, name: str, attributes: dict[str, str]) -> None:
        self._depth += 1
        if self._depth > _DEEPEST:
            raise ValueError("its elements are nested too deep")
        self._path.append(name)
        self._identifiers.append(attributes.get("Id", "")[:_MOST_CHARACTERS])
        if tuple(self._path) == _USED:
            self.found[_USED, ""] = self._identifiers[-1]

    def text(self, text: str) -> None:
        path = tuple(self._path)
        if path in (_SCALING, _POWER) and len(self.found) < _MOST_TEXTS:
            key = path, self._identifiers[-2]
            self.found[key] = (self.found.get(key, "") + text)[:_MOST_CHARACTERS]

    def end(self, _name: str) -> None:
        self._depth -= 1
        self._path.pop()
        self._identifiers.pop()

    @staticmethod
    def refuse(*_: object) -> None:
        raise _DoctypeError("it has a document type")


def read_metadata(xml: bytes) -> Described:
    """Return what the XML says; an obstacle where it cannot be read.

    Parameters
    ----------
    xml
        The metadata of the file; empty where there are none.
    """
    texts = _Texts()
    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.StartElementHandler = texts.start
    parser.EndElementHandler = texts.end
    parser.CharacterDataHandler = texts.text
    parser.StartDoctypeDeclHandler = texts.refuse
    try:
        parser.Parse(xml.rstrip(b"\0 \r\n\t"), True)
    except (expat.ExpatError, ValueError):
        return Described(obstacle="its metadata cannot be read")
    number = _numbers(texts)
    x, y = number(_SCALING, "X"), number(_SCALING, "Y")
    return Described(
        mpp=None if x is None or y is None else (x * _UM, y * _UM),
        objective_power=number(_POWER, texts.found.get((_USED, ""), "")),
    )


def _numbers(texts: _Texts) -> Callable[[tuple[str, ...], str], float | None]:
    """Return what finds the positive number in a text; None where there is none."""

    def number(path: tuple[str, ...], identifier: str) -> float | None:
        try:
            value = float(texts.found.get((path, identifier), ""))
        except ValueError:
            return None
        return value if math.isfinite(value) and value > 0 else None

    return number

"""Where frames lie, on the image and on the slide, as the bytes of their functional groups.

The sequence of all frames is written by hand: pydicom would take a millisecond and kilobytes for
each, and a slide has a million. Every item has the same length. Knows integers and millimetres.
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass

PER_FRAME = 0x5200, 0x9230

_WIDE = 16
"""Characters of a decimal string."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Geometry:
    """How a level lies on the slide.

    Its rows run against the slide's y axis and its columns against the x axis, so that all of it
    has positive coordinates: where on the glass it really was, a store does not know.
    """

    frame: tuple[int, int]
    """(width, height) of a frame, in pixels."""

    spacing_mm: tuple[float, float]
    """(x, y) distance of the centres of neighbouring pixels."""

    origin_mm: tuple[float, float]
    """(x, y) of the centre of the first pixel, on the slide."""

    def place_mm(self, column: int, row: int) -> tuple[float, float]:
        """Return the (x, y) on the slide of the centre of a frame's first pixel."""
        (width, height), (across, down) = self.frame, self.spacing_mm
        x, y = self.origin_mm
        return x - row * height * down, y - column * width * across


def decimal(value: float) -> str:
    """Return a number as a decimal string of at most 16 characters."""
    for digits in range(10, 0, -1):
        text = f"{value:.{digits}f}"
        if len(text) <= _WIDE:
            return text
    return f"{value:.8e}"


def per_frame(geometry: Geometry, cells: Sequence[tuple[int, int]]) -> bytes:
    """Return the per-frame functional groups of frames, in their order."""
    items = b"".join(_item(geometry, column, row) for column, row in cells)
    return _sequence(*PER_FRAME, items)


def _item(geometry: Geometry, column: int, row: int) -> bytes:
    """Return the place of a frame: which of the dimensions' values, which pixel, where in mm."""
    index = _element(0x0020, 0x9157, b"UL", struct.pack("<II", column + 1, row + 1))
    content = _sequence(0x0020, 0x9111, _nested(index))
    x, y = geometry.place_mm(column, row)
    width, height = geometry.frame
    plane = b"".join(
        (
            _element(0x0040, 0x072A, b"DS", _text(x)),
            _element(0x0040, 0x073A, b"DS", _text(y)),
            _element(0x0040, 0x074A, b"DS", _text(0.0)),
            _element(0x0048, 0x021E, b"SL", struct.pack("<i", column * width + 1)),
            _element(0x0048, 0x021F, b"SL", struct.pack("<i", row * height + 1)),
        )
    )
    return _nested(content + _sequence(0x0048, 0x021A, _nested(plane)))


def _text(value: float) -> bytes:
    return decimal(value).ljust(_WIDE).encode()


def _element(group: int, element: int, vr: bytes, value: bytes) -> bytes:
    return struct.pack("<HH2sH", group, element, vr, len(value)) + value


def _nested(data: bytes) -> bytes:
    return struct.pack("<HHI", 0xFFFE, 0xE000, len(data)) + data


def _sequence(group: int, element: int, items: bytes) -> bytes:
    return struct.pack("<HH2sHI", group, element, b"SQ", 0, len(items)) + items

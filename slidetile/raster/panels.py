"""Pictures side by side, each below its title and above its legend.

Knows pixels, colours and short texts. Does not know what they show.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, Self, cast

import numpy as np
from numpy.typing import NDArray

from slidetile.raster.drawing import Colour

if TYPE_CHECKING:
    from PIL import Image, ImageDraw, ImageFont

_LEAST_WIDTH_PX = 320
"""A panel is at least so wide, for its texts."""

_SMALLEST_FONT_PX, _LARGEST_FONT_PX, _FONTS_ACROSS = 16, 40, 60
"""Texts are a 60th of a panel's width high, so that they are read wherever the picture fits."""

_WHITE, _BLACK, _GREY = (255, 255, 255), (0, 0, 0), (190, 190, 190)

_SAME: Colour = (-1, -1, -1)
"""Stands for the colour of the line above."""

_Line = tuple[Colour | None, str]
"""A text and its colour, which is drawn before it; None for a text of no colour."""

_PLAIN = str.maketrans({"µ": "u", "²": "2", "×": "x", "–": "-", "…": "..."})
"""The font that is always there has no such signs."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Panel:
    """One picture with its texts."""

    picture: NDArray[np.uint8]
    """uint8 [row, column, 3]."""

    title: Sequence[str]
    """Lines above the picture."""

    legend: Sequence[tuple[Colour, str]]
    """What each colour in the picture means."""

    @property
    def width_px(self) -> int:
        """How wide the panel is, at least as its picture."""
        return max(_LEAST_WIDTH_PX, int(self.picture.shape[1]))


def side_by_side(panels: Sequence[Panel], *, columns: int) -> NDArray[np.uint8]:
    """Draw panels in rows of so many, the pictures of a row at the same height.

    Returns
    -------
    uint8 array [row, column, 3]
    """
    letters = _Letters.of(max(panel.width_px for panel in panels))
    rows = [panels[start : start + columns] for start in range(0, len(panels), columns)]
    drawn = [_row(row, letters) for row in rows]
    width = max(row.shape[1] for row in drawn)
    wide = [
        np.pad(row, ((0, 0), (0, width - row.shape[1]), (0, 0)), constant_values=255)
        for row in drawn
    ]
    return np.concatenate(wide)


class _Letters(NamedTuple):
    """How texts are set."""

    font: "ImageFont.FreeTypeFont"

    size_px: int

    @classmethod
    def of(cls, width_px: int) -> Self:
        """Return letters for panels of a width."""
        from PIL import ImageFont

        size = min(max(width_px // _FONTS_ACROSS, _SMALLEST_FONT_PX), _LARGEST_FONT_PX)
        return cls(cast("ImageFont.FreeTypeFont", ImageFont.load_default(size=size)), size)

    @property
    def line_px(self) -> int:
        """From one line to the next."""
        return round(1.4 * self.size_px)

    def wrapped(self, texts: Sequence[str], width_px: int) -> list[str]:
        """Return lines that fit a width, broken at spaces; a word that is too long is cut."""
        lines = []
        for text in texts:
            line = ""
            for word in text.translate(_PLAIN).encode("ascii", "replace").decode().split():
                longer = f"{line} {word}".strip()
                if line and self.font.getlength(longer) > width_px:
                    lines.append(line)
                    longer = word
                line = self._cut(longer, width_px)
            lines.append(line)
        return lines

    def _cut(self, text: str, width_px: int) -> str:
        while len(text) > len("...") and self.font.getlength(text) > width_px:
            text = f"{text[: -len('...') - 1]}..."
        return text


def _row(panels: Sequence[Panel], letters: _Letters) -> NDArray[np.uint8]:
    from PIL import Image, ImageDraw

    space = letters.size_px
    titles = [letters.wrapped(panel.title, panel.width_px) for panel in panels]
    legends = [_legend_lines(panel, letters) for panel in panels]
    above = space + letters.line_px * max(map(len, titles))
    below = space + letters.line_px * max(map(len, legends))
    height = max(panel.picture.shape[0] for panel in panels)
    width = sum(panel.width_px + space for panel in panels) + space
    sheet = Image.new("RGB", (width, above + height + below + space), _WHITE)
    pen = ImageDraw.Draw(sheet)
    left = space
    for panel, title, legend in zip(panels, titles, legends, strict=True):
        lines = [(None, line) for line in title]
        _write(pen, lines, (left, space // 2), letters)
        _paste(sheet, pen, panel, (left, above))
        _write(pen, legend, (left, above + height + space), letters)
        left += panel.width_px + space
    return np.asarray(sheet)


def _paste(
    sheet: "Image.Image", pen: "ImageDraw.ImageDraw", panel: Panel, corner: tuple[int, int]
) -> None:
    """Draw a picture in a frame: glass is as white as the sheet."""
    from PIL import Image

    height, width = panel.picture.shape[:2]
    sheet.paste(Image.fromarray(panel.picture), corner)
    pen.rectangle(
        (corner[0] - 1, corner[1] - 1, corner[0] + width, corner[1] + height), outline=_GREY
    )


def _write(
    pen: "ImageDraw.ImageDraw",
    lines: Sequence[_Line],
    corner: tuple[int, int],
    letters: _Letters,
) -> None:
    left, top = corner
    for colour, text in lines:
        indented = left if colour is None else left + 2 * letters.size_px
        if colour is not None and colour is not _SAME:
            box = (left, top + 1, left + letters.size_px, top + 1 + letters.size_px)
            pen.rectangle(box, fill=colour)
        pen.text((indented, top), text, _BLACK, letters.font)
        top += letters.line_px


def _legend_lines(panel: Panel, letters: _Letters) -> list[_Line]:
    """Return the lines of a legend; those that go on have no colour of their own."""
    lines: list[_Line] = []
    for colour, text in panel.legend:
        first, *more = letters.wrapped([text], panel.width_px - 2 * letters.size_px)
        lines += [(colour, first), *((_SAME, line) for line in more)]
    return lines

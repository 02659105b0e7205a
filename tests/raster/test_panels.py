"""Panels: pictures whole and side by side, and all of their texts within their width."""

import numpy as np
import pytest

from slidetile.raster.panels import Panel, side_by_side

RED, BLUE = (200, 0, 0), (0, 0, 200)


def panel(colour, *, size=(50, 400), title=("one",), legend=()):
    picture = np.zeros((*size, 3), np.uint8)
    picture[:] = colour
    return Panel(picture=picture, title=title, legend=legend)


def boxes(sheet, colour):
    """Return the rows and columns between which a colour is."""
    rows, columns = np.nonzero((sheet == colour).all(axis=2))
    return rows.min(), rows.max() + 1, columns.min(), columns.max() + 1


def test_pictures_stand_side_by_side_then_below_each_other():
    panels = [panel(RED), panel(BLUE), panel((9, 9, 9))]
    sheet = side_by_side(panels, columns=2)
    top, bottom, left, right = boxes(sheet, RED)
    assert (bottom - top, right - left) == (50, 400)
    assert boxes(sheet, BLUE)[:2] == (top, bottom)
    assert boxes(sheet, BLUE)[2] > right
    below = boxes(sheet, (9, 9, 9))
    assert below[0] > bottom
    assert below[2] == left
    for colour in (RED, BLUE, (9, 9, 9)):
        assert (sheet == colour).all(axis=2).sum() == 50 * 400


def test_a_legend_shows_its_colours():
    sheet = side_by_side([panel(RED, legend=[(BLUE, "too small: 2")])], columns=1)
    top, bottom, _, _ = boxes(sheet, BLUE)
    assert top > boxes(sheet, RED)[1]
    assert bottom - top == 17


@pytest.mark.parametrize("text", ["word " * 60, "w" * 300, "µm² × – 日\x1b[31m\n", "", "ünï " * 40])
def test_texts_stay_within_their_panel(text):
    """What is right of the first panel is white, whatever is written in it."""
    first = panel(RED, title=(text, text), legend=[(RED, text)])
    width = side_by_side([first], columns=1).shape[1]
    sheet = side_by_side([first, panel(BLUE, title=("",))], columns=2)
    assert (sheet[:, width - 14 : width - 2] == 255).all()


def test_a_narrow_picture_has_room_for_its_texts():
    sheet = side_by_side([panel(RED, size=(50, 3), title=("a" * 20,))], columns=1)
    assert sheet.shape[1] >= 320

"""Drawing: pictures of slides, masks and grids, and HTML that shows them in a notebook."""

import base64
import html
import io
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from slidetile.raster.region import Region

Colour = tuple[int, int, int]
"""Red, green and blue, 0–255."""

OUTLINE_COLOUR: Colour = (0, 160, 70)
GRID_COLOUR: Colour = (30, 90, 255)
NOTEBOOK_SIDE_PX = 480
LARGEST_SIDE_PX = 2000
LARGEST_ENLARGEMENT = 8.0
TINT = 0.4
"""How much of a mask's colour is mixed with what lies under it."""


def draw(
    image: NDArray[np.uint8],
    *,
    mask: NDArray[np.bool_] | None = None,
    others: Sequence[tuple[NDArray[np.bool_], Colour]] = (),
    cells: Sequence[Region] = (),
    outlines: Sequence[tuple[NDArray[np.bool_], Colour]] = (),
    downsample: tuple[float, float] = (1.0, 1.0),
    longest_side_px: int = LARGEST_SIDE_PX,
) -> NDArray[np.uint8]:
    """Draw the outline of a mask and the edges of cells over an image.

    Parameters
    ----------
    image
        uint8 [row, column, channel], 1 or 3 channels.
    mask
        bool [row, column] of the image's height and width; its outline is drawn in green.
    others
        Further masks, each with the colour it is filled and outlined in; of small ones, too, some
        pixels show.
    cells
        Rectangles, drawn in blue.
    outlines
        Further masks, of which the outline alone is drawn, each in its colour.
    downsample
        Pixels of the cells' coordinates per pixel of the image, as (x, y).
    longest_side_px
        The image is scaled to this before anything is drawn, so that lines stay visible; up by
        no more than 8.

    Returns
    -------
    uint8 array [row, column, 3]
    """
    from PIL import Image, ImageDraw

    rgb = np.repeat(image, 3, axis=2) if image.shape[2] == 1 else image
    picture = Image.fromarray(np.ascontiguousarray(rgb))
    scale = min(LARGEST_ENLARGEMENT, longest_side_px / max(picture.size))
    size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
    if size != picture.size:
        smooth = Image.Resampling.BOX if scale < 1 else Image.Resampling.BICUBIC
        picture = picture.resize(size, smooth)
    canvas = np.array(picture)
    for other, colour in others:
        _fill(canvas, _fit_any(other, size), colour)
    lines = [*outlines, *([] if mask is None else [(mask, OUTLINE_COLOUR)])]
    for outlined, colour in lines:
        canvas[_outline(_fit(outlined, size))] = colour
    picture = Image.fromarray(canvas)
    pen = ImageDraw.Draw(picture)
    for cell in cells:
        drawn = cell.rescaled(downsample, (scale, scale), rounding="nearest")
        x, y = min(drawn.x, size[0] - 1), min(drawn.y, size[1] - 1)
        pen.rectangle((x, y, drawn.right - 1, drawn.bottom - 1), outline=GRID_COLOUR)
    return np.asarray(picture)


def png(image: NDArray[np.uint8]) -> bytes:
    """Return an image as a PNG file."""
    from PIL import Image

    sink = io.BytesIO()
    Image.fromarray(image).save(sink, "png")
    return sink.getvalue()


def card(title: str, facts: Mapping[str, Any], picture: NDArray[np.uint8] | None) -> str:
    """Return HTML that shows a picture beside its key facts, everything escaped.

    Parameters
    ----------
    title
        The heading.
    facts
        The facts to show, by name.
    picture
        uint8 [row, column, 3], or None where there is none to show.
    """
    rows = "".join(
        f"<tr><th style='text-align:left'>{html.escape(name)}</th>"
        f"<td style='text-align:left'>{html.escape(str(value))}</td></tr>"
        for name, value in facts.items()
    )
    shown = "" if picture is None else _inline(picture)
    return (
        f"<div><strong>{html.escape(title)}</strong>"
        f"<div style='display:flex;gap:1em;align-items:flex-start'>{shown}"
        f"<table>{rows}</table></div></div>"
    )


def _inline(picture: NDArray[np.uint8]) -> str:
    data = base64.b64encode(png(picture)).decode()
    return f"<img src='data:image/png;base64,{data}' alt='preview'/>"


def _fill(canvas: NDArray[np.uint8], mask: NDArray[np.bool_], colour: Colour) -> None:
    """Tint what is in a mask, and draw its outline."""
    pixels = canvas[mask].astype(np.float32)
    canvas[mask] = np.rint(pixels * (1 - TINT) + np.array(colour) * TINT).astype(np.uint8)
    canvas[_outline(mask)] = colour


def _fit_any(mask: NDArray[np.bool_], size: tuple[int, int]) -> NDArray[np.bool_]:
    """Scale a mask so that what is smaller than a pixel stays one."""
    from PIL import Image

    if mask.shape == (size[1], size[0]):
        return mask
    share = Image.fromarray(mask.astype(np.float32)).resize(size, Image.Resampling.BOX)
    return np.asarray(np.asarray(share) > 0)


def _fit(mask: NDArray[np.bool_], size: tuple[int, int]) -> NDArray[np.bool_]:
    from PIL import Image

    if mask.shape == (size[1], size[0]):
        return mask
    return np.asarray(Image.fromarray(mask).resize(size, Image.Resampling.NEAREST))


def _outline(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the pixels of a mask that touch its outside, a pixel wide on either side."""
    edge = np.zeros_like(mask)
    across, down = mask[:, 1:] != mask[:, :-1], mask[1:] != mask[:-1]
    edge[:, 1:] |= across
    edge[:, :-1] |= across
    edge[1:] |= down
    edge[:-1] |= down
    return edge

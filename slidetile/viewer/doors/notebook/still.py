"""A still picture of a view, of bounded size: what a saved notebook shows without a kernel.

Knows views and scenes. Does not know notebooks.
"""

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from slidetile.viewer.pictures.rungs import DamagedTileError
from slidetile.viewer.scene.scene import Scene, Tiles
from slidetile.viewer.views.level_tiles import level_tiles
from slidetile.viewer.views.view import View

if TYPE_CHECKING:
    from PIL.Image import Image

LONGEST_PX = 800
"""A still's longer side is at most this, unless the picture's coarsest level is larger."""

MOST_BYTES = 150_000
"""How large the file of a still may be."""

SMALLEST_CELL_PX = 6.0
"""Tiles that would be smaller are not drawn."""

_OUTLINE, _CELL = (0, 160, 70), (30, 90, 255)

_RAMP = np.array(
    [
        *([68, 1, 84], [71, 44, 122], [59, 81, 139], [44, 113, 142], [33, 144, 141]),
        *([39, 173, 129], [92, 200, 99], [170, 220, 50], [253, 231, 37]),
    ]
)
"""Viridis by nine of its colours, as the page has it."""

_OPACITY = 150
"""Of 255: the tissue shows through."""


def still(view: View, scene: Scene) -> bytes:
    """Return a view as a JPEG file: the whole slide, the tissue's outline and the tiles.

    Tiles are coloured as the page colours them at first.

    Parameters
    ----------
    view
        What is shown.
    scene
        Its scene.

    Raises
    ------
    SlidetileError
        Its picture cannot be read.
    """
    picture = _whole(view, scene)
    _draw(picture, scene)
    for quality in (85, 70, 50, 30, 10):
        sink = io.BytesIO()
        picture.save(sink, "jpeg", quality=quality)
        if sink.tell() <= MOST_BYTES:
            break
    return sink.getvalue()


def _whole(view: View, scene: Scene) -> "Image":
    """Return the finest level that is small enough, as one picture."""
    from PIL import Image

    fit = [
        number
        for number, level in enumerate(scene.levels)
        if max(level.width, level.height) <= LONGEST_PX
    ]
    number = fit[0] if fit else len(scene.levels) - 1
    level = scene.levels[number]
    whole = Image.new("RGB", (level.width, level.height), "white")
    for column, row, tile in level_tiles(view, number, level):
        if not isinstance(tile, DamagedTileError):
            with Image.open(io.BytesIO(tile.data)) as part:
                whole.paste(part, (column * level.tile_width, row * level.tile_height))
    return whole


def _draw(picture: "Image", scene: Scene) -> None:
    from PIL import ImageDraw

    pen = ImageDraw.Draw(picture, "RGBA")
    scale = picture.width / scene.size[0], picture.height / scene.size[1]
    tiles = scene.overlay.tiles
    if tiles is not None and tiles.grid.size * min(scale) >= SMALLEST_CELL_PX:
        places = zip(tiles.columns.tolist(), tiles.rows.tolist(), _colours(tiles), strict=True)
        for column, row, colour in places:
            cell = tiles.grid.inside(tiles.grid.region(column, row))
            corners = cell.x * scale[0], cell.y * scale[1], cell.right * scale[0] - 1
            pen.rectangle((*corners, cell.bottom * scale[1] - 1), outline=_CELL, fill=colour)
    for ring in scene.overlay.outlines:
        points = [(x * scale[0], y * scale[1]) for x, y in ring.tolist()]
        if len(points) > 1:
            pen.line([*points, points[0]], fill=_OUTLINE, width=2)


def _colours(tiles: Tiles) -> Sequence[tuple[int, ...] | None]:
    """Return what each tile is filled with; None where it has no value, or nothing colours it."""
    column = next((each for each in tiles.values if each.name == tiles.colour), None)
    none = [None] * len(tiles.columns)
    if column is None or np.isnan(column.values).all():
        return none
    values = column.values.astype(np.float64)
    least, most = np.nanmin(values), np.nanmax(values)
    steps = np.nan_to_num((values - least) / ((most - least) or 1)) * (len(_RAMP) - 1)
    parts = [np.interp(steps, np.arange(len(_RAMP)), part).round() for part in _RAMP.T]
    return [
        None if is_missing else (*map(int, colour), _OPACITY)
        for colour, is_missing in zip(zip(*parts, strict=True), np.isnan(values), strict=True)
    ]

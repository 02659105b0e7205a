"""A still picture of a view, of bounded size: what a saved notebook shows without a kernel.

Knows views and scenes. Does not know notebooks.
"""

import io
from typing import TYPE_CHECKING

from slidetile.viewer.pictures.rungs import DamagedTileError
from slidetile.viewer.scene.scene import Scene
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


def still(view: View, scene: Scene) -> bytes:
    """Return a view as a JPEG file: the whole slide, the tissue's outline and the tiles.

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

    pen = ImageDraw.Draw(picture)
    scale = picture.width / scene.size[0], picture.height / scene.size[1]
    tiles = scene.overlay.tiles
    if tiles is not None and tiles.grid.size * min(scale) >= SMALLEST_CELL_PX:
        for column, row in zip(tiles.columns.tolist(), tiles.rows.tolist(), strict=True):
            cell = tiles.grid.inside(tiles.grid.region(column, row))
            corners = cell.x * scale[0], cell.y * scale[1], cell.right * scale[0] - 1
            pen.rectangle((*corners, cell.bottom * scale[1] - 1), outline=_CELL)
    for ring in scene.overlay.outlines:
        points = [(x * scale[0], y * scale[1]) for x, y in ring.tolist()]
        if len(points) > 1:
            pen.line([*points, points[0]], fill=_OUTLINE, width=2)

"""The tiles of a whole level, for what is written or drawn once.

Knows views. Does not know what becomes of the tiles.
"""

from collections.abc import Iterator

from slidetile.viewer.pictures.encoding import EncodedTile
from slidetile.viewer.pictures.rungs import DamagedTileError
from slidetile.viewer.pictures.zoom import ZoomLevel
from slidetile.viewer.views.view import View

LevelTile = tuple[int, int, EncodedTile | DamagedTileError]
"""A column, a row, and the tile there, or what is wrong with it."""


def level_tiles(view: View, number: int, level: ZoomLevel) -> Iterator[LevelTile]:
    """Yield the tiles of a level that are stored, row by row.

    Raises
    ------
    StoreError
        The store was replaced or deleted.
    """
    for row in range(level.rows):
        for column in range(level.columns):
            try:
                tile = view.tile(number, column, row)
            except DamagedTileError as error:
                yield column, row, error
                continue
            if tile is not None:
                yield column, row, tile

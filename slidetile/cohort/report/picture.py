"""The picture of a slide in a report: its stored overview, the tissue's outline, the tiles.

Knows a store's record. Labels and macro images are in no store, so none is ever shown.
"""

import io

import numpy as np
from numpy.typing import NDArray

from slidetile.raster.channels import shown
from slidetile.raster.drawing import GRID_COLOUR, LARGEST_ENLARGEMENT, draw
from slidetile.raster.region import Region
from slidetile.store.recorded import StoreRecord

LONGEST_SIDE_PX = 720
"""Length of a picture's longer side, unless an overview is so small that it would blur."""

JPEG_QUALITY = 80
"""Lines of a pixel's width stay clear, since colours are not halved."""

SMALLEST_CELL_PX = 6.0
"""Of tiles that would be smaller on the picture, the area they cover is outlined instead."""


def slide_picture(record: StoreRecord) -> bytes:
    """Return the picture of a store as a JPEG file.

    Raises
    ------
    StoreError
        A picture or the table of the store is damaged.
    """
    metadata = record.metadata
    image = shown(record.overview(), metadata.channel_info, metadata.bits)
    scale = record.overview_scale
    enlargement = min(LARGEST_ENLARGEMENT, LONGEST_SIDE_PX / max(image.shape[:2]))
    is_grid = metadata.tile_size / max(scale) * enlargement >= SMALLEST_CELL_PX
    picture = draw(
        image,
        mask=record.tissue() > 0,
        cells=_cells(record) if is_grid else (),
        outlines=() if is_grid else [(_covered(record, image.shape[:2]), GRID_COLOUR)],
        downsample=scale,
        longest_side_px=LONGEST_SIDE_PX,
    )
    return _jpeg(picture)


def _cells(record: StoreRecord) -> list[Region]:
    names = ("x", "y", "width", "height")
    columns = (record.tiles[name].to_pylist() for name in names)
    return [
        Region(x=x, y=y, width=width, height=height)
        for x, y, width, height in zip(*columns, strict=True)
    ]


def _covered(record: StoreRecord, shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """Return which pixels of the overview lie in a tile's cell of the grid."""
    size, scale = record.metadata.tile_size, record.overview_scale
    columns, rows = (-(-length // size) for length in record.size)
    grid = np.zeros((rows, columns), np.bool_)
    grid[record.tiles["row"].to_numpy(), record.tiles["column"].to_numpy()] = True
    down, across = (
        np.minimum((np.arange(length) + 0.5) * step // size, cells - 1).astype(np.intp)
        for length, step, cells in zip(shape, scale[::-1], grid.shape, strict=True)
    )
    covered: NDArray[np.bool_] = grid[down[:, None], across[None, :]]
    return covered


def _jpeg(picture: NDArray[np.uint8]) -> bytes:
    from PIL import Image

    sink = io.BytesIO()
    Image.fromarray(picture).save(sink, "jpeg", quality=JPEG_QUALITY, subsampling=0, optimize=True)
    return sink.getvalue()

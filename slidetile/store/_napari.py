"""A store as layers of napari: one image of all levels, its tissue, and its tiles.

Knows napari's names for things, and does not need napari. Does not know files.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from slidetile.raster.channels import Channel

Layer = tuple[Any, dict[str, Any], str]
"""Data, settings and type of a layer."""

Pair = tuple[float, float]


def image_layer(levels: Sequence[Any], channels: Sequence[Channel], mpp: Pair | None) -> Layer:
    """Return the layer of the image; more channels than red, green and blue are a layer each.

    ``levels`` are Dask arrays [channel, row, column], finest first.
    """
    placed = {"multiscale": True, "scale": _scale(mpp), **_units(mpp)}
    if [channel.name for channel in channels] == ["red", "green", "blue"]:
        colour = [level.transpose(1, 2, 0) for level in levels]
        return colour, {"name": "image", "rgb": True, **placed}, "image"
    drawn = {
        "channel_axis": 0,
        "name": [channel.name for channel in channels],
        "colormap": [_colours(channel) for channel in channels],
        "blending": "additive",
    }
    windows = [channel.window for channel in channels]
    if None not in windows:
        drawn["contrast_limits"] = windows
    return list(levels), {**drawn, **placed}, "image"


def tissue_layer(tissue: NDArray[np.uint32], scale: Pair, mpp: Pair | None) -> Layer:
    """Return the layer of the pieces of tissue; ``scale`` is in level-0 pixels."""
    across, down = mpp or (1.0, 1.0)
    settings = {
        "name": "tissue",
        "opacity": 0.4,
        "scale": (scale[1] * down, scale[0] * across),
        "translate": ((scale[1] - 1) / 2 * down, (scale[0] - 1) / 2 * across),
        **_units(mpp),
    }
    return tissue, settings, "labels"


def tiles_layer(table: Mapping[str, NDArray[Any]], mpp: Pair | None) -> Layer:
    """Return the layer of the tiles, whose features are the columns of their table."""
    left, top = table["x"] - 0.5, table["y"] - 0.5  # napari's pixels have their centres at integers
    right, bottom = left + table["width"], top + table["height"]
    corners = [(top, left), (top, right), (bottom, right), (bottom, left)]
    settings = {
        "name": "tiles",
        "shape_type": "rectangle",
        "features": dict(table),
        "scale": _scale(mpp),
        "face_color": "transparent",
        "edge_color": "cyan",
        "edge_width": 8,
        **_units(mpp),
    }
    return np.stack([np.stack(corner, axis=1) for corner in corners], axis=1), settings, "shapes"


def _scale(mpp: Pair | None) -> Pair:
    across, down = mpp or (1.0, 1.0)
    return down, across


def _units(mpp: Pair | None) -> dict[str, Any]:
    return {} if mpp is None else {"units": ("um", "um")}


def _colours(channel: Channel) -> list[list[float]]:
    return [[0.0, 0.0, 0.0], [part / 255 for part in channel.colour]]

"""The JSON of a store: Zarr v3 arrays and groups, and the OME-Zarr 0.5 image they make.

Written by hand rather than through zarr-python: a run that only writes need not import it, and
the same input gives the same bytes whatever version is installed.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from slidetile.format.codecs.codec import ChunkCodec
from slidetile.format.layout import ChunkGrid
from slidetile.raster.resolution import Rescaling

FORMAT_VERSION = 1

DIMENSIONS = ("c", "y", "x")

OWN_LEVELS, HALVED = "the scanner's own levels", "mean of 2×2"
"""How the coarser levels came about, for people."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dataset:
    """One array of an OME-Zarr image."""

    path: str
    """Its folder within the image."""

    downsample: tuple[float, float]
    """Level-0 pixels of the slide per pixel of the array, as (x, y)."""


def fill_value(background: Sequence[int]) -> int:
    """Return what an absent pixel reads as, where a slide has this background.

    White or black, whichever is nearer: a Zarr array has one value for all channels.
    """
    return 255 if sum(background) >= 3 * 128 else 0


def to_json(node: dict[str, Any]) -> bytes:
    """Return JSON bytes that depend on nothing but the content."""
    return json.dumps(node, indent=2, ensure_ascii=False, allow_nan=False).encode() + b"\n"


def group(attributes: dict[str, Any]) -> dict[str, Any]:
    """Return the metadata of a Zarr v3 group."""
    return {"zarr_format": 3, "node_type": "group", "attributes": attributes}


def array(
    grid: ChunkGrid, codec: ChunkCodec, *, channels: int, fill: int, data_type: str = "uint8"
) -> dict[str, Any]:
    """Return the metadata of a (c, y, x) array; sharded, unless a shard is a single raw chunk."""
    codecs = codec.zarr_codecs
    if data_type != "uint8":
        codecs = [{"name": "bytes", "configuration": {"endian": "little"}}, *codecs[1:]]
    if is_sharded(codec):
        codecs = [_sharding(grid, codecs, channels)]
    return {
        "zarr_format": 3,
        "node_type": "array",
        "shape": [channels, grid.height, grid.width],
        "data_type": data_type,
        "chunk_grid": {
            "name": "regular",
            "configuration": {"chunk_shape": [channels, grid.shard_height, grid.shard_width]},
        },
        "chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}},
        "fill_value": fill,
        "codecs": codecs,
        "attributes": {},
        "dimension_names": list(DIMENSIONS),
    }


def is_sharded(codec: ChunkCodec) -> bool:
    """Return whether the codec's chunks are gathered in shards: all but those to be mapped."""
    return codec.name != "raw"


def image(
    name: str,
    datasets: Sequence[Dataset],
    *,
    mpp: tuple[float, float] | None,
    channels: int,
    kind: str,
) -> dict[str, Any]:
    """Return the ``ome`` attributes of an image.

    Parameters
    ----------
    name
        Shown by viewers.
    datasets
        The pyramid, finest first.
    mpp
        Micrometres per level-0 pixel as (x, y); without it the unit is one level-0 pixel.
    channels
        3 for red, green, blue; 1 for grey.
    kind
        How the coarser levels came about.
    """
    unit = {} if mpp is None else {"unit": "micrometer"}
    return {
        "version": "0.5",
        "multiscales": [
            {
                "name": name,
                "type": kind,
                "metadata": {"method": kind},
                "axes": [
                    {"name": "c", "type": "channel"},
                    {"name": "y", "type": "space", **unit},
                    {"name": "x", "type": "space", **unit},
                ],
                "datasets": [_dataset(dataset, mpp or (1.0, 1.0)) for dataset in datasets],
            }
        ],
        "omero": {
            "version": "0.5",
            "channels": _channels(channels),
            "rdefs": {"model": "color" if channels == 3 else "greyscale"},
        },
    }


def level_0(mpp: tuple[float, float] | None, rescaling: Rescaling | None) -> dict[str, Any]:
    """Return what a store tells of its level 0: its mpp, and how it follows from the slide's."""
    return {
        "mpp": None if mpp is None else list(mpp),
        "slide_level": 0 if rescaling is None else rescaling.level,
        "factor": [1.0, 1.0] if rescaling is None else list(map(float, rescaling.factor)),
        "scale": [1.0, 1.0] if rescaling is None else list(rescaling.scale),
    }


def _sharding(grid: ChunkGrid, codecs: list[dict[str, Any]], channels: int) -> dict[str, Any]:
    return {
        "name": "sharding_indexed",
        "configuration": {
            "chunk_shape": [channels, grid.chunk_height, grid.chunk_width],
            "codecs": codecs,
            "index_codecs": [
                {"name": "bytes", "configuration": {"endian": "little"}},
                {"name": "crc32c"},
            ],
            "index_location": "end",
        },
    }


def _dataset(dataset: Dataset, mpp: tuple[float, float]) -> dict[str, Any]:
    x, y = dataset.downsample
    transformations: list[dict[str, Any]] = [
        {"type": "scale", "scale": [1.0, y * mpp[1], x * mpp[0]]}
    ]
    if (x, y) != (1.0, 1.0):  # a coarse pixel's centre lies between those of the pixels it covers
        offset = [0.0, (y - 1) / 2 * mpp[1], (x - 1) / 2 * mpp[0]]
        transformations.append({"type": "translation", "translation": offset})
    return {"path": dataset.path, "coordinateTransformations": transformations}


def _channels(count: int) -> list[dict[str, Any]]:
    named = [("red", "FF0000"), ("green", "00FF00"), ("blue", "0000FF")]
    if count == 1:
        named = [("intensity", "FFFFFF")]
    return [
        {
            "label": label,
            "color": colour,
            "active": True,
            "window": {"start": 0, "end": 255, "min": 0, "max": 255},
        }
        for label, colour in named
    ]

"""The metadata of a plain pyramid: the ``zarr.json`` of each of its groups and arrays."""

import json
from typing import Any

from slidetile.format.metadata.group import group
from slidetile.format.metadata.image import ImageMetadata
from slidetile.format.metadata.label import LabelMetadata, labels_json
from slidetile.format.metadata.node import to_json
from slidetile.format.names import ROOT
from slidetile.serving._levels import CHUNK_PX, PlainLevel
from slidetile.store.store import TileStore

TISSUE = "labels/tissue"

_KIND = "halvings: the slide's own where it has them, else means of 2×2"


def documents(
    store: TileStore, levels: list[PlainLevel], labels: list[tuple[int, int]], codec: dict[str, Any]
) -> dict[str, bytes]:
    """Return each ``zarr.json`` of a pyramid, by its key.

    Parameters
    ----------
    store
        The store.
    levels
        Its levels as they are served.
    labels
        (width, height) of each level of the tissue.
    codec
        The last codec of a chunk; empty for none.
    """
    metadata = store.metadata
    sizes = [2.0**level.number for level in levels]
    image = ImageMetadata(
        name=metadata.name,
        kind=_KIND,
        channels=metadata.channels,
        mpp=store.mpp,
        downsamples=tuple((size, size) for size in sizes),
        bits=metadata.bits,
        drawn=metadata.drawn,
    )
    x, y = store.overview_scale
    tissue = LabelMetadata(
        name="tissue",
        mpp=store.mpp,
        downsamples=tuple((x * size, y * size) for size in sizes),
    )
    found = {
        ROOT: to_json(group({"ome": image.to_node()})),
        f"labels/{ROOT}": labels_json("tissue"),
        f"{TISSUE}/{ROOT}": tissue.to_json(),
    }
    in_chunk = [channels_together(store)]
    for level in levels:
        shape = [metadata.channels, level.height, level.width]
        found[f"{level.number}/{ROOT}"] = _array(
            shape, in_chunk, metadata.data_type, metadata.fill, codec
        )
    for number, (width, height) in enumerate(labels):
        found[f"{TISSUE}/{number}/{ROOT}"] = _array([height, width], [], "uint32", 0, codec)
    found[ROOT] = _with_list(found)
    return found


def _with_list(documents: dict[str, bytes]) -> bytes:
    """Return the root's with those of all that lies below it, as zarr-python consolidates them.

    A web server lists nothing: programs that look for arrays, as xarray does, find them here.
    Others may ignore it, as it says of itself.
    """
    below = {
        name.removesuffix(f"/{ROOT}"): json.loads(data)
        for name, data in documents.items()
        if name != ROOT
    }
    told = {"kind": "inline", "must_understand": False, "metadata": below}
    return to_json({**json.loads(documents[ROOT]), "consolidated_metadata": told})


def channels_together(store: TileStore) -> int:
    """Return how many channels a chunk holds: colours are looked at together, all else apart.

    neuroglancer makes a colour of what is in one chunk alone.
    """
    return store.metadata.channels if store.metadata.is_plain else 1


def _array(
    shape: list[int], in_chunk: list[int], data_type: str, fill: int, codec: dict[str, Any]
) -> bytes:
    in_bytes: dict[str, Any] = {"name": "bytes"}
    if data_type != "uint8":
        in_bytes["configuration"] = {"endian": "little"}
    chunk = [*in_chunk, CHUNK_PX, CHUNK_PX]
    return to_json(
        {
            "zarr_format": 3,
            "node_type": "array",
            "shape": shape,
            "data_type": data_type,
            "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": chunk}},
            "chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}},
            "fill_value": fill,
            "codecs": [in_bytes, *([codec] if codec else [])],
            "attributes": {},
            "dimension_names": ["c", "y", "x"][-len(shape) :],
        }
    )

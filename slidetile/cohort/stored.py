"""What a finished store says of its slide, as the facts of a result.

Knows stores. Does not know how they came about.
"""

import hashlib
from typing import Any

from slidetile.cloud.address import Address, Location
from slidetile.cloud.objects import read_object
from slidetile.format.metadata.node import LARGEST_JSON_BYTES
from slidetile.format.names import ROOT
from slidetile.store.store import TileStore
from slidetile.writing.selection import left_out_again


def store_facts(store: TileStore) -> dict[str, Any]:
    """Return what a store says of its slide, under the names of a `SlideResult`'s fields."""
    metadata = store.metadata
    selection, mpp = metadata.selection, metadata.level_0.mpp
    area_um2 = None if selection is None else selection.tissue.area_um2
    return {
        "codec": store.codec,
        "not_native": metadata.not_native,
        "mpp": None if mpp is None else mpp[0],
        "tiles": len(store),
        "unreadable": store.unreadable,
        "tile_bytes": store.tile_bytes,
        "tissue_pieces": None if selection is None else selection.tissue.pieces,
        "tissue_area_mm2": None if area_um2 is None else area_um2 / 1e6,
        "slide_area_mm2": _slide_area_mm2(store),
        "root": root_checksum(store.path),
        "left_out": ". ".join(map(str, left_out_again(selection))) or None,
    }


def root_checksum(store: Location) -> str:
    """Return a checksum of a store's root metadata, which tell one store from another.

    Raises
    ------
    OSError
        They cannot be read.
    """
    if isinstance(store, Address):
        root = read_object(store / ROOT, LARGEST_JSON_BYTES)
    else:
        root = (store / ROOT).read_bytes()
    return hashlib.sha256(root).hexdigest()[:32]


def _slide_area_mm2(store: TileStore) -> float | None:
    source = store.metadata.source
    if source.mpp is None:
        return None
    return source.width * source.mpp[0] * source.height * source.mpp[1] / 1e6

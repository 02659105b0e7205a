"""Where the chunks of a store without pixels lie in the slide, for other programs.

Knows byte ranges of a slide, and version 1 of kerchunk's JSON, which fsspec reads. slidetile writes
it and never reads it: a store may come from anywhere, and where a block of a slide lies is for the
slide's reader to say.
"""

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from slidetile.format.codecs.native import NativeCodec
from slidetile.format.metadata.array import ArrayMetadata
from slidetile.format.metadata.group import group
from slidetile.format.metadata.store import StoreMetadata
from slidetile.format.names import shard_key
from slidetile.raster.region import Region
from slidetile.slides.native import FileRange, NativeTiles, PlainTiles
from slidetile.slides.slide import Slide
from slidetile.store.referred_level import ReferredLevel

TRIED = 16
"""Tiles of each level that are decoded from their own bytes alone, and compared: what one of them
lacks, others mostly lack too."""

Cells = NDArray[np.int64]
"""Chunks, each by its (column, row)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _PlainLevel:
    """A level whose tiles other programs decode from ranges of the slide's files."""

    node: dict[str, Any]
    """Its ``zarr.json``."""

    cells: Cells
    """The chunks that tiles need."""

    ranges: Sequence[FileRange | None]
    """Where each lies."""


def references_file(
    slide: Slide, metadata: StoreMetadata, regions: Sequence[Region]
) -> bytes | None:
    """Return the references to a slide's tiles as fsspec reads them.

    Parameters
    ----------
    slide
        The slide.
    metadata
        The record of the store that refers to it.
    regions
        The part of each tile inside the slide, in level-0 pixels.

    Returns
    -------
    bytes or None
        None where a tile is more than one range of bytes, or other programs would decode it to
        other pixels: a reference cannot say that tables go before it.

    Raises
    ------
    SlideReadError
        The slide's file could not be read.
    """
    levels = []
    for number in range(len(metadata.downsamples)):
        level = _plain_level(ReferredLevel.of(slide, number), metadata, regions)
        if level is None:
            return None
        levels.append(level)
    return _packed(metadata, levels)


def _plain_level(
    level: ReferredLevel, metadata: StoreMetadata, regions: Sequence[Region]
) -> _PlainLevel | None:
    native = level.slide.native_tiles(level.number)
    if native is None or not isinstance(native, PlainTiles):
        return None
    rows, columns = np.nonzero(level.needed(regions))
    cells = np.stack((columns, rows), axis=1).astype(np.int64)
    ranges = native.ranges(cells)
    if ranges is None or not _decode_alike(native, cells, ranges):
        return None
    codec = NativeCodec(stream=native.stream)
    array = ArrayMetadata(
        grid=level.grid,
        codec=metadata.chunk_codec,
        channels=metadata.channels,
        fill=metadata.fill,
        data_type=metadata.data_type,
    )
    node = array.to_node() | {"codecs": codec.zarr_codecs[:-1]}  # the slide has no checksums
    return _PlainLevel(node=node, cells=cells, ranges=ranges)


def _decode_alike(native: NativeTiles, cells: Cells, ranges: Sequence[FileRange | None]) -> bool:
    """Return whether tiles decode from their own bytes alone to what they are, as far as tried."""
    stored = [number for number, each in enumerate(ranges) if each is not None]
    tried = stored[:: max(1, -(-len(stored) // TRIED))]
    codec = NativeCodec(stream=native.stream)
    shape = native.tile_height_px, native.tile_width_px, 3
    for number, stream in zip(tried, native.fetch(cells[tried]).streams(), strict=True):
        if not isinstance(stream, bytes):
            continue  # it is damaged, for other programs, too
        place = ranges[number]
        assert place is not None, "others were left out"
        try:
            own = codec.decode(_bytes_at(place), shape)
        except ValueError:
            return False
        if not np.array_equal(own, codec.decode(stream, shape)):
            return False
    return True


def _bytes_at(place: FileRange) -> bytes:
    with place.path.open("rb") as file:
        file.seek(place.offset)
        return file.read(place.length)


def _packed(metadata: StoreMetadata, levels: Sequence[_PlainLevel]) -> bytes:
    """Return version 1 of kerchunk's JSON; each file's path is in it once."""
    plain = replace(metadata, icc_profile=None, icc_profile_left_out=None)
    files = {each.path: None for level in levels for each in level.ranges if each is not None}
    names = {path: f"slide{number or ''}" for number, path in enumerate(sorted(files))}
    refs: dict[str, Any] = {"zarr.json": json.dumps(group({"ome": plain.image.to_node()}))}
    for number, level in enumerate(levels):
        refs[f"{number}/zarr.json"] = json.dumps(level.node)
        for (column, row), place in zip(level.cells.tolist(), level.ranges, strict=True):
            if place is not None:
                url = f"{{{{{names[place.path]}}}}}"
                refs[f"{number}/{shard_key(column, row)}"] = [url, place.offset, place.length]
    templates = {name: _address(path) for path, name in names.items()}
    return json.dumps({"version": 1, "templates": templates, "refs": refs}, indent=0).encode()


def _address(path: Path) -> str:
    """Return how fsspec calls a local file, from wherever it is read."""
    return f"file://{os.path.abspath(path)}"  # noqa: PTH100  links stay

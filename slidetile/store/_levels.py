"""The arrays of a store's levels, which must agree with its root and with each other."""

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from slidetile.counts import how_many
from slidetile.errors import StoreError
from slidetile.format.codecs.named import has_own_levels
from slidetile.format.layout import ChunkGrid, is_sharded
from slidetile.format.metadata.store import StoreMetadata
from slidetile.format.pyramid import halvings
from slidetile.raster.resolution import covered_size
from slidetile.store._absence import LevelAbsence
from slidetile.store._array import ArrayFile
from slidetile.store._chunked import ChunkedArray
from slidetile.store._raw_array import RawArrayFile
from slidetile.store._tiles import StoredTiles
from slidetile.store.folder import StoreFolder

if TYPE_CHECKING:
    from slidetile.store.referred import ReferredSlide

_TOLERANCE = 1e-6
"""Relative difference of a downsample from that of the root, where it is rounded."""


def open_levels(
    folder: StoreFolder, tiles: StoredTiles, referred: "ReferredSlide | None" = None
) -> Sequence[ChunkedArray[Any]]:
    """Open the arrays of all levels of a store, finest first.

    ``referred`` is the slide of a store without pixels.

    Raises
    ------
    StoreError
        One is missing, damaged, or contradicts the root.
    """
    metadata = tiles.metadata
    numbers = range(len(metadata.downsamples))
    levels = [_open_level(folder, number, tiles, referred) for number in numbers]
    for level in levels:
        found = (level.metadata.data_type, level.channels, level.fill)
        expected = (metadata.data_type, metadata.channels, metadata.fill)
        if found != expected:
            raise StoreError(
                f"{level.path / 'zarr.json'} contradicts the store: type, channels and fill value "
                f"are {found}, but they must be {expected}."
            )
    for what in _contradictions(metadata, [level.grid for level in levels]):
        raise StoreError(f"The levels of {folder.path} contradict its zarr.json: {what}.")
    return levels


def _open_level(
    folder: StoreFolder, level: int, tiles: StoredTiles, referred: "ReferredSlide | None"
) -> ChunkedArray[Any]:
    codec = tiles.metadata.chunk_codec
    if referred is None:
        kind = ArrayFile if is_sharded(codec) else RawArrayFile
        return kind(folder, str(level), codec, LevelAbsence(folder, level, tiles))
    from slidetile.store._slide_array import SlideArray  # other stores load no reader of slides

    return SlideArray(folder, level, codec, tiles, referred)


def _contradictions(metadata: StoreMetadata, grids: list[ChunkGrid]) -> Iterator[str]:
    """Yield how the levels are not cut as the root says."""
    (width, height), finest = grids[0].size, grids[0]
    source, scale = metadata.source, metadata.level_0.scale
    if scale == (1.0, 1.0) and (width, height) != source.size:
        yield f"level 0 has {width}×{height} px, the slide {source.width}×{source.height}"
    if metadata.tile_count > -(-width // 16) * -(-height // 16):
        yield f"it has {how_many(metadata.tile_count, 'tiles')} on {width}×{height} px"
    is_own = has_own_levels(metadata.codec)
    if not is_own and list(halvings(finest)) != grids:
        yield f"not all are halvings of {width}×{height} px, down to one shard"
    for number, (grid, (x, y)) in enumerate(zip(grids, metadata.downsamples, strict=True)):
        # Early stores have the ratio of the sides, others what they were rounded from.
        reaches = (width, height), covered_size((width, height), grid.size)
        if is_own and not any(
            _is_one(x * grid.width / reach[0]) and _is_one(y * grid.height / reach[1])
            for reach in reaches
        ):
            yield f"level {number} has {grid.width}×{grid.height} px, at a scale of {x:g}×{y:g}"


def _is_one(ratio: float) -> bool:
    return math.isclose(ratio, 1, rel_tol=_TOLERANCE)

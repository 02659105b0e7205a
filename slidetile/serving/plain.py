"""A store as a plain OME-Zarr 0.5 image, key by key.

Whatever a store's codec and levels, its plain image has unsharded chunks of 512 × 512 pixels of all
channels where these are colours, else of one, and levels each half as large as the finer one. Knows
keys and bytes. Does not know who asks for them.
"""

import re
import threading
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from slidetile.format.codecs.planar import RawCodec, ZstdCodec
from slidetile.format.picture import halved_sizes
from slidetile.raster.block_means import halve
from slidetile.raster.region import Region
from slidetile.runtime.byte_cache import ByteCache
from slidetile.serving._documents import TISSUE, channels_together, documents
from slidetile.serving._levels import CHUNK_PX, PlainLevel, plain_levels
from slidetile.store.store import TileStore

PlainCodec = Literal["zstd", "raw"]
"""How chunks are encoded: both are read by every Zarr v3 reader."""

_NUMBER = r"(0|[1-9]\d{0,7})"
_IMAGE = re.compile(rf"{_NUMBER}/c/{_NUMBER}/{_NUMBER}/{_NUMBER}", re.ASCII)
_LABEL = re.compile(rf"{TISSUE}/{_NUMBER}/c/{_NUMBER}/{_NUMBER}", re.ASCII)


class PlainPyramid:
    """A store as a plain OME-Zarr 0.5 image, made on the fly. Safe for several threads.

    Levels that the store has, of 1, 2, 4, … level-0 pixels a pixel, are its own; the others are
    means of 2×2 of the finer one, halves rounded up, an odd last column or row repeated once. Of a
    store whose coarser levels are few, the first chunk of the coarsest level takes as long as
    decoding the store; what is made last is kept.

    Parameters
    ----------
    store
        The store.
    codec
        How chunks are encoded.
    kept
        Where decoded chunks are kept, perhaps of several pyramids.

    Raises
    ------
    ValueError
        The codec is unknown.
    StoreError
        The store's overview is damaged.

    Examples
    --------
    >>> import slidetile as st
    >>> store = st.tile_slide("data_samples/sample.svs", "served.zarr")
    >>> pyramid = PlainPyramid(store)
    >>> len(pyramid.levels), pyramid.get("9/zarr.json")
    (4, None)
    """

    def __init__(
        self,
        store: TileStore,
        *,
        codec: PlainCodec = "zstd",
        kept: ByteCache[NDArray[Any]] | None = None,
    ) -> None:
        if codec not in get_args(PlainCodec):
            raise ValueError(f"A plain codec is zstd or raw, but this one is {codec!r}.")
        self.store = store
        self.levels: list[PlainLevel] = plain_levels(store)
        """Its levels, finest first."""
        self._kept: ByteCache[NDArray[Any]] = ByteCache() if kept is None else kept
        self._codec = ZstdCodec() if codec == "zstd" else RawCodec()
        self._halving = threading.RLock()
        height, width = store.tissue.shape
        self._labels = halved_sizes((width, height), len(self.levels))
        last = self._codec.zarr_codecs[-1]
        self._documents = documents(
            store, self.levels, self._labels, last if codec == "zstd" else {}
        )

    def get(self, key: str) -> bytes | None:
        """Return what lies under a key; None where nothing does, as for chunks without pixels.

        Raises
        ------
        StoreError
            A chunk of the store is damaged or lost, or the store was replaced or deleted.
        """
        self.store.check()
        if key in self._documents:
            return self._documents[key]
        if found := _IMAGE.fullmatch(key):
            return self._image_chunk(*map(int, found.groups()))
        if found := _LABEL.fullmatch(key):
            return self._label_chunk(*map(int, found.groups()))
        return None

    def _image_chunk(self, number: int, channel: int, row: int, column: int) -> bytes | None:
        together = channels_together(self.store)
        first = channel * together
        if number >= len(self.levels) or first >= self.store.metadata.channels:
            return None
        if not _has(self.levels[number], column, row):
            return None
        return self._encoded(self._pixels(number, column, row)[..., first : first + together])

    def _label_chunk(self, number: int, row: int, column: int) -> bytes | None:
        if number >= len(self._labels):
            return None
        step = 1 << number
        labels = self.store.tissue[::step, ::step]
        y, x = row * CHUNK_PX, column * CHUNK_PX
        part = labels[y : y + CHUNK_PX, x : x + CHUNK_PX]
        if not part.size:
            return None
        chunk = np.zeros((CHUNK_PX, CHUNK_PX, 1), np.uint32)
        chunk[: part.shape[0], : part.shape[1], 0] = part
        return self._encoded(chunk)

    def _encoded(self, chunk: NDArray[Any]) -> bytes:
        return self._codec.encode(chunk)

    def _pixels(self, number: int, column: int, row: int) -> NDArray[Any]:
        """Return a whole chunk, filled up beyond its level: [row, column, channel]."""
        key = id(self), number, column, row
        found = self._kept.get(key)
        if found is not None:
            return found
        level = self.levels[number]
        if level.source is None:
            with self._halving:  # one at a time: they share what they are made of
                found = self._kept.get(key)
                inside = self._halved(level, column, row) if found is None else found
        else:
            inside = self._own(level, level.source, level.region(column, row))
        chunk = self._whole(inside)
        self._kept.keep(key, chunk, chunk.nbytes)
        return chunk

    def _whole(self, inside: NDArray[Any]) -> NDArray[Any]:
        height, width, channels = inside.shape
        if (height, width) == (CHUNK_PX, CHUNK_PX):
            return inside
        chunk = np.full((CHUNK_PX, CHUNK_PX, channels), self.store.metadata.fill, inside.dtype)
        chunk[:height, :width] = inside
        return chunk

    def _own(self, level: PlainLevel, source: int, region: Region) -> NDArray[Any]:
        """Return a region of a level that the store has; a column or row it lacks is repeated."""
        stored = self.store.levels[source]
        frame = Region(x=0, y=0, width=stored.width, height=stored.height)
        inside = region.intersection(frame)
        if inside is None:  # the store's level ends a pixel before
            inside = Region.from_edges(
                min(region.x, stored.width - 1),
                min(region.y, stored.height - 1),
                stored.width,
                stored.height,
            )
        scale = 1 << level.number
        pixels = self.store.read_region(
            Region(
                x=inside.x * scale,
                y=inside.y * scale,
                width=inside.width * scale,
                height=inside.height * scale,
            ),
            level=source,
        )
        beyond = region.height - inside.height, region.width - inside.width
        if any(beyond):
            pixels = np.pad(pixels, ((0, beyond[0]), (0, beyond[1]), (0, 0)), mode="edge")
        return pixels

    def _halved(self, level: PlainLevel, column: int, row: int) -> NDArray[Any]:
        """Return the part of a chunk inside its level, made of four chunks of the finer one."""
        finer = self.levels[level.number - 1]
        region = level.region(column, row)
        shape = 2 * region.height, 2 * region.width, self.store.metadata.channels
        canvas = np.full(shape, self.store.metadata.fill, self.store.dtype)
        for down, across in np.ndindex(2, 2):
            cell = 2 * column + across, 2 * row + down
            target = canvas[down * CHUNK_PX :, across * CHUNK_PX :][:CHUNK_PX, :CHUNK_PX]
            if target.size and _has(finer, *cell):
                chunk = self._pixels(finer.number, *cell)
                target[:] = chunk[: target.shape[0], : target.shape[1]]
        width, height = finer.width - 2 * region.x, finer.height - 2 * region.y
        if width < canvas.shape[1]:
            canvas[:, width] = canvas[:, width - 1]
        if height < canvas.shape[0]:
            canvas[height] = canvas[height - 1]
        return halve(canvas)


def _has(level: PlainLevel, column: int, row: int) -> bool:
    rows, columns = level.is_there.shape
    return row < rows and column < columns and bool(level.is_there[row, column])

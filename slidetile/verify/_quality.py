"""Whether the quality columns of a tile table agree with the pixels."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from slidetile.format.codecs.codec import DamagedChunkError
from slidetile.format.layout import Shard
from slidetile.format.names import TABLE
from slidetile.format.table import UNREADABLE, Quality, quality_mpp
from slidetile.quality.measure import Samples, TileMeasure
from slidetile.quality.pen import PEN_METHOD, pen_fractions
from slidetile.raster.pixels import Pixels
from slidetile.raster.region import Region
from slidetile.verify._referred import ReferredCheck
from slidetile.verify._shape import StoreShape
from slidetile.verify._shards import StoredChunks, shard_chunks
from slidetile.verify._tree import StoreTree
from slidetile.verify.finding import Finding

if TYPE_CHECKING:
    import pyarrow as pa

PEN_TOLERANCE = 0.01
"""Allowed difference: logarithms differ in the last bit between processors, so a pixel at a
threshold may, too."""


class QualityCheck:
    """Measures the quality of a store's tiles again, and compares it with the table.

    Parameters
    ----------
    tree
        The store's files.
    shape
        The store's metadata.
    stored
        The chunks that were found.
    workers
        Threads that decode.
    referred
        The blocks of the slide, of a store without pixels.
    """

    def __init__(
        self,
        tree: StoreTree,
        shape: StoreShape,
        stored: StoredChunks,
        *,
        workers: int,
        referred: ReferredCheck | None = None,
    ) -> None:
        self._referred = referred
        self._tree = tree
        self._shape = shape
        self._stored = stored
        self._workers = workers

    def findings(
        self, table: "pa.Table", overview: Pixels, regions: Sequence[Region]
    ) -> Iterator[Finding]:
        """Yield the rows whose quality differs, in a store without other flaws.

        ``regions`` are those of the tiles, in level-0 pixels.
        """
        if quality_mpp(table) != self._shape.metadata.quality.mpp:
            yield Finding(TABLE, "the mpp of its laplacian_variance is another")
        try:
            measured = self._measured(regions) | self._pen(overview, regions)
        except DamagedChunkError as error:
            yield Finding(f"{self._shape.quality.number}/zarr.json", str(error))
            return
        unreadable = np.array(table["status"].to_pylist(), np.object_) == UNREADABLE
        for name, values in measured.items():
            expected = np.where(unreadable, np.float32(np.nan), values)
            found: NDArray[np.float32] = table[name].to_numpy()
            most = PEN_TOLERANCE if name == "pen_fraction" else 0
            alike = (np.abs(found - expected) <= most) | (np.isnan(found) & np.isnan(expected))
            for tile in np.flatnonzero(~alike).tolist():
                what = f"its {name} is {found[tile]:.6g}, but its pixels give {expected[tile]:.6g}"
                yield Finding(TABLE, what, tile=tile)

    def _measured(self, regions: Sequence[Region]) -> Quality:
        if self._referred is not None:
            return self._referred.measured()
        shape, level = self._shape, self._shape.quality
        samples = Samples(channels=shape.metadata.channel_info, bits=shape.metadata.bits)
        measure = TileMeasure(regions, level, shape.codec, samples)
        stored = self._stored.by_level[level.number]
        measure.add(level.grid.shards_for(stored), self._payloads, workers=self._workers)
        return measure.columns()

    def _payloads(self, shard: Shard) -> dict[int, bytes]:
        chunks = shard_chunks(self._tree, self._shape, self._shape.quality.number, shard)
        try:
            return {place: self._shape.codec.unseal(stored) for place, stored in chunks.items()}
        except ValueError as error:
            raise DamagedChunkError(f"a chunk is damaged: {error}") from error

    def _pen(self, overview: Pixels, regions: Sequence[Region]) -> Quality:
        """Return the share of pen, if the store found it by today's method."""
        if self._shape.metadata.quality.pen_method != PEN_METHOD:
            return {}
        scale, mpp = self._shape.overview_scale, self._shape.metadata.mpp
        pixel = None if mpp is None else (scale[0] * mpp[0], scale[1] * mpp[1])
        channels = self._shape.metadata.channel_info
        return {
            "pen_fraction": pen_fractions(
                overview, regions, scale=scale, mpp=pixel, channels=channels
            )
        }

"""Making shards by decoding the slide and encoding its pixels anew, level by level."""

import logging
import threading
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np

from slidetile.errors import SlideReadError
from slidetile.format.codecs.codec import ChunkCodec
from slidetile.format.halving import Accumulator, FinishedShard, Planes, halve, repeat_edges
from slidetile.format.layout import ChunkGrid, Shard, encoded_grid
from slidetile.format.pyramid import halved_levels
from slidetile.planning.plan import TilePlan
from slidetile.raster.region import Region
from slidetile.slides.array import DecodedPixels
from slidetile.slides.slide import FetchedPixels, Level, Slide
from slidetile.writing.work import EncodedShard, IsKept, KeptShards, Task, halving_tasks

_log = logging.getLogger(__name__)


class _Fetched(NamedTuple):
    task: Task
    region: FetchedPixels | None = None
    payloads: dict[int, bytes] | None = None


class Encoding:
    """A slide's pixels, encoded chunk by chunk, and their exact halvings as coarser levels.

    Parameters
    ----------
    slide
        The slide to read.
    plan
        The tiles wanted.
    codec
        How to encode.
    fill
        Value of the pixels nobody planned, 0–255.
    """

    decodes = True

    def __init__(self, slide: Slide, plan: TilePlan, codec: ChunkCodec, fill: int) -> None:
        self.codec = codec
        self.kept: KeptShards | None = None
        grid = encoded_grid(slide.levels[0].size, codec)
        self.levels = halved_levels(grid, grid.chunks_for(plan.regions))
        self._slide = slide
        self._accumulator = Accumulator(self.levels, channels=slide.channels, fill=fill)
        self._chunk_shape = slide.channels, grid.chunk_height, grid.chunk_width
        self._is_aligned = _fits(slide.levels[0], grid)
        self._own = threading.local()

    @property
    def unit_bytes(self) -> int:
        """The pixels of a shard."""
        grid = self.levels[0].grid
        return self._slide.channels * grid.shard_height * grid.shard_width

    def tasks(self, is_kept: IsKept) -> list[Task]:
        """Return the shards of level 0 to make, and the finished ones coarser shards need."""
        return halving_tasks(self.levels, is_kept)

    def read(self, task: Task) -> _Fetched:
        """Read the bytes of a shard's wanted chunks."""
        if task.is_kept:
            assert self.kept is not None, "only a continued run has finished shards"
            return _Fetched(task, payloads=self.kept.read_shard(task.level, task.shards[0]))
        try:
            return _Fetched(task, self._slide.fetch(self._wanted_region(task.shards[0])))
        except SlideReadError:  # perhaps only a part of it: `encode` reads chunk by chunk
            return _Fetched(task)

    def encode(self, fetched: _Fetched) -> Iterator[EncodedShard]:
        """Encode a shard, and every coarser one that it completes."""
        level, (shard,), _ = fetched.task
        if fetched.payloads is not None:
            self._halve_kept(level, shard, fetched.payloads)
        else:
            yield self._encoded(0, shard, self._read_chunks(shard, fetched.region))
        finished = self._accumulator.finish(level, shard)
        while finished is not None:
            level, shard = finished.level, finished.shard
            yield self._encoded(level, shard, self._cut_chunks(finished))
            finished = self._accumulator.finish(level, shard)

    def stored_bytes(self) -> None:
        """Return None: how far pixels compress shows when they are encoded."""

    def _encoded(
        self, level: int, shard: Shard, chunks: Iterable[tuple[int, Planes | None]]
    ) -> EncodedShard:
        """Encode and halve a shard's chunks, one after another while each is in the cache.

        A coarser level halves the finer one as it is stored, so that an interrupted run, which
        has nothing else, continues with the same bytes.
        """
        quarter = self._accumulator.quarter(level, shard)
        payloads: dict[int, bytes] = {}
        unreadable: list[int] = []
        for place, chunk in chunks:
            if chunk is None:
                unreadable.append(place)
                continue
            payloads[place] = self.codec.encode(chunk)
            if quarter is not None:
                if not self.codec.is_lossless:
                    self._decode(payloads[place], chunk)
                self._halve(level, shard, place, chunk, quarter)
        return EncodedShard(level, shard, payloads, tuple(unreadable))

    def _halve_kept(self, level: int, shard: Shard, payloads: dict[int, bytes]) -> None:
        """Halve a shard that an earlier run has stored."""
        quarter = self._accumulator.quarter(level, shard)
        if quarter is not None:
            for place, payload in payloads.items():
                chunk = self._own_chunk()
                self._decode(payload, chunk)
                self._halve(level, shard, place, chunk, quarter)

    def _halve(self, level: int, shard: Shard, place: int, chunk: Planes, quarter: Planes) -> None:
        """Halve a chunk into its part of its shard's quarter; the chunk is used up."""
        grid = self.levels[level].grid
        repeat_edges(chunk, grid, grid.chunk_region(*grid.chunk_cell(shard, place)))
        rows, columns = grid.chunk_within_shard(place).rescaled((2, 2), (1, 1)).slices
        halve(chunk, out=quarter[:, rows, columns])

    def _decode(self, payload: bytes, chunk: Planes) -> None:
        """Put into ``chunk`` the pixels that a stored one decodes to."""
        channels, height, width = chunk.shape
        pixels = self.codec.decode(payload, (height, width, channels))
        chunk[:] = pixels.transpose(2, 0, 1)

    def _read_chunks(
        self, shard: Shard, fetched: FetchedPixels | None
    ) -> Iterator[tuple[int, Planes | None]]:
        """Yield the wanted chunks of a shard of level 0; None for one that cannot be read."""
        grid, wanted = self.levels[0].grid, self._wanted_region(shard)
        source = fetched if self._is_aligned else _decoded(fetched)
        for place in shard.chunks:
            region, chunk = grid.chunk_region(*grid.chunk_cell(shard, place)), self._own_chunk()
            try:
                part = (
                    source.crop(region.relative_to(wanted)) if source else self._slide.fetch(region)
                )
                part.pixels(out=chunk.transpose(1, 2, 0))
            except SlideReadError as error:
                _log.warning("%s", error)
                yield place, None
            else:
                yield place, chunk

    def _cut_chunks(self, finished: FinishedShard) -> Iterator[tuple[int, Planes | None]]:
        """Yield the wanted chunks of a coarser shard."""
        grid = self.levels[finished.level].grid
        for place in finished.shard.chunks:
            yield place, finished.pixels(grid.chunk_within_shard(place), self._own_chunk())

    def _own_chunk(self) -> Planes:
        """Return memory of this thread for a chunk, the same for one after another.

        Memory fresh from the system costs a page fault for every 4 KiB, which together take
        longer than it takes to fill it.
        """
        chunk: Planes | None = getattr(self._own, "chunk", None)
        if chunk is None:
            self._own.chunk = chunk = np.empty(self._chunk_shape, np.uint8)
        return chunk

    def _wanted_region(self, shard: Shard) -> Region:
        """Return the smallest region that holds all wanted chunks of a shard."""
        grid = self.levels[0].grid
        chunks = [grid.chunk_region(*grid.chunk_cell(shard, place)) for place in shard.chunks]
        return Region.from_edges(
            min(chunk.x for chunk in chunks),
            min(chunk.y for chunk in chunks),
            max(chunk.right for chunk in chunks),
            max(chunk.bottom for chunk in chunks),
        )


def _decoded(fetched: FetchedPixels | None) -> FetchedPixels | None:
    """Return a region decoded as a whole; None where part of it is damaged.

    For blocks that chunks would cut: each would be decoded for every chunk it lies in.
    """
    try:
        return None if fetched is None else DecodedPixels(fetched.pixels())
    except SlideReadError:
        return None  # which part, the chunks tell one by one


def _fits(level: Level, grid: ChunkGrid) -> bool:
    """Return whether chunks are whole blocks of a level's file; without any they are cut anyway."""
    width, height = level.tile_width_px, level.tile_height_px
    if width is None or height is None:
        return False
    return grid.chunk_width % width == 0 and grid.chunk_height % height == 0

"""Making shards by decoding the slide and encoding its pixels anew, level by level."""

import logging
import math
import threading
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from slidetile.codecs import ChunkCodec
from slidetile.errors import SlideReadError
from slidetile.geometry import Region
from slidetile.halving import Accumulator, Planes, blank_planes, halved_levels
from slidetile.layout import Grid, Shard
from slidetile.plan import TilePlan
from slidetile.slide import FetchedRegion, Slide
from slidetile.work import SHARD_PX, EncodedShard, IsKept, KeptShards, Task, halving_tasks

_log = logging.getLogger(__name__)

SHARDED_CHUNK_PX = 512


class _Fetched(NamedTuple):
    task: Task
    region: FetchedRegion | None = None
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

    kind = "mean of 2×2"

    def __init__(self, slide: Slide, plan: TilePlan, codec: ChunkCodec, fill: int) -> None:
        self.codec = codec
        self.kept: KeptShards | None = None
        chunk = SHARD_PX if codec.name == "raw" else SHARDED_CHUNK_PX
        grid = Grid.about(slide.levels[0].size, (chunk, chunk), SHARD_PX)
        self.levels = halved_levels(grid, grid.chunks_for(plan.regions))
        self._slide = slide
        self._fill = fill
        self._accumulator = Accumulator(self.levels, channels=slide.channels, fill=fill)
        self._planes_shape = slide.channels, grid.shard_height, grid.shard_width
        self._own = threading.local()

    @property
    def unit_bytes(self) -> int:
        """The pixels of a shard."""
        return math.prod(self._planes_shape)

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
            planes = self._decoded(level, fetched.payloads)
        else:
            planes, unreadable = self._planes(shard, fetched.region)
            yield self._encoded(0, shard, planes, unreadable)
        finished = self._accumulator.add(level, shard, planes)
        while finished is not None:
            yield self._encoded(*finished)
            finished = self._accumulator.add(*finished)

    def stored_bytes(self) -> None:
        """Return None: how far pixels compress shows when they are encoded."""

    def _encoded(
        self, level: int, shard: Shard, planes: Planes, unreadable: tuple[int, ...] = ()
    ) -> EncodedShard:
        """Encode a shard's chunks; what a lossy codec makes of them is left in the planes.

        A coarser level halves the finer one as it is stored, so that an interrupted run, which
        has nothing else, continues with the same bytes.
        """
        payloads = {
            place: self.codec.encode(self._contiguous(self._chunk(level, planes, place)))
            for place in shard.chunks
            if place not in unreadable
        }
        if not self.codec.is_lossless:
            planes[:] = self._decoded(level, payloads)
        return EncodedShard(level, shard, payloads, unreadable)

    def _contiguous(self, chunk: Planes) -> Planes:
        """Return a chunk in one piece, in memory of this thread that the next chunk will take."""
        if chunk.flags.c_contiguous:
            return chunk
        copy: Planes | None = getattr(self._own, "chunk", None)
        if copy is None:
            self._own.chunk = copy = np.empty(chunk.shape, np.uint8)
        copy[:] = chunk
        return copy

    def _decoded(self, level: int, payloads: dict[int, bytes]) -> Planes:
        """Return the pixels that a shard's stored chunks decode to."""
        grid, channels = self.levels[level].grid, self._slide.channels
        planes = blank_planes(grid, channels, self._fill)
        for place, payload in payloads.items():
            pixels = self.codec.decode(payload, (grid.chunk_height, grid.chunk_width, channels))
            self._chunk(level, planes, place)[:] = pixels.transpose(2, 0, 1)
        return planes

    def _chunk(self, level: int, planes: Planes, place: int) -> Planes:
        """Return a view of one chunk of a shard's pixels."""
        rows, columns = self.levels[level].grid.chunk_within_shard(place).slices
        return planes[:, rows, columns]

    def _planes(
        self, shard: Shard, fetched: FetchedRegion | None
    ) -> tuple[Planes, tuple[int, ...]]:
        """Return a shard's pixels, and the places of chunks that could not be read."""
        grid = self.levels[0].grid
        planes = self._blank_planes()
        if fetched is not None:
            rows, columns = self._wanted_region(shard).relative_to(grid.shard_region(shard)).slices
            try:
                fetched.pixels(out=planes.transpose(1, 2, 0)[rows, columns])
            except SlideReadError:
                pass  # part of it is damaged: which part, the chunks tell one by one
            else:
                self._blank_unwanted(shard, planes)
                return planes, ()
        planes.fill(self._fill)
        unreadable = tuple(place for place in shard.chunks if not self._read(shard, place, planes))
        return planes, unreadable

    def _blank_planes(self) -> Planes:
        """Return this thread's planes, made blank.

        They are used for one shard after another: memory fresh from the system costs a page
        fault for every 4 KiB, which together take longer than it takes to fill it.
        """
        planes: Planes | None = getattr(self._own, "planes", None)
        if planes is None:
            self._own.planes = planes = np.empty(self._planes_shape, np.uint8)
        planes.fill(self._fill)
        return planes

    def _blank_unwanted(self, shard: Shard, planes: Planes) -> None:
        for place in set(range(self.levels[0].grid.chunks_per_shard)).difference(shard.chunks):
            self._chunk(0, planes, place).fill(self._fill)

    def _read(self, shard: Shard, place: int, planes: Planes) -> bool:
        """Read one chunk from the slide; leave it blank and return False where it is damaged."""
        grid = self.levels[0].grid
        region = grid.chunk_region(*grid.chunk_cell(shard, place))
        try:
            pixels = self._slide.read_region(region)
        except SlideReadError as error:
            _log.warning("%s", error)
            return False
        self._chunk(0, planes, place)[:] = pixels.transpose(2, 0, 1)
        return True

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

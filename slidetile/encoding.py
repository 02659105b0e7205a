"""Making shards by decoding the slide and encoding its pixels anew, level by level."""

import logging
from typing import NamedTuple

from slidetile.codecs import ChunkCodec, ChunkPixels
from slidetile.errors import SlideReadError
from slidetile.geometry import Region
from slidetile.halving import Accumulator, Block, blank_block, halved_levels, to_block
from slidetile.layout import Grid, Shard
from slidetile.plan import TilePlan
from slidetile.slide import FetchedRegion, Pixels, Slide, blank, paste
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

    def tasks(self, is_kept: IsKept) -> list[Task]:
        """Return the shards of level 0 to make, and the finished ones coarser shards need."""
        return halving_tasks(self.levels, is_kept)

    def read(self, task: Task) -> _Fetched:
        """Read the bytes of a shard's wanted chunks."""
        if task.is_kept:
            assert self.kept is not None, "only a continued run has finished shards"
            return _Fetched(task, payloads=self.kept.read_shard(task.level, task.shard))
        try:
            return _Fetched(task, self._slide.fetch(self._wanted_region(task.shard)))
        except SlideReadError:  # perhaps only a part of it: `encode` reads chunk by chunk
            return _Fetched(task)

    def encode(self, fetched: _Fetched) -> list[EncodedShard]:
        """Encode a shard, and every coarser one that it completes."""
        level, shard, _ = fetched.task
        if fetched.payloads is not None:
            done = []
            block = self._decoded(level, fetched.payloads)
        else:
            pixels, unreadable = self._pixels(fetched)
            block = to_block(pixels, self.levels[0].grid)
            done = [self._encoded(0, shard, block, unreadable)]
        finished = self._accumulator.add(level, shard, block)
        while finished is not None:
            done.append(self._encoded(*finished))
            finished = self._accumulator.add(*finished)
        return done

    def stored_bytes(self) -> None:
        """Return None: how far pixels compress shows when they are encoded."""

    def _encoded(
        self, level: int, shard: Shard, block: Block, unreadable: tuple[int, ...] = ()
    ) -> EncodedShard:
        """Encode a shard's chunks; what a lossy codec makes of them is left in the block.

        A coarser level halves the finer one as it is stored, so that an interrupted run, which
        has nothing else, continues with the same bytes.
        """
        chunks = self._chunks(level, block)
        payloads = {
            place: self.codec.encode(chunks[place])
            for place in shard.chunks
            if place not in unreadable
        }
        if not self.codec.is_lossless:
            block[:] = self._decoded(level, payloads)
        return EncodedShard(level, shard, payloads, unreadable)

    def _decoded(self, level: int, payloads: dict[int, bytes]) -> Block:
        """Return the block that a shard's stored chunks decode to."""
        grid, channels = self.levels[level].grid, self._slide.channels
        block = blank_block(grid, channels, self._fill)
        chunks = self._chunks(level, block)
        for place, payload in payloads.items():
            pixels = self.codec.decode(payload, (grid.chunk_height, grid.chunk_width, channels))
            chunks[place][:] = pixels.transpose(2, 0, 1)
        return block

    def _chunks(self, level: int, block: Block) -> list[ChunkPixels]:
        """Return views of a block's chunks, by their place in the shard."""
        across = self.levels[level].grid.chunks_across
        return [block[divmod(place, across)] for place in range(block.shape[0] * across)]

    def _pixels(self, fetched: _Fetched) -> tuple[Pixels, tuple[int, ...]]:
        """Return a shard's pixels, and the places of chunks that could not be read."""
        shard, grid = fetched.task.shard, self.levels[0].grid
        if fetched.region is not None:
            try:
                return self._laid_out(shard, fetched.region.pixels()), ()
            except SlideReadError:
                pass  # part of it is damaged: which part, the chunks tell one by one
        canvas = self._canvas()
        unreadable: list[int] = []
        for place in shard.chunks:
            region = grid.chunk_region(*grid.chunk_cell(shard, place))
            try:
                paste(
                    canvas,
                    self._slide.read_region(region),
                    region.relative_to(grid.shard_region(shard)),
                )
            except SlideReadError as error:
                _log.warning("%s", error)
                unreadable.append(place)
        return canvas, tuple(unreadable)

    def _laid_out(self, shard: Shard, pixels: Pixels) -> Pixels:
        """Return a whole shard whose wanted chunks show ``pixels`` and whose others are blank."""
        grid = self.levels[0].grid
        if len(shard.chunks) == grid.chunks_per_shard:
            return pixels
        origin, wanted = grid.shard_region(shard), self._wanted_region(shard)
        canvas = self._canvas()
        for place in shard.chunks:
            chunk = grid.chunk_region(*grid.chunk_cell(shard, place))
            canvas[chunk.relative_to(origin).slices] = pixels[chunk.relative_to(wanted).slices]
        return canvas

    def _canvas(self) -> Pixels:
        grid = self.levels[0].grid
        colour = (self._fill, self._fill, self._fill)
        return blank(grid.shard_width, grid.shard_height, self._slide.channels, colour)

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
